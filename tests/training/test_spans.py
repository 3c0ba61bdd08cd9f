"""Span extraction: windows, places in characters, training, answers, and what is refused."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from kerasllm.datasets.examples import Dataset, Span
from kerasllm.models import CausalLM, MaskedLM, SpanExtractor, TransformerBackbone
from kerasllm.text import train_tokenizer
from kerasllm.text.imported import import_tokenizer
from kerasllm.training import load_run, shapes, span_answers, spans
from kerasllm.training.run import Run
from kerasllm.training.settings import resolve
from kerasllm.training.span_answers import answer_pairs, answer_texts, threshold_of
from kerasllm.training.span_settings import SpanSettings
from kerasllm.training.span_windows import SpanReader, window_batches, window_targets

COLOURS = ("red", "blue", "green", "pink")
ANIMALS = ("cat", "dog", "fox", "hen")
BERT = {"pad": "[PAD]", "unk": "[UNK]", "bos": "[CLS]", "eos": "[SEP]", "sep": "[SEP]",
        "mask": "[MASK]"}  # fmt: skip
FILLERS = ("so", "then", "he", "saw", "one", "or", "two", "and", "it", "went")
CHINESE = "小明👩‍🚀在北京大学读书，2019年毕业了。"


def colours_and_animals(split, size, seed):
    """Return questions on a colour or an animal; only the question says on which."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(size):
        words = rng.choice(FILLERS, 9).tolist()
        pair = str(rng.choice(COLOURS)), str(rng.choice(ANIMALS))
        places = rng.choice(9, 2, replace=False)
        for word, place in zip(pair, places, strict=True):
            words[place] = word
        asked = int(rng.integers(2))
        start = sum(len(word) + 1 for word in words[: places[asked]])
        question = ("which colour ?", "which animal ?")[asked]
        rows.append(Span(" ".join(words), question, ((pair[asked], start),)))
    return Dataset(rows, name="seen", split=split, task="span")


@pytest.fixture(scope="module")
def data():
    return colours_and_animals("train", 256, 1), colours_and_animals("validation", 64, 2)


def untrained_run(path, data, task, **options):
    """Return a run that `pretrain` could have written, without the training."""
    keras.utils.set_random_seed(5)
    texts = [text for example in data[0] for text in (example.question, example.context)]
    tokenizer = train_tokenizer(texts, kind="word", min_frequency=1)
    options = {"hidden_dim": 16, "num_layers": 1, "max_length": 64, **options}
    backbone = TransformerBackbone.from_preset("tiny", tokenizer.vocabulary_size, **options)
    run = Run.create(path)
    config = {"kind": "pretrain", "settings": {"length": 32}, "tokenizer": tokenizer.fingerprint}
    run.begin(config, tokenizer)
    run.save(task(backbone), tokenizer)
    return run


@pytest.fixture(scope="module")
def base(data, shared):
    return untrained_run(shared / "span_base", data, MaskedLM, causal=False)


OPTIONS = {"epochs": 14, "learning_rate": 1e-2, "max_answer": 3, "quiet": True}


@pytest.fixture(scope="module")
def trained(base, data, shared):
    return spans.train_span(data, shared / "span", pretrained=base, **OPTIONS)


# Training, scores and answers -------------------------------------------------


def test_learns_what_the_question_asks_for(trained):
    test = colours_and_animals("test", 64, 3)
    result = spans.evaluate_span(trained, test)
    assert result["rows"] == 64 and result["data"] == "seen"
    assert result["model"]["f1"] > 90
    assert all(scores["f1"] < 60 for scores in result["baselines"].values())
    low, high = result["interval"]["f1"]
    assert low <= result["model"]["f1"] <= high
    assert trained.config["kind"] == "span" and trained.config["always_answered"]
    assert trained.metrics["val_f1"] > 90
    assert trained.config["settings"]["length"] == 32  # inherited
    assert (trained.path / "figures" / "learning_curves.png").is_file()
    assert shapes.function("evaluate", "span") is spans.evaluate_span


