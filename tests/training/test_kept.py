"""The weights that are kept are those that are reported, and any validation score may choose."""

import shutil
from pathlib import Path

import pytest

from kerasllm.datasets import Dataset, Labelled, Span
from kerasllm.training import load_run, train
from kerasllm.training.engine.progress import Progress
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.settings.pretraining import PretrainSettings
from kerasllm.training.trainer import _kept

IMPORTED = Path(__file__).with_name("runs_of_before") / "imported"
TINY = {"size": "tiny", "hidden_dim": 5, "tokenizer": "word", "min_frequency": 1, "xla": False,
        "batch_size": 8}  # fmt: skip


def rows_of(metric, *values):
    return [
        {"stage": "stage 0: all weights", "step": 10 * n, "val_loss": n, f"val_{metric}": value}
        for n, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("metric", "values", "step"),
    [
        ("loss", (0.3, 0.1, 0.2), 20),
        ("loss", (0.3, 0.1, 0.1), 20),
        ("f1", (0.3, 0.1, 0.4, 0.2), 30),
        ("f1", (0.4, 0.4), 20),  # a few rows tie often, and the later weights have learned more
    ],
)
def test_the_best_validation_of_the_chosen_score_is_kept(metric, values, step):
    rows = rows_of(metric, *values)
    assert _kept(rows, f"val_{metric}", keep_best=True)["step"] == step
    assert _kept(rows, f"val_{metric}", keep_best=False) is rows[-1]
    assert _kept([*rows, {"stage": "stage 1", "step": 5}], f"val_{metric}", True)["step"] == 5


def labelled(split, count):
    rows = [Labelled(f"the {w} is {n}", w) for n in range(count) for w in ("cat", "dog")]
    return Dataset(rows, name="own", split=split, task="classification")


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("metric", ["loss", "f1_macro"])
def test_any_score_chooses_and_the_epoch_is_told(metric, tmp_path, capfd):
    data, options = (labelled("train", 8), labelled("validation", 4)), {"units": 5, **TINY}
    run = train(data, tmp_path / "run", metric=metric, epochs=3, learning_rate=0.03, **options)
    lines = [line for line in capfd.readouterr().err.splitlines() if "kept: the weights" in line]
    header, *rows = (run.path / "history.csv").read_text().splitlines()
    values = [float(row.split(",")[header.split(",").index(f"val_{metric}")]) for row in rows]
    best = min(values) if metric == "loss" else max(values)
    place = values.index(best) if metric == "loss" else 2 - values[::-1].index(best)
    kept = run.metrics["kept"]
    assert run.metrics[f"val_{metric}"] == pytest.approx(best)
    assert kept["epoch"] == 1 + place and kept["step"] == 2 * kept["epoch"]
    assert kept["chosen_by"] == f"val_{metric}" and len(lines) == 1
    assert f"epoch {kept['epoch']:g}, step {kept['step']} (val_{metric})" in lines[0]
    # what is reported is what the kept weights score
    found = run.model.scores(data[1])[metric]
    assert found == pytest.approx(best, rel=1e-4)


def test_a_score_that_there_is_not_is_refused_at_once():
    with pytest.raises(ValueError, match="expected metric to be one of"):
        resolve(ClassificationSettings, metric="bleu")


@pytest.fixture
def imported(tmp_path):
    """Return an imported run of before, in a folder of its own."""
    shutil.copytree(IMPORTED, tmp_path / "imported")
    return load_run(tmp_path / "imported")


@pytest.mark.parametrize(
    ("given", "rate"),
    [({}, 1e-4), ({"method": "gradual"}, 1e-4), ({"method": "frozen"}, 1e-3),
     ({"method": "lora"}, 1e-3), ({"learning_rate": 3e-4}, 3e-4)],
)  # fmt: skip
def test_an_imported_run_carries_its_learning_rate(imported, given, rate, capfd):
    settings = resolve(ClassificationSettings, **given)
    settings = settings.suited(None, imported, Progress())
    assert settings.learning_rate == rate
    assert ("as " in capfd.readouterr().err) == (rate == 1e-4)


def test_a_run_of_ones_own_advises_nothing(pretrained):
    quiet = Progress(quiet=True)
    for shape in (ClassificationSettings, PretrainSettings):
        assert resolve(shape).suited(None, pretrained, quiet).learning_rate == 1e-3
    assert resolve(ClassificationSettings)._with_rate(None, quiet).learning_rate == 1e-3


def test_unknown_tokens_are_told_before_a_model_that_finds_answers_is_trained(
    tmp_path, capfd, monkeypatch
):
    from kerasllm.training import trainer

    def stop(*_):
        raise KeyError("trained no further")

    monkeypatch.setattr(trainer, "train_in_stages", stop)
    train_rows = [Span("the cat is here", "where is it", (("here", 11),))] * 4
    held = [Span("ein Hund war da", "wer war da", (("Hund", 4),))]
    parts = (
        Dataset(rows, name="own", split=split, task="span")
        for rows, split in ((train_rows, "train"), (held, "validation"))
    )
    options = {"num_layers": 1, "num_heads": 1, "length": 16, "max_answer": 3, **TINY}
    with pytest.raises(KeyError):
        train(tuple(parts), tmp_path / "run", **{**options, "hidden_dim": 4})
    assert "unknown tokens: 0.0% in training, 100.0% in validation: does the tokenizer" in (
        " ".join(capfd.readouterr().err.split())
    )
