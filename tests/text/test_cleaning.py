"""Each cleaning step does its work, only when it is on, and reports it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm.text import Cleaner
from kerasllm.text.cleaning import speechless

OFF = {"nfkc": False, "control": False, "html": False, "whitespace": False}
RAW = {
    "html": ("a &lt;b&gt; &amp; caf&eacute; &#20320;", "a <b> & café 你"),
    "control": ("a\x00b\u200bc\ufeff\r\nd\re\u202ef\td\ud800", "abc\nd\nef\td"),
    "nfkc": ("ﬁ Ａ１ e\u0301 ，", "fi A1 é ,"),
    "whitespace": ("  a \t b\u3000c \n\n\n\n d  ", "a b c\n\nd"),
    "lowercase": ("ABC Ä", "abc ä"),
}


@pytest.mark.parametrize("step", RAW)
def test_each_step_alone(step):
    before, after = RAW[step]
    assert Cleaner(**OFF | {step: True})(before) == after
    assert Cleaner(**OFF)(before) == before
    everything_else = dict.fromkeys(RAW, True) | {step: False}
    assert step not in Cleaner(**everything_else).steps


def test_emoji_stay_whole():
    assert Cleaner()("👨‍👩‍👧 👍🏽") == "👨‍👩‍👧 👍🏽"


@given(st.text(st.characters(exclude_categories=[])))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_clean_text_is_clean(text):
    cleaner = Cleaner(html=False)  # "&amp;amp;" holds another entity, rightly
    once = cleaner(text)
    assert cleaner(once) == once
    once.encode("utf-8")


def test_report_counts_and_shows():
    texts = ["a &amp; b", "plain", "x &lt; y  z", "\u200b"]
    clean, report = Cleaner().clean_all(iter(texts))
    assert clean == ["a & b", "plain", "x < y z", ""]
    assert report.texts == 4 and report.emptied == 1
    assert report.changed == {"html": 2, "control": 1, "nfkc": 0, "whitespace": 1}
    assert set(report.examples) == {"html", "control", "whitespace"}
    before, after = report.examples["html"]
    assert before in texts[0] and "&amp;" in before and "&amp;" not in after
    for words in ("4 texts", "html", "50.0%", "'a &amp; b' -> 'a & b'", "1 texts are empty"):
        assert words in str(report)


def test_example_shows_the_place_of_the_change():
    _, report = Cleaner().clean_all(["x" * 500 + " &amp; " + "y" * 500])
    before, after = report.examples["html"]
    assert "&amp;" in before and len(before) <= 24 and "&" in after


def test_report_of_nothing():
    assert "0 texts" in str(Cleaner().clean_all([])[1])


def test_one_string_is_refused():
    with pytest.raises(TypeError, match="letter by letter"):
        Cleaner().clean_all("one text")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  \u3000\u200b\n", "the text is blank"),
        ("", "the text is blank"),
        ("😀👩‍👩‍👧 ❤️", "the text holds neither a letter nor a digit"),
        ("... !", "the text holds neither a letter nor a digit"),
        ("7", None),
        ("好", None),
        ("é 😀", None),
        ("ไทย", None),
    ],
)
def test_texts_without_a_word(text, said):
    assert (speechless(text) or "").startswith(said or "") and bool(speechless(text)) == bool(said)
