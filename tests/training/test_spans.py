"""Span extraction from text to answer: training, scores, typed questions, and what is refused."""

import json

import keras
import numpy as np
import pytest

from kerasllm.datasets.examples import Dataset, Span
from kerasllm.models import (
    CausalLM,
    CausalPreprocessor,
    MaskedLM,
    MaskedPreprocessor,
    SpanPreprocessor,
    TransformerBackbone,
)
from kerasllm.models.runs_of_before import preprocessor_of
from kerasllm.models.span.scoring import answer_pairs, answer_texts
from kerasllm.text import train_tokenizer
from kerasllm.training import Run, SpanSettings, evaluate, load_run, predict, train
from kerasllm.training.engine.freezing import freeze_below, stages
from kerasllm.training.engine.progress import Progress
from kerasllm.training.settings.base import resolve

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
    backbone = TransformerBackbone.from_size("tiny", tokenizer.vocabulary_size, **options)
    run = Run.create(path)
    objective = "causal" if task is CausalLM else "masked"
    config = {"task": "language_model", "settings": {"objective": objective, "length": 32}}
    run.begin(config | {"tokenizer": tokenizer.fingerprint}, tokenizer)
    reader = {CausalLM: CausalPreprocessor, MaskedLM: MaskedPreprocessor}[task]
    run.save(task(backbone, preprocessor=reader(tokenizer, 32)), tokenizer)
    return run


@pytest.fixture(scope="module")
def base(data, shared):
    return untrained_run(shared / "span_base", data, MaskedLM, causal=False)


OPTIONS = {"epochs": 14, "learning_rate": 1e-2, "max_answer": 3, "quiet": True}


@pytest.fixture(scope="module")
def trained(base, data, shared):
    return train(data, shared / "span", pretrained=base, **OPTIONS)


# Training, scores and answers -------------------------------------------------


def test_learns_what_the_question_asks_for(trained):
    test = colours_and_animals("test", 64, 3)
    assert trained.metrics["val_f1"] > 90
    result = evaluate(trained, test, quiet=True)
    assert result["rows"] == 64 and result["data"] == "seen"
    assert result["model"]["f1"] > 90
    assert all(scores["f1"] < 60 for scores in result["baselines"].values())
    low, high = result["interval"]["f1"]
    assert low <= result["model"]["f1"] <= high
    assert trained.config["task"] == "span" and trained.config["always_answered"]
    beside = json.loads((trained.path / "evaluations" / "seen-test.json").read_text())
    assert beside["model"] == result["model"]
    assert trained.config["settings"]["length"] == 32  # inherited
    assert (trained.path / "figures" / "learning_curves.png").is_file()


def test_answers_typed_questions(trained):
    run = load_run(trained.path)
    context = "  so then\n  pink he saw a cat"
    colour, animal, empty, unknown = predict(
        run,
        [("which colour ?", context), ("which animal ?", context), (" ", context), ("ǂ ǂ", "ǂ")],
    )
    assert (colour["answer"], animal["answer"]) == ("pink", "cat")
    for row in (colour, animal):
        assert context[row["start"] :].startswith(row["answer"])
        assert row["text"] == context and row["score"] > 0
        assert row["warning"].startswith("context: 1 of 7 tokens is unknown to the tokenizer ('a')")
    assert (empty["answer"], empty["start"], empty["score"]) == ("", None, None)
    assert "question is empty" in empty["warning"]
    assert "question: every token is unknown" in unknown["warning"]
    assert predict(run, []) == []
    (alone,) = predict(run, ("which colour ?", context))
    assert (alone["answer"], alone["start"]) == ("pink", colour["start"])


def test_resuming_a_finished_run_changes_nothing(trained, base, data):
    before = trained.model.get_weights()
    again = train(data, trained.path, pretrained=base, resume=True, **OPTIONS)
    for old, new in zip(before, again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match=r"cannot resume .*'stride': \(None, 3\)"):
        train(data, trained.path, pretrained=base, resume=True, stride=3, **OPTIONS)


def test_the_log_says_which_settings_are_inherited(base, data, capfd):
    settings = SpanSettings(max_answer=3).suited(SpanSettings.examples(*data), base, Progress())
    shown = capfd.readouterr().err
    assert settings.length == 32 and "'length': 32}; overridden here: {" in shown
    assert "'max_answer': 3" in shown.split("overridden here")[1]


