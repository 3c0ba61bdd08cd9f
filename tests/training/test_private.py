"""Private trainings: what they record, what they refuse."""

import pytest

from kerasllm import datasets
from kerasllm.reference import gaussian_epsilon
from kerasllm.training import finetune
from kerasllm.training.engine import compilation
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.utils import ranks


def test_a_private_training_says_what_it_gives_away(pretrained, tmp_path, capsys):
    data = tuple(datasets.load("topic_en", part).take(12) for part in ("train", "validation"))
    options = {"epochs": 2, "method": "full", "private_noise": 3.0, "private_clip": 0.5}
    run = finetune(pretrained, data, tmp_path / "run", batch_size=6, xla=False, **options)
    spent = run.config["private"]
    assert spent["epochs"] == 2 and spent["unit"] == "text" and spent["delta"] <= 1e-5
    assert spent["epsilon"] == pytest.approx(gaussian_epsilon(3.0, 2, spent["delta"]))
    said = "".join(capsys.readouterr())
    assert "private: ε" in said and "the tokenizer" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"accumulate": 2}, "leave --accumulate out"),
        ({"minutes": 1.0}, "give --epochs or --steps"),
    ],
)
def test_what_it_cannot_be_together_with(options, words):
    with pytest.raises(ValueError, match=words):
        resolve(ClassificationSettings, private_noise=1.0, **options).check(None)


def test_several_processes_and_other_models_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="cannot be trained privately"):
        compilation.check_private(object())
    monkeypatch.setattr(ranks, "place", lambda: ranks.Place(0, 2))
    with pytest.raises(ValueError, match="leave --processes out"):
        compilation.check_private(object())
