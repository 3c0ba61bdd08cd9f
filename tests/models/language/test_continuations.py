"""Text that appears while it is made is the text that is there in the end."""

import pytest

from kerasllm.models.language.continuations import continuation, cut, pieces, stop_ids
from kerasllm.text import train_tokenizer
from kerasllm.training import generate

TEXTS = [
    'She said: "it doesn\'t matter", and left (at 7).\nThe lowest slow snow, newer.',
    "我爱语言模型，也爱诗。春眠不觉晓 👩‍🚀🎉 naïve café!",
]


@pytest.fixture(params=["character", "word", "bpe", "wordpiece"])
def tokenizer(request):
    size = 262 if request.param == "bpe" else 300  # 262: a token is a byte
    return train_tokenizer(TEXTS * 3, request.param, size, min_frequency=1)


@pytest.fixture
def bytewise():
    return train_tokenizer(TEXTS * 3, "bpe", 262, min_frequency=1)


@pytest.mark.parametrize("text", TEXTS)
def test_the_pieces_are_the_text(tokenizer, text):
    ids = tokenizer.encode(text, eos=True)
    for begin in (1, 4, 9):
        prompt, new = ids[:begin], ids[begin:]
        made = list(pieces(tokenizer, prompt, new))
        assert "".join(made) == continuation(tokenizer, prompt, new)
        assert all(made)
        assert begin > 1 or len(made) > 3


def test_a_character_comes_when_its_bytes_are_there(bytewise):
    ids = bytewise.encode("爱👍é")
    assert len(ids) == 3 + 4 + 2
    seen = []

    def tokens():
        for token in ids:
            yield token
            seen.append(len("".join(made)))

    made = []
    for piece in pieces(bytewise, [], tokens()):
        made.append(piece)
    assert made == ["爱", "👍", "é"]
    assert seen == [0, 0, 1, 1, 1, 1, 2, 2, 3]


def test_bytes_that_never_become_a_character_come_at_the_end(bytewise):
    ids = bytewise.encode("a爱")[:-1]
    assert "".join(pieces(bytewise, [], ids)) == "a�" == continuation(bytewise, [], ids)


@pytest.mark.parametrize("stops", [["matter"], ["zz", "e l", "lowest"], ["\n"], ["7", "(at"]])
def test_a_stop_text_is_never_shown_and_nothing_after_it(bytewise, stops):
    ids = bytewise.encode(TEXTS[0])
    expected = cut(TEXTS[0], stops)
    assert expected != TEXTS[0]
    read = []
    made = list(pieces(bytewise, [], (read.append(i) or i for i in ids), stops))
    assert "".join(made) == expected
    assert len(read) <= len(expected) + max(map(len, stops))  # reads on no further


def test_what_might_have_been_a_stop_text_is_shown(bytewise):
    ids = bytewise.encode("the end, the en")
    assert "".join(pieces(bytewise, [], ids, ["the ending"])) == "the end, the en"


def test_stop_texts_of_one_token_are_stop_tokens(bytewise):
    newline = bytewise.encode("\n")[0]
    assert stop_ids(bytewise, ["\n", "ab"]) == (bytewise.eos_id, newline)
    word = train_tokenizer(TEXTS, "character")
    assert stop_ids(word, ["§"]) == (word.eos_id,)  # unknown: would end at any unknown token


def test_a_stream_is_the_generated_text(pretrained):
    options = {"max_new_tokens": 9, "seed": 3, "top_k": 20, "repetition_penalty": 1.2}
    whole = generate(pretrained, "the recipe", **options)
    stream = generate(pretrained, "the recipe", stream=True, **options)
    assert next(stream) == "the recipe"
    assert "the recipe" + "".join(stream) == whole
    prefixed = generate(pretrained, "the recipe", prefix="of the", **options)
    assert prefixed.startswith("the recipe of the ")


def test_a_text_ends_before_its_stop_text(pretrained):
    whole = generate(pretrained, "the", max_new_tokens=9, seed=3)
    stop = whole[len("the") :].split()[3]
    for options in ({"stop": stop}, {"stop": [stop, "zz"]}):
        text = generate(pretrained, "the", max_new_tokens=9, seed=3, **options)
        assert text == "the" + cut(whole[3:], [stop]) != whole


def test_a_beam_search_draws_nothing(pretrained):
    texts = [generate(pretrained, "the", max_new_tokens=5, beam=3, seed=s) for s in (1, 2)]
    assert texts[0] == texts[1]
    with pytest.raises(ValueError, match="a stream is of one prompt, token by token"):
        generate(pretrained, "the", beam=3, stream=True)
    with pytest.raises(ValueError, match="a stream is of one prompt, token by token"):
        generate(pretrained, ["the"], stream=True)


def test_what_a_prompt_holds_that_is_unknown_is_said(pretrained, capfd):
    generate(pretrained, ["the 龘", "the"], max_new_tokens=2, prefix="the")
    said = " ".join(capfd.readouterr().err.split())
    assert said == (
        "warning: 1 of 2 tokens is unknown to the tokenizer ('龘'): the continuation rests on the "
        "others"
    )