def test_the_method_says_what_is_trained(base, data):
    examples = SpanSettings.examples(*data)
    pretrained = base.backbone.get_weights()
    for method, same in {"full": True, "frozen": True, "scratch": False}.items():
        settings = resolve(SpanSettings, method=method)
        settings = settings.suited(examples, base, Progress(quiet=True))
        model = settings.make_task(settings.make_preprocessor(examples, base), base)
        pairs = zip(pretrained, model.backbone.get_weights(), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs) == same
        ((top, _),) = stages(len(model.used_groups()), method, 0, 7)
        freeze_below(model, top)
        trained = [weight.path for weight in model.trainable_weights]
        assert trained == ["span/kernel"] if method == "frozen" else len(trained) > 10


def test_the_threshold_says_how_sure_an_answer_must_be(trained):
    context = "so then pink he saw a cat"
    answers = answer_pairs(trained.model, [("which colour ?", context)])
    score = answers[0].score
    assert answer_texts(answers, [context], score - 0.1) == ["pink"]
    assert answer_texts(answers, [context], score) == [""]
    assert answer_texts(answers, [context], None) == ["pink"]  # any score will do


def test_the_threshold_follows_from_the_training_questions(trained, data):
    def threshold(train, **settings):
        settings = resolve(SpanSettings, length=32, **settings)
        return settings.make_preprocessor(SpanSettings.examples(train, train), trained).threshold

    some = rows(*data[0], Span("so then", "which colour ?", ()))
    assert threshold(data[0]) is None and trained.model.preprocessor.threshold is None
    assert threshold(some) == 0.0
    assert threshold(data[0], null_threshold=-2.5) == threshold(some, null_threshold=-2.5) == -2.5


def test_the_threshold_of_a_run_of_before_follows_from_its_config(trained):
    def threshold(given, always):
        config = {"task": "span", "settings": {**trained.settings, "null_threshold": given}}
        config |= {"always_answered": always}
        return preprocessor_of(config, trained.tokenizer, trained.path).threshold

    assert threshold(None, always=True) is None
    assert threshold(None, always=False) == 0.0
    assert threshold(-2.5, always=False) == threshold(-2.5, always=True) == -2.5


# Bad input --------------------------------------------------------------------


def reader_of(tokenizer, **settings):
    return SpanPreprocessor(tokenizer, **{"length": 32, "max_answer": 4, **settings})


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
            SpanSettings.read(pair)


def test_an_answer_that_is_not_in_the_context_of_a_file_is_named(base, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(
        '{"data": [{"paragraphs": [{"context": "Ada came.", "qas": [{"id": "q7", "question": '
        '"Who came?", "answers": [{"text": "Bob", "answer_start": 0}]}]}]}]}'
    )
    with pytest.raises(ValueError, match=r"'Bob' to question 'q7' .* Correct it, or pass unfound"):
        train(path, tmp_path / "run", pretrained=base, quiet=True)


def test_data_without_answers_or_questions_is_refused(trained):
    nothing = rows(Span("Ada came.", "Who?", ()))
    with pytest.raises(ValueError, match=r"expected questions with answers, .* has none"):
        SpanSettings.read((nothing, nothing))
    with pytest.raises(ValueError, match=r"expected questions on contexts, .* a set for classif"):
        SpanSettings.read("topic_en")
    with pytest.raises(
        ValueError, match=r"given in Python, which is not kept: .* the data to score"
    ):
        evaluate(trained)


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
    reader = reader_of(trained.tokenizer, max_question=2)
    told = reader.warning("which colour ?", "so")
    assert told == "only the first 2 tokens of the question were read"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 65}, "length=65 is longer than the 64 tokens"),
        ({"method": "ful"}, "method to be one of .* Did you mean 'full'"),
        ({"max_answer": 0}, "max_answer must be 1 or more"),
        ({"empty_windows": 1.5}, "empty_windows must be 0 or more and at most 1"),
    ],
)
def test_settings_that_cannot_be_used(options, message, base, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(data, tmp_path / "run", pretrained=base, quiet=True, **options)


def test_what_it_begins_from_must_read_all_and_stay(base, data, tmp_path):
    causal = untrained_run(tmp_path / "causal", data, CausalLM)
    with pytest.raises(ValueError, match="needs a backbone that reads the whole text"):
        train(data, tmp_path / "run", pretrained=causal, quiet=True)
    with pytest.raises(ValueError, match="is the pretrained run itself"):
        train(data, base.path, pretrained=base, quiet=True)


@pytest.mark.parametrize("pairs", [["one text"], [("a", "b", "c")], [("a", None)]])
def test_pairs_are_wanted(pairs, trained):
    with pytest.raises(TypeError, match="expected pairs of a question and its context, received"):
        predict(trained, pairs)
