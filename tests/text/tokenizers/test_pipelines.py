"""Which parts and patterns of a foreign pipeline are let in: those whose time can be told."""

import json
import time
import types

import pytest
from tokenizers import Tokenizer

from kerasllm.text import SPECIAL_TOKENS, train_tokenizer
from kerasllm.text.tokenizers.pipelines import (
    PipelineError,
    check_pattern,
    check_pipeline,
    without_panic,
)

CONTRACTED = "'s|'t|'re|'ve|'m|'ll|'d"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
OTHER = r"[^\r\n\p{L}\p{N}]?"
KNOWN = {
    "gpt-2": CONTRACTED + r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt-4": f"(?i:{CONTRACTED})|{OTHER}"
    r"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "gpt-4o": f"{OTHER}{UPPER}*{LOWER}+(?i:{CONTRACTED})?|{OTHER}{UPPER}+{LOWER}*(?i:{CONTRACTED})?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "clip": r"<\|startoftext\|>|" + CONTRACTED + r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "blanks": r"\s+",
    "digits": r"\d{1,3}",
    "chinese": "[\u4e00-\u9fa5\u3040-\u30ff]+",
    "marks": r"[!-~]|\n|\.|x(?=y)",
}
HOSTILE = [
    "(a+)+$", "(a|a)*", "a*b*a*$", r"(a*)*\1$", ".*x", "[^x]+y", "x{99}{99}", "a{1,3}+b",
    "(?:a{0,99}){0,99}b", "a{0,99}b{0,99}c", "(?:a?){30}b", r"(?<x>a)\g<x>", r"\s+\s+x", "[^x]+y{}",
    r"\p{L}+x\p{L}+y", r"[\s\w]*x", "a{5,}b", "a**", "(?>a)", "[a&&b]", "[[a]]", "(?i)a*b",
    "(a", "a)", "^a", "a$", "|".join("a" * 1200), "a" * 3000, "(" * 10**5,
]  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_patterns_that_models_have_are_let_in_and_read_a_long_text_soon(name):
    check_pattern(KNOWN[name])
    pipeline = Tokenizer.from_str(json.dumps(_pipeline(KNOWN[name])))
    began = time.process_time()
    for text in ("ab " * 10**4, "a" * 10**3, "天气" * 10**4, "a1.\r\n !" * 10**4, "Ä" * 10**3):
        pipeline.encode(text)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("pattern", HOSTILE, ids=lambda pattern: pattern[:20])
def test_other_patterns_are_refused(pattern):
    with pytest.raises(PipelineError, match="may take for ever: known are alternatives"):
        check_pattern(pattern)


def test_the_most_that_is_let_in_ends_soon():
    # A thousand ways at each of ten thousand places, and the square of a long word.
    for pattern, text in (
        ("a{0,30}a{0,30}b", "a" * 10**4),
        (r"\p{L}+b", "é" * 3000),
        ("|".join(f"a{{0,9}}{chr(0x4E00 + i)}" for i in range(99)), "a" * 10**4),
    ):
        check_pattern(pattern)
        pipeline = Tokenizer.from_str(json.dumps(_pipeline(pattern)))
        began = time.process_time()
        pipeline.encode(text)
        assert time.process_time() - began < 3


def _pipeline(pattern=None, **changes):
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": pattern and split | {"invert": False},
        "post_processor": None, "decoder": None,
        "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
    } | changes  # fmt: skip


def test_bounds_of_pipelines():
    check_pipeline(_pipeline())
    strips = {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 32}
    check_pipeline(_pipeline(normalizer=strips))
    longer = {"type": "Sequence", "normalizers": [strips, {"type": "Strip"}]}
    with pytest.raises(PipelineError, match="32 parts at most, received 33"):
        check_pipeline(_pipeline(normalizer=longer))
    twice = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    six = {"type": "Sequence", "normalizers": [twice] * 6}
    check_pipeline(_pipeline(normalizer=six))
    with pytest.raises(PipelineError, match=r"64 times as long at most, .* 128 times"):
        check_pipeline(_pipeline(normalizer=six, pre_tokenizer={"type": "ByteLevel"}))
    deep = {"type": "NFC"}
    for _ in range(10**4):
        deep = {"type": "Sequence", "normalizers": [deep]}
    check_pipeline(_pipeline(normalizer=deep))  # what the library makes of it is its error


def test_a_panic_of_the_library_is_an_error_of_ours(capfd):
    """Bytes twice, of which the library trims what it cannot count."""
    twice = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    model = {
        "type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {token: i for i, token in enumerate((*SPECIAL_TOKENS, "a"))},
    }  # fmt: skip
    empty = {"type": "Prepend", "prepend": ""}
    with pytest.raises(PipelineError, match="1 to 64 characters to be put before"):
        check_pipeline(_pipeline(normalizer=empty))
    both = _pipeline(model=model, normalizer=empty, pre_tokenizer=twice)
    panics = pytest.raises(PipelineError, match="the tokenizers library fails with this tokenizer")
    with panics, without_panic():
        Tokenizer.from_str(json.dumps(both)).encode("ab a  b1\n\t天气é .")
    with pytest.raises(KeyError), without_panic():  # nothing else is renamed
        raise KeyError
    capfd.readouterr()  # the library says what it does on stderr


def test_a_tokenizer_that_panics_says_so(monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*_):
        raise PanicException("index out of bounds")

    tokenizer = train_tokenizer(["a b"], kind="wordpiece", vocabulary_size=20, min_frequency=1)
    pipeline = types.SimpleNamespace(encode=panic, encode_batch_fast=panic)
    monkeypatch.setattr(tokenizer, "_pipeline", pipeline)
    for read in (tokenizer.encode, tokenizer.offsets):
        with pytest.raises(ValueError, match=r"fails with this tokenizer \(index out of bounds\)"):
            read("a b")
