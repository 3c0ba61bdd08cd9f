"""The head scores the answers' tokens alone: the same steps as with all logits."""

import keras
import numpy as np
import pytest

from kerasllm.models import ChatLM, LoRA, TransformerBackbone, TransformerConfig
from kerasllm.models.language import head
from kerasllm.training.engine.compilation import precision_kept
from kerasllm.verify.comparison.backend import in_precision

V = 23
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
# The others have no float64 by the way that Keras takes here.
DTYPE, BAR = ("float64", 1e-9) if ON_TENSORFLOW else ("float32", 1e-5)  # 2^-24, three steps


def model_of(reader, score_pad=True, tied=True):
    keras.utils.set_random_seed(5)
    config = TransformerConfig(
        V, 8, 2, 2, max_length=64, positions="rotary", activation="swiglu", normalization="rms",
        use_bias=False, num_kv_heads=1, tied=tied, score_pad=score_pad,
    )  # fmt: skip
    return ChatLM(TransformerBackbone(config), preprocessor=reader)


def steps(model, arrays, monkeypatch, leave_out, parts=1):
    """Return the losses and the weights of three steps, and how often the logits were left out."""
    monkeypatch.setattr(head, "SMALLEST_OF_ANSWERS", V if leave_out else V + 1)
    monkeypatch.setattr(head, "SMALLEST", {})
    calls, task = [], getattr(model, "task", model)
    own = task.head_loss
    monkeypatch.setattr(task, "head_loss", lambda *given: calls.append(given) or own(*given))
    model.compile(
        keras.optimizers.SGD(0.5), task.default_loss(), run_eagerly=ON_TENSORFLOW, jit_compile=False
    )
    model.accumulate = parts
    losses = [float(model.train_on_batch(*arrays)) for _ in range(3)]
    return losses, model.get_weights(), len(calls)


@pytest.mark.backends
@pytest.mark.parametrize("kind", ["tied", "no pad", "untied", "lora", "lora, no pad"])
def test_steps_are_those_with_all_logits(kind, reader, talks, monkeypatch):
    with in_precision(DTYPE):
        found = []
        for leave_out in (True, False):
            model = model_of(reader, "no pad" not in kind, kind != "untied")
            arrays = reader.batches(talks, None, None).batch(0)
            model = LoRA(model, rank=2) if "lora" in kind else model
            found.append(steps(model, arrays, monkeypatch, leave_out))
    (losses, ours, calls), (expected, theirs, none) = found
    assert calls and not none
    assert losses[0] > losses[-1]
    np.testing.assert_allclose(losses, expected, rtol=BAR)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=BAR)


def test_a_corrected_table_is_scored_with_its_correction(reader, talks, monkeypatch):
    arrays = reader.batches(talks, None, None).batch(0)
    adapted = LoRA(model_of(reader), rank=2, targets=("*kernel", "embeddings"))
    assert steps(adapted, arrays, monkeypatch, True)[2] == 0


def test_in_parts_and_in_half_precision(reader, talks, monkeypatch):
    arrays = reader.batches(talks, None, None).batch(0)
    whole, parted = (
        steps(model_of(reader), arrays, monkeypatch, True, parts=parts) for parts in (1, 3)
    )
    assert parted[2]
    np.testing.assert_allclose(whole[0], parted[0], rtol=1e-4)
    with precision_kept():
        keras.config.set_dtype_policy("mixed_bfloat16")
        mixed = steps(model_of(reader), arrays, monkeypatch, True)
    assert mixed[2] and mixed[0] == pytest.approx(whole[0], rel=0.05)
