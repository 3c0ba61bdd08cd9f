"""Word splitters keep the text as it is; joined words read as usual."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm.text import join_words, split_words


def words(text, splitter="treebank"):
    return [text[a:b] for a, b in split_words(text, splitter)]


def test_treebank_splits_every_sentence():
    assert words("I can't. You won't!\nIt's 3.5 (or so).") == [
        "I", "ca", "n't", ".", "You", "wo", "n't", "!",
        "It", "'s", "3.5", "(", "or", "so", ")", ".",
    ]  # fmt: skip


def test_quotes_are_not_rewritten():
    assert words("\"Yes,\" he said. ``No''") == [
        '"',
        "Yes",
        ",",
        '"',
        "he",
        "said",
        ".",
        "``",
        "No",
        "''",
    ]


def test_tweets():
    assert words("@ann can't wait :-) #nlp <3", "tweet") == [
        "@ann",
        "can't",
        "wait",
        ":-)",
        "#nlp",
        "<3",
    ]


def test_space_splits_at_white_space_only():
    assert words(" a,b\tc\n <unk> ", "space") == ["a,b", "c", "<unk>"]


@pytest.mark.parametrize("splitter", ["treebank", "tweet", "space"])
@given(text=st.text(st.sampled_from("ab'\"`.,!?&;:()<> \n…。我-_#@$1")))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_spans_are_in_order_and_hold_no_space(splitter, text):
    end = 0
    for a, b in split_words(text, splitter):
        assert end <= a < b
        assert splitter == "tweet" or not any(c.isspace() for c in text[a:b])
        end = b


@given(text=st.text(st.sampled_from("ab'\"`.,!?;:()<> \n我-_#@$1")))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_treebank_loses_nothing_but_white_space(text):
    assert "".join(words(text)) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        'He said: "I can\'t (really) go." Then (50%) left!',
        "It costs $5; don't you think?",
        "我爱语言，你呢？很好。",
        "GPT很好 and so on...",
    ],
)
def test_split_and_joined_again(text):
    pieces = words(text, "tweet")
    expected = text.replace("GPT很好 and", "GPT很好and")
    assert join_words(pieces) == expected