def test_answers_typed_questions(trained):
    run = load_run(trained.path)
    context = "  so then\n  pink he saw a cat"
    colour, animal, empty, unknown = spans.predict_span(
        run,
        [("which colour ?", context), ("which animal ?", context), (" ", context), ("ǂ ǂ", "ǂ")],
    )
    assert (colour["answer"], animal["answer"]) == ("pink", "cat")
    for row in (colour, animal):
        assert context[row["start"] :].startswith(row["answer"])
        assert row["text"] == context and row["score"] > 0 and row["warning"] is None
    assert (empty["answer"], empty["start"], empty["score"]) == ("", None, None)
    assert "question is empty" in empty["warning"]
    assert "every token of the question is unknown" in unknown["warning"]
    assert spans.predict_span(run, []) == []
    (alone,) = spans.predict_span(run, ("which colour ?", context))
    assert (alone["answer"], alone["start"]) == ("pink", colour["start"])


def test_resuming_a_finished_run_changes_nothing(trained, base, data):
    before = trained.model.get_weights()
    again = spans.train_span(data, trained.path, pretrained=base, resume=True, **OPTIONS)
    for old, new in zip(before, again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match=r"cannot resume .*'stride': \(None, 3\)"):
        spans.train_span(data, trained.path, pretrained=base, resume=True, stride=3, **OPTIONS)


def test_the_threshold_says_how_sure_an_answer_must_be(trained):
    config = {"settings": {"null_threshold": None}, "always_answered": True}
    assert threshold_of(config) == -np.inf
    assert threshold_of(config | {"always_answered": False}) == 0.0
    assert threshold_of(config | {"settings": {"null_threshold": -2.5}}) == -2.5
    reader = SpanReader(trained.tokenizer, trained.settings)
    context = "so then pink he saw a cat"
    answers = answer_pairs(trained.model, reader, [("which colour ?", context)])
    score = answers[0].score
    assert answer_texts(answers, [context], score - 0.1) == ["pink"]
    assert answer_texts(answers, [context], score) == [""]


# Windows and characters -------------------------------------------------------


def reader_of(tokenizer, **settings):
    settings = resolve(SpanSettings, **{"length": 32, "max_answer": 4, **settings})
    return SpanReader(tokenizer, dataclasses.asdict(settings))


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
    reader = reader_of(tokenizer, length=26, stride=7)
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
    batches = window_batches(windows, targets, resolve(SpanSettings, empty_windows=0.0))
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
    backbone = TransformerBackbone.from_preset("tiny", tokenizer.vocabulary_size, **options)
    model = SpanExtractor(backbone)
    for weight in model.weights:
        scale = 0 if "attention" in weight.path else 1
        weight.assign(scale * rng.normal(size=weight.shape))
    model.compile(run_eagerly=True)
    pairs = [(" ".join(rng.permutation(words)[:3]), " ".join(rng.permutation(words)))
             for _ in range(6)]  # fmt: skip
    long, short = reader_of(tokenizer, length=64), reader_of(tokenizer, length=17, stride=5)
    assert len(long.windows(0, *pairs[0])) == 1 and len(short.windows(0, *pairs[0])) > 5
    expected = answer_pairs(model, long, pairs)
    for one, other, (_, context) in zip(expected, answer_pairs(model, short, pairs), pairs,
                                        strict=True):  # fmt: skip
        assert other.score == pytest.approx(one.score, abs=1e-5)
        assert (other.start, other.end) == (one.start, one.end)
        assert set(context[one.start : one.end].split()) <= set(words)


# Bad input --------------------------------------------------------------------


def rows(*examples, split="train"):
    return Dataset(examples, name="mine", split=split, task="span")


