"""A precision that the user set is the user's: it is kept, computed in, and written with."""

import keras
import pytest

from kerasllm.models.decoding import steps as decoding_steps
from kerasllm.training import evaluate, generate, load_run, pretrain

TEXTS = [f"the number {i} is here and there" for i in range(30)]
TINY = {"size": "tiny", "hidden_dim": 6, "num_layers": 1, "length": 8, "batch_size": 4, "steps": 1,
        "tokenizer": "word", "xla": False, "quiet": True}  # fmt: skip
LSTM = {**TINY, "units": 6}
GPT = {**TINY, "backbone": "transformer", "num_heads": 2}


@pytest.fixture
def policy(monkeypatch):
    """Return a function that sets Keras' global precision; what was before comes back."""
    floatx, before = keras.config.floatx(), keras.config.dtype_policy()
    if keras.backend.backend() != "jax":  # to compile a decoding loop takes seconds
        monkeypatch.setattr(decoding_steps, "compiled", lambda function, _model: function)

    def use(name):
        if name == "float64":
            keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)

    yield use
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("name", "options"), [("float64", LSTM), ("float64", GPT), ("mixed_float16", GPT)]
)
@pytest.mark.usefixtures("eager")
def test_a_global_precision_is_kept_and_computed_in(name, options, policy, tmp_path, capfd):
    policy(name)
    run = pretrain(TEXTS, tmp_path / "run", **{**options, "quiet": False})
    assert f"computes in {name}" in capfd.readouterr().err
    assert keras.config.dtype_policy().name == name
    assert run.model.backbone.dtype_policy.name == name
    run = load_run(run.path)
    for more in ({}, {"temperature": 0}, {"beam": 2}, {"top_k": 3, "repetition_penalty": 1.2}):
        assert generate(run, "the number", max_new_tokens=2, **more).startswith("the number")
    assert evaluate(run, TEXTS[-2:], quiet=True)["model"]["loss"] > 0
    assert keras.config.dtype_policy().name == name


@pytest.mark.usefixtures("eager")
def test_mixed_precision_is_of_the_training_alone(policy, tmp_path):
    policy("float32")
    run = pretrain(TEXTS, tmp_path / "run", mixed_precision=True, **LSTM)
    assert keras.config.dtype_policy().name == "float32"
    assert run.model.backbone.dtype_policy.name == "mixed_bfloat16"
    again = pretrain(TEXTS, tmp_path / "again", **LSTM)
    assert again.model.backbone.dtype_policy.name == "float32"
    with pytest.raises(ValueError, match="steps must be above 0"):
        pretrain(TEXTS, tmp_path / "none", mixed_precision=True, **{**LSTM, "steps": 0})
    assert keras.config.dtype_policy().name == "float32"
