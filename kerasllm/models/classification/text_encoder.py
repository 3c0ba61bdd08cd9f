"""Texts to vectors."""

import keras

from kerasllm.layers import MaskedPooling
from kerasllm.models.task import _Task


@keras.saving.register_keras_serializable("kerasllm")
class TextEncoder(_Task):
    """Give a text a vector: what an imported encoder without a head is good for.

        y = pool(features)

    Args:
        backbone: any backbone.
        pooling: "mean", "max", "last", "first" or "attention", over the real tokens.

    Inputs: ids (B, T). Outputs: vectors (B, D).

    Source: Reimers and Gurevych 2019, section 3 (mean pooling).
    """

    def __init__(self, backbone, pooling="mean", **kwargs):
        super().__init__(
            backbone.input, MaskedPooling(pooling, name="pooling")(backbone.output), **kwargs
        )
        self.backbone = backbone
        self.task_config = {"pooling": pooling}
