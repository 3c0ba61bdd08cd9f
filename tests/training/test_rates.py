"""The learning rate that a pretraining takes where none is said."""

import pytest

from kerasllm.training import finetune, pretrain
from kerasllm.training.settings.rates import rate_for

pytestmark = pytest.mark.usefixtures("eager")
SMALL = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "length": 5, "batch_size": 3,
         "xla": False, "steps": 2}  # fmt: skip


def test_wider_layers_and_longer_trainings_take_smaller_steps():
    assert rate_for(100, 10) == rate_for(100, 1000) == 0.005  # 0.5 / 100
    assert rate_for(50, 1000) == 0.01
    assert rate_for(100, 16_000) == 0.0025  # 16 times as many steps: half
    assert rate_for(10**6, 1000) == 3e-4 and rate_for(1, 1000) == 0.01


@pytest.mark.parametrize(
    ("options", "rate"),
    [({}, 0.0078), ({"units": 125}, 0.004), ({"backbone": "transformer"}, 0.0078),
     ({"backbone": "transformer", "hidden_dim": 100, "num_heads": 2}, 0.005),
     ({"learning_rate": 0.1}, 0.1)],
)  # fmt: skip
def test_it_follows_from_the_model(animals, tmp_path, capsys, options, rate):
    run = pretrain(animals["language_model"][0], tmp_path / "run", **SMALL, **options)
    said = f"learning_rate {rate:g}: " in capsys.readouterr().err
    assert run.settings["learning_rate"] == rate and said == ("learning_rate" not in options)


def test_a_run_that_goes_on_takes_smaller_steps(animals, bases, tmp_path):
    options = {"quiet": True, "steps": 1, "batch_size": 3, "xla": False}
    data = animals["language_model"][0]
    on = finetune(bases("lstm"), data, tmp_path / "on", **options)
    anew = finetune(bases("lstm"), data, tmp_path / "anew", method="scratch", **options)
    assert on.settings["learning_rate"] == 1e-3
    assert anew.settings["learning_rate"] == 0.01  # 7 features, as the run has
