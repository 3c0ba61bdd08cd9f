"""Span extraction from text to answer: training, scores, typed questions, and what is refused."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasllm.datasets.examples import Dataset, Span
from kerasllm.models import CausalLM, MaskedLM, TransformerBackbone
from kerasllm.models.span.preprocessor import SpanReader
from kerasllm.text import train_tokenizer
from kerasllm.training import load_run, shapes, span_answers, spans
from kerasllm.training.run import Run
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.span import SpanSettings
from kerasllm.training.span_answers import answer_pairs, answer_texts, threshold_of

COLOURS = ("red", "blue", "green", "pink")
ANIMALS = ("cat", "dog", "fox", "hen")
FILLERS = ("so", "then", "he", "saw", "one", "or", "two", "and", "it", "went")


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


def test_the_method_says_what_is_trained(base):
    def model_of(method):
        return spans._model(base, resolve(SpanSettings, method=method))

    pretrained = base.backbone.get_weights()
    for method, same in {"full": True, "frozen": True, "scratch": False}.items():
        model = model_of(method)
        pairs = zip(pretrained, model.backbone.get_weights(), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs) == same
        trained = [weight.path for weight in model.trainable_weights]
        assert trained == ["span/kernel"] if method == "frozen" else len(trained) > 10


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


# Bad input --------------------------------------------------------------------


def reader_of(tokenizer, **settings):
    settings = resolve(SpanSettings, **{"length": 32, "max_answer": 4, **settings})
    return SpanReader(tokenizer, dataclasses.asdict(settings))


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
