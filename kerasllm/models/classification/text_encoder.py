"""Texts to vectors."""

import keras

from kerasllm.layers import MaskedPooling
from kerasllm.models.classification.preprocessor import ClassificationPreprocessor
from kerasllm.models.task import Task
from kerasllm.text.batching import pad_bucketed


@keras.saving.register_keras_serializable("kerasllm")
class TextEncoder(Task):
    """Give a text a vector: what an imported encoder without a head is good for.

        y = pool(features)

    Args:
        backbone: any backbone.
        pooling: "mean", "max", "last", "first" or "attention", over the real tokens.
        preprocessor: a `ClassificationPreprocessor`; None for a model of ids.

    Inputs: ids (B, T). Outputs: vectors (B, D).

    Source: Reimers and Gurevych 2019, section 3 (mean pooling).
    """

    preprocessor_class = ClassificationPreprocessor

    def __init__(self, backbone, pooling="mean", preprocessor=None, **kwargs):
        super().__init__(
            backbone.input, MaskedPooling(pooling, name="pooling")(backbone.output), **kwargs
        )
        self._finish(backbone, preprocessor, pooling=pooling)

    def default_loss(self):
        """Return None: vectors have no targets of their own."""
        return None

    def reading(self, x):
        """Return the `Reading` of a text, whose vector has no name."""
        return super().reading(x)._replace(predicts="vector")

    def answers(self, x):
        """Return for each text its vector (D,), and a warning or None."""
        texts = [x] if isinstance(x, str) else list(x)
        ids, _ = self.preprocessor.rows(texts)
        vectors = (self.predict_on_batch(pad_bucketed([row]))[0] for row in ids)
        return [
            {"text": text, "vector": vector, "warning": self.preprocessor.warning(text)}
            for text, vector in zip(texts, vectors, strict=True)
        ]
