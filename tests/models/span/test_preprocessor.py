"""Windows of long contexts, and the way from characters to tokens and back."""

import json

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from kerasllm.datasets.examples import Dataset, Span
from kerasllm.models import SpanExtractor, SpanPreprocessor, TransformerBackbone
from kerasllm.models.span.preprocessor import window_targets
from kerasllm.models.span.scoring import answer_pairs
from kerasllm.text import train_tokenizer
from kerasllm.text.tokenizers.imported import import_tokenizer

BERT = {"pad": "[PAD]", "unk": "[UNK]", "bos": "[CLS]", "eos": "[SEP]", "sep": "[SEP]",
        "mask": "[MASK]"}  # fmt: skip
CHINESE = "小明👩‍🚀在北京大学读书，2019年毕业了。"


def reader_of(tokenizer, **options):
    return SpanPreprocessor(tokenizer, **{"length": 32, "max_answer": 4, **options})


CONTEXTS = (
    CHINESE,
    "  Die Straße naïve,\tcafé “Zoë” won't 12.5%  of it  ",
    "He 👍🏽 said: 我爱 GPT-4 & e\u0301te\u0301.",
)
KINDS = ("character", "word", "bpe", "wordpiece")


def word_piece(texts):
    """Return a pipeline as a BERT brings it, which strips accents."""
    pipeline = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    pipeline.normalizer = normalizers.BertNormalizer(lowercase=True)
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=60, special_tokens=list(dict.fromkeys(BERT.values())), show_progress=False
    )
    pipeline.train_from_iterator(texts, trainer)
    return json.loads(pipeline.to_str())


def tokenizer_of(kind, texts=CONTEXTS):
    if kind == "imported":
        return import_tokenizer(word_piece(texts), BERT, "bert", lowercase=True)
    options = {"word_splitter": "space"} if kind == "word" else {}
    return train_tokenizer(texts, kind=kind, min_frequency=1, vocabulary_size=400, **options)


@pytest.mark.parametrize("kind", [*KINDS, "imported"])
def test_an_answer_is_found_again_by_its_tokens(kind, rng):
    reader = reader_of(tokenizer_of(kind))
    for context in CONTEXTS:
        spans_of = reader.pieces(context)[1]
        for _ in range(40):
            first, last = sorted(rng.integers(0, len(spans_of), 2).tolist())
            start, end = reader.characters(context, first, last)
            answer = context[start:end]
            assert answer == answer.strip()
            if not answer:  # a token of white space alone
                continue
            tokens = reader.tokens_of(context, answer, start)
            assert reader.characters(context, *tokens) == (start, end)
            assert context[spans_of[first][0] : spans_of[last][1]].strip() == answer


def test_part_of_a_token_gives_the_whole_token():
    reader = reader_of(tokenizer_of("word", ["the coldest winter"]))
    assert reader.tokens_of("the coldest winter", "cold", 4) == (1, 1)
    assert reader.characters("the coldest winter", 1, 1) == (4, 11)
    assert reader.tokens_of("a b", " ", 1) is None


@pytest.mark.parametrize("kind", ["character", "imported"])
def test_targets_are_the_answer_or_position_0(kind):
    context, answer = CHINESE * 3, "北京大学"
    tokenizer = tokenizer_of(kind)
    reader = reader_of(tokenizer, length=26, stride=1)
    starts = [i for i in range(len(context)) if context.startswith(answer, i)]
    data = Dataset([Span(context, "在哪？", ((answer, starts[1]),))] * 2,
                   name="x", split="train", task="span")  # fmt: skip
    windows, targets = window_targets(reader, data)
    ids, seen = reader.pieces(context)[0], set()
    first, last = reader.tokens_of(context, answer, starts[1])
    assert [w.question for w in windows] == sorted(w.question for w in windows)
    for window, (start, end) in zip(windows, targets.tolist(), strict=True):
        part = window.ids[window.first : window.stop]
        assert part == ids[window.shift : window.shift + len(part)]
        assert window.ids[0] == tokenizer.bos_id and len(window.ids) <= 26
        seen |= set(range(window.shift, window.shift + len(part)))
        whole = window.shift <= first and last < window.shift + len(part)
        assert (start, end) == (0, 0) or whole
        assert not whole or window.ids[start : end + 1] == ids[first : last + 1]
    assert seen == set(range(len(ids))) and targets.any() and not targets.any(axis=1).all()
    batches = reader.batches(data, empty_windows=0.0)
    assert len(batches.sequences) == targets.any(axis=1).sum()
    inputs, positions = batches.batch(0)
    for row, (a, b), (start, end) in zip(inputs["ids"], inputs["context"], positions, strict=True):
        assert a <= start <= end < b
        assert row[start : end + 1].tolist() == ids[first : last + 1]


def test_windows_together_are_one_long_window(rng):
    """Of a backbone that sees no neighbours, every window gives a token the same scores."""
    words = [f"w{i}" for i in range(40)]
    tokenizer = train_tokenizer([" ".join(words)], kind="word", min_frequency=1)
    options = {"hidden_dim": 6, "num_heads": 2, "positions": None, "causal": False}
    backbone = TransformerBackbone.from_size("tiny", tokenizer.vocabulary_size, **options)
    model = SpanExtractor(backbone)
    for weight in model.weights:
        scale = 0 if "attention" in weight.path else 1
        weight.assign(scale * rng.normal(size=weight.shape))
    model.compile(run_eagerly=True)
    pairs = [(" ".join(rng.permutation(words)[:3]), " ".join(rng.permutation(words)))
             for _ in range(6)]  # fmt: skip
    long, short = reader_of(tokenizer, length=64), reader_of(tokenizer, length=17, stride=5)
    assert len(long.windows(0, *pairs[0])) == 1 and len(short.windows(0, *pairs[0])) > 5
    model.preprocessor = long
    expected = answer_pairs(model, pairs)
    model.preprocessor = short
    for one, other, (_, context) in zip(expected, answer_pairs(model, pairs), pairs,
                                        strict=True):  # fmt: skip
        assert other.score == pytest.approx(one.score, abs=1e-5)
        assert (other.start, other.end) == (one.start, one.end)
        assert set(context[one.start : one.end].split()) <= set(words)
