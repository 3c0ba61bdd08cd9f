"""Check 4 for whole models: the backbones of a preset, trained beside their NumPy twins.

- In float64, on TensorFlow: in float32 two right models drift apart, and Keras computes parts of a
  float64 model in float32 on JAX and torch.
- Rounding grows as training goes on, faster at a higher learning rate, and in two right models
  too. `RATE` is small enough for 9 digits after 300 steps.
"""

import time

import keras
import numpy as np

from kerasllm.models import CausalLM, RecurrentBackbone, TokenCrossEntropy, TransformerBackbone
from kerasllm.verify.comparison.backend import in_precision
from kerasllm.verify.comparison.report import Report, compare_arrays
from kerasllm.verify.twins.model import twin as twin_of

PRESETS = ("tiny", "small", "base")
BACKBONES = {"recurrent": RecurrentBackbone, "transformer": TransformerBackbone}
BAR, RATE = 1e-9, 1e-4
VOCABULARY, BATCHES, ROWS, LENGTH = 31, 5, 3, 11


def prove_presets(names=PRESETS, *, steps=300, console=None):
    """Train the backbones of presets as language models, each beside its twin; compare weights.

    Both get the same batches (random ids, ragged, with padding) and AdamW with clipping by global
    norm. "tiny" takes half a minute on two CPU cores, "base" a quarter of an hour.

    Args:
        names: presets, of `PRESETS`.
        steps: how many steps of the optimizer.
        console: a rich console that gets a line for each backbone; none is printed if left out.

    Returns:
        A `Report`: a row for each weight of each backbone, held to 1e-9.

    Raises:
        ValueError: an unknown preset, or another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "expected the backend tensorflow, whose float64 is float64 throughout, received "
            f"{keras.backend.backend()}: set KERAS_BACKEND=tensorflow."
        )
    rows = []
    with in_precision("float64"):
        for name in names:
            for kind, backbone in BACKBONES.items():
                model = _model(backbone.from_size(name, VOCABULARY))
                rows += _side_by_side(f"{name} {kind}", model, steps, console)
    return Report(rows, title=f"Presets, {steps} steps of AdamW in float64: Keras against NumPy")


def _model(backbone):
    """Return a language model with random weights everywhere: zeros hide swapped biases."""
    model, rng = CausalLM(backbone), np.random.default_rng(0)
    model.set_weights([w + 0.02 * rng.standard_normal(w.shape) for w in model.get_weights()])
    optimizer = keras.optimizers.AdamW(RATE, weight_decay=0.1, global_clipnorm=1.0)
    model.compile(optimizer, TokenCrossEntropy(), jit_compile=False)
    return model


def _batches():
    rng = np.random.default_rng(0)
    ids = rng.integers(6, VOCABULARY, (BATCHES, ROWS, LENGTH + 1))
    lengths = rng.integers(3, LENGTH + 2, (BATCHES, ROWS, 1))
    ids *= np.arange(LENGTH + 1) < lengths
    return [(batch[:, :-1], batch[:, 1:]) for batch in ids]


def _side_by_side(title, model, steps, console):
    """Train a model and its twin, say how it went, and return a row for each weight."""
    began, batches, twin = time.perf_counter(), _batches(), twin_of(model)
    losses = []
    for step in range(steps):
        x, y = batches[step % BATCHES]
        model.train_on_batch(x, y)
        losses.append(twin.train_on_batch(x, y))
    rows = [
        compare_arrays(f"{title}: {v.path}", f"after {steps} steps", ours, theirs, BAR)
        for v, ours, theirs in zip(
            model.weights, twin.get_weights(), model.get_weights(), strict=True
        )
    ]
    if console is not None:
        from rich.text import Text

        worst, ok = max(row.max_rel for row in rows), all(row.ok for row in rows)
        line = (
            f" {title:<18}{model.count_params():>11,} "
            f"weights  loss {losses[0]:.2f} → {losses[-1]:.2f}  apart {worst:.0e} "
            f"{time.perf_counter() - began:5.0f} s"
        )
        console.print(Text.assemble(("✓", "green") if ok else ("✗", "bold red"), line))
    return rows
