"""Low-rank adaptation: the task's own graph, with W + α/r A B in the place of a matrix W.

A correction added to a matrix makes its gradient dense, a token table's included.
"""

from functools import partial

import keras

from kerasllm import reference as ref
from kerasllm.models import LoRA
from kerasllm.verify.twins.graph import run
from kerasllm.verify.twins.registry import register


def lora(tape, model, inputs):
    """Compute LoRA."""
    corrected = partial(ref.lora, alpha=model.alpha)
    for weight, parts in zip(model.adapted, model.corrections, strict=True):
        tape.compute_weight(weight, corrected, ref.lora_backward, weight, *parts)
    return run(tape, model.task, keras.tree.flatten(inputs))


register(LoRA, compose=lora)
