"""Parts of a page: texts are escaped, marks stand where they belong, maps have their places."""

import numpy as np
import pytest

from kerasllm.models.review import MISSED, RIGHT, WRONG, Case, Piece, Review, pieces_of
from kerasllm.reports.blocks import case, looks, marked, section, word_map
from kerasllm.reports.embeddings import laid_out, neighbours
from kerasllm.reports.words import Words


def test_marks_and_shades():
    html = marked((Piece("in "), Piece("<Rome>", RIGHT, "LOC"), Piece("now", heat=1.0)))
    assert '<mark class="right">&lt;Rome&gt;<small>LOC</small></mark>' in html
    assert "<span>in </span>" in html and 'style="--at: 0.85"' in html


def test_a_case_shows_answer_and_truth_escaped():
    found = Case((Piece("a & b"),), "<b>", "x$y", 0.5, False, "who?")
    html = case(found, Words("zh"))
    for text in ("a &amp; b", "&lt;b&gt;", "x&#36;y", "who?", "0.50", "正确"):
        assert text in html
    assert "<b>" not in html and "0.50" not in case(found, Words(), wrong=False)


def test_a_section_without_content_is_none():
    assert section("Scores", None, "") == ""
    assert "<h2>Scores</h2><p>good</p>" in section("Scores", "good", None)


def test_attention_is_a_map_of_its_weights():
    html = looks(["猫"], ["cat", "s"], [[0.25, 0.75]])
    assert html.count("<td") == 2 and "--at: 0.25" in html and 'title="0.75"' in html
    assert html.index("cat") < html.index("猫")


def test_words_lie_where_they_are_put():
    html = word_map({"a": (0.0, 0.0), "b": (1.0, 0.5)}, {"a": "b", "b": '"a"'})
    assert "left: 6.0%; top: 4.0%" in html and "left: 94.0%; top: 50.0%" in html
    assert 'title="&quot;a&quot;"' in html


@pytest.mark.parametrize(
    ("spans", "pieces"),
    [
        ([], [("in Rome now", "")]),
        ([(3, 7, RIGHT, "")], [("in ", ""), ("Rome", RIGHT), (" now", "")]),
        ([(0, 2, WRONG, ""), (1, 7, MISSED, "")], [("in", WRONG), (" Rome now", "")]),
        ([(8, 11, MISSED, "")], [("in Rome ", ""), ("now", MISSED)]),
    ],
)
def test_pieces_make_up_the_text(spans, pieces):
    found = pieces_of("in Rome now", spans)
    assert [(piece.text, piece.mark) for piece in found] == pieces


def test_the_worst_come_first_and_right_ones_do_not():
    cases = [Case((), "", str(w), w, right) for w, right in ((1, False), (9, True), (3, False))]
    assert [one.answer for one in Review(cases).worst()] == ["3", "1"]
    assert len(Review(cases).worst(1)) == 1


def test_neighbours_are_near_by_angle_and_places_by_groups(rng):
    groups = np.repeat(np.eye(3), 7, axis=0) * 5 + 0.1 * rng.standard_normal((21, 3))
    lengths = groups * rng.uniform(0.1, 9, (21, 1))  # a cosine does not see them
    near = neighbours(lengths, list(range(21)), 6)
    assert (near // 7 == np.arange(21)[:, None] // 7).all()
    places = laid_out(lengths)
    assert places.min() == 0 and places.max() == 1
    for group in range(3):
        mine = places[7 * group : 7 * group + 7]
        others = np.delete(places, range(7 * group, 7 * group + 7), axis=0)
        assert (
            np.ptp(mine, axis=0).max() < np.linalg.norm(others - mine.mean(0), axis=1).min() * 1.5
        )