GOOD = Span("Ada came home.", "Who came?", (("Ada", 0),))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Span("Ada came.", "Who?", (("Bob", 0),)), "question 1 of .*'Who?'.* the answer 'Bob' at 0."
         " It stands nowhere in the context: correct it, or leave it out"),
        (Span("Ada came.", "What?", (("came", 3),)), "It stands at 4: correct the place"),
        (Span("Ada came.", "What?", (("Ada", -9),)), "It stands at 0: correct the place"),
        (Span("Ada came.", "What?", ((" ", 3),)), "stands nowhere"),
        (Span("Ada came.", "  ", ()), "question 1 of .* has an empty question: leave it out"),
        (Span("\n", "Who?", ()), "question 1 of .* has an empty context: leave it out"),
    ],
)  # fmt: skip
def test_bad_rows_are_named(bad, message):
    for pair in ((rows(GOOD, bad), rows(GOOD)), (rows(GOOD), rows(GOOD, bad))):
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            spans.read_spans(pair)


def test_an_answer_that_is_not_in_the_context_of_a_file_is_named(base, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(
        '{"data": [{"paragraphs": [{"context": "Ada came.", "qas": [{"id": "q7", "question": '
        '"Who came?", "answers": [{"text": "Bob", "answer_start": 0}]}]}]}]}'
    )
    with pytest.raises(ValueError, match=r"'Bob' to question 'q7' .* Correct it, or pass unfound"):
        spans.train_span(path, tmp_path / "run", pretrained=base, quiet=True)


def test_data_without_answers_or_questions_is_refused(trained):
    nothing = rows(Span("Ada came.", "Who?", ()))
    with pytest.raises(ValueError, match=r"expected questions with answers, .* has none"):
        spans.read_spans((nothing, nothing))
    with pytest.raises(ValueError, match=r"expected questions on contexts, .* a set for classif"):
        spans.read_spans("topic_en")
    with pytest.raises(ValueError, match="given in Python: give the data to score"):
        spans.evaluate_span(trained)


def test_a_question_that_leaves_no_room_is_named(base, data, tmp_path):
    long = " ".join(["which colour"] * 20) + " ?"
    with pytest.raises(
        ValueError,
        match=r"question 'which colour.*takes 41 tokens, which leaves "
        "room for 0 of its context in length=32.*raise length, or lower max_q",
    ):
        reader_of(base.tokenizer).windows(0, long, "so then")
    reader = reader_of(base.tokenizer, max_question=9)
    assert reader.windows(0, long, "so then")[0].first == 11  # <bos>, 9 tokens, <sep>


def test_a_question_that_was_cut_is_told(trained):
    settings = {**trained.settings, "max_question": 2}
    row = span_answers._warning("which colour ?", "so", SpanReader(trained.tokenizer, settings))
    assert row == "only the first 2 tokens of the question were read"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 65}, "length=65 is longer than the 64 tokens"),
        ({"method": "ful"}, "method to be one of .* Did you mean 'full'"),
        ({"max_answer": 0}, "max_answer must be above 0"),
        ({"empty_windows": 1.5}, "empty_windows is a share"),
    ],
)
def test_settings_that_cannot_be_used(options, message, base, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        spans.train_span(data, tmp_path / "run", pretrained=base, quiet=True, **options)


def test_what_it_begins_from_must_read_all_and_stay(base, data, tmp_path):
    causal = untrained_run(tmp_path / "causal", data, CausalLM)
    with pytest.raises(ValueError, match="needs a backbone that reads the whole text"):
        spans.train_span(data, tmp_path / "run", pretrained=causal, quiet=True)
    with pytest.raises(ValueError, match="is the pretrained run itself"):
        spans.train_span(data, base.path, pretrained=base, quiet=True)


@pytest.mark.parametrize("pairs", [["one text"], [("a", "b", "c")], [("a", None)]])
def test_pairs_are_wanted(pairs, trained):
    with pytest.raises(TypeError, match="expected pairs of a question and its context, received"):
        spans.predict_span(trained, pairs)
