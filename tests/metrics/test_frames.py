"""Frames: intents and slots scored apart, and together."""

import pytest

from kerasllm.metrics import tagging_metrics
from kerasllm.metrics.frames import frame_intervals, frame_metrics

TRUE = [
    ["B-intent.flight", "O", "B-from", "I-from"],
    ["B-intent.fare", "B-to"],
    ["B-intent.fare", "O", "O"],
    ["B-intent.meal", "B-day"],
]
SAID = [
    ["B-intent.flight", "O", "B-from", "O"],  # half a slot
    ["B-intent.flight", "B-to"],  # another intent
    ["B-intent.fare", "O", "O"],  # right: nothing there, nothing said
    ["O", "B-day"],  # no intent at all
]


def test_a_frame_is_right_where_intent_and_slots_are():
    scores = frame_metrics(TRUE, SAID)
    assert scores["intent"] == 0.5 and scores["frame"] == 0.25
    # right to, day; said from, to, day; there from, to, day
    assert scores["slot_f1"] == pytest.approx(2 / 3)


def test_intents_count_for_no_slot():
    slots = tagging_metrics([row[1:] for row in TRUE], [row[1:] for row in SAID])
    assert frame_metrics(TRUE, SAID)["slot_f1"] == slots["f1"]
    assert frame_metrics(TRUE, TRUE) == {"slot_f1": 1.0, "intent": 1.0, "frame": 1.0}


def test_intervals_hold_the_score():
    found = frame_intervals(TRUE * 20, SAID * 20)
    assert found["frame"][0] < 0.25 < found["frame"][1]
    assert found["intent"][0] < 0.5 < found["intent"][1]


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="expected"):
        frame_metrics([], [])
