"""Simplified and traditional characters are told apart, what both share tells nothing."""

import pytest

from kerasllm.text.script import script_of


@pytest.mark.parametrize(
    ("texts", "name", "simplified", "traditional"),
    [
        (["国国人人"], "simplified", 1 / 2, 0),  # 人 is of both scripts
        (["國人人"], "traditional", 0, 1 / 3),
        (["国", "國"], "mixed", 1 / 2, 1 / 2),
        (["人大天"], "", 0, 0),
        (["人" * 199 + "国"], "", 1 / 200, 0),  # too few to tell
        (["国国国国国国國"], "simplified", 6 / 7, 1 / 7),  # a rare form among many
        (["no Chinese", ""], "", 0, 0),
        ([], "", 0, 0),
    ],
)
def test_shares(texts, name, simplified, traditional):
    found = script_of(texts)
    assert found.name == name
    assert found[1:] == pytest.approx((simplified, traditional))


def test_it_says_what_was_counted():
    assert str(script_of(["国人"])) == (
        "simplified Chinese (50% of the Han characters are simplified alone, 0% traditional alone)"
    )
