"""The head of a language model: logits for whoever asks, and the loss alone in a training step."""

import contextlib

import keras
from keras import ops

from kerasllm.layers import linear_cross_entropy
from kerasllm.layers.embedding import NEVER

# (Backend, whether with XLA): words in a vocabulary from which on it is faster to leave the logits
# out, where it is, by `benchmarks/head.py`.
SMALLEST = {("jax", True): 2000, ("tensorflow", True): 10_000}
SMALLEST_OF_ANSWERS = 2000  # the same, where few tokens of a batch count


def language_head(backbone, features, tied=True):
    """Return logits (B, T, V): by a table of the embedding where widths agree, if `tied`."""
    if tied and features.shape[-1] == backbone.embedding.hidden_dim:
        return backbone.embedding(features, reverse=True)
    return keras.layers.Dense(backbone.settings.vocabulary_size, name="head")(features)


class WithHead:
    """A task whose training step computes head and loss together, without all the logits.

    It does so where nothing else looks at the logits of a training step: the loss is the
    `TokenCrossEntropy` of `default_loss`, and there are no metrics of Keras.
    """

    in_step = False
    answers_only = False  # whether few tokens of a batch count

    def _keep_head(self, inputs, features, name=None):
        """Keep what is below the head.

        Args:
            inputs: of the task.
            features: symbolic features (B, T, D) that the head reads.
            name: of the logits among several outputs.
        """
        outputs = features if name is None else {**self.output, name: features}
        self._below_head, self._head_name = keras.Model(inputs, outputs), name

    @property
    def head_parts(self):
        """Return (kernel, bias or None, whether the kernel is the table of the embedding)."""
        if any(layer.name == "head" for layer in self.layers):
            head = self.get_layer("head")
            return head.kernel, head.bias, False
        return self.backbone.embedding.output_table, None, True

    def call(self, inputs, training=None, mask=None):
        """Return the logits; inside a training step the features below them."""
        if self.in_step:
            return self._below_head(inputs, training=training)
        return super().call(inputs, training=training, mask=mask)

    def train_step(self, *args, **kwargs):
        """Take one step, as Keras does."""
        with self.together(self):
            return super().train_step(*args, **kwargs)

    @contextlib.contextmanager
    def together(self, trained):
        """Let the training steps in a `with` block give features in the place of logits.

        Args:
            trained: the compiled model whose step it is, this one or a `LoRA` of it.
        """
        loss = trained.loss.get(self._head_name) if isinstance(trained.loss, dict) else trained.loss
        mine = getattr(loss, "head_of", None) is self and trained._compile_metrics is None
        way = keras.backend.backend(), bool(trained.jit_compile)
        least = SMALLEST_OF_ANSWERS if self.answers_only else SMALLEST.get(way, float("inf"))
        # What reads the kernel outside of a call does not see its correction.
        corrected = any(weight is self.head_parts[0] for weight in getattr(trained, "adapted", ()))
        large = self.backbone.settings.vocabulary_size >= least
        self.in_step = mine and large and not corrected
        try:
            yield
        finally:
            self.in_step = False

    def head_loss(self, targets, features, weight, label_smoothing):
        """Return the loss of features below the head."""
        kernel, bias, tied = self.head_parts
        if tied and not getattr(self.backbone.embedding, "score_pad", True):
            bias = ops.convert_to_tensor([NEVER] + [0.0] * (kernel.shape[0] - 1), weight.dtype)
        return linear_cross_entropy(
            features, kernel, targets, weight, bias, tied=tied, label_smoothing=label_smoothing,
            counted_only=self.answers_only, learn_kernel=kernel.trainable,
        )  # fmt: skip
