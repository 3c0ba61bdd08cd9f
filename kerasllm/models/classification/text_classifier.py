"""Text classification: one label, or several, for a text."""

import keras

from kerasllm.layers import MaskedPooling
from kerasllm.models.task import _Task


@keras.saving.register_keras_serializable("kerasllm")
class TextClassifier(_Task):
    """Give a text one label.

        p(label | text) = softmax(dropout(norm(pool(features))) W + b)

    The norm (a layer norm) brings pooled features of any backbone to one size, so that one
    learning rate fits the head on all of them.

    Args:
        backbone: any backbone.
        num_classes: C ≥ 2.
        pooling: "mean", "max", "last", "first" or "attention", over the real tokens.
        layer: whose features are pooled: 0 the embeddings, -1 the top.
        dropout: on the pooled features.

    Inputs: ids (B, T). Outputs: logits (B, C).
    """

    def __init__(self, backbone, num_classes, pooling="mean", layer=-1, dropout=0.0, **kwargs):
        if num_classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, received {num_classes}.")
        pooled = MaskedPooling(pooling, name="pooling")(backbone.features(layer))
        pooled = keras.layers.LayerNormalization(epsilon=1e-6, name="pooled_norm")(pooled)
        pooled = keras.layers.Dropout(dropout, name="dropout")(pooled)
        # From 0, so that few labels move the head where they point and nowhere else.
        head = keras.layers.Dense(num_classes, kernel_initializer="zeros", name="classes")
        logits = head(pooled)
        super().__init__(backbone.input, logits, **kwargs)
        self.backbone = backbone
        self.task_config = {
            "num_classes": num_classes,
            "pooling": pooling,
            "layer": layer,
            "dropout": dropout,
        }
