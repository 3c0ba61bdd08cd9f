"""The loss of every language model here."""

import keras
from keras import ops


def _at_least_float32(x):
    x = ops.convert_to_tensor(x)
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


@keras.saving.register_keras_serializable("kerasllm")
class TokenCrossEntropy(keras.losses.Loss):
    """Mean negative log-likelihood in nats per real token.

        L = -Σ_{t: y_t ≠ 0} Σ_v q_tv ln softmax(logits_t)[v] / |{t: y_t ≠ 0}|
        q_tv = (1 - ε) [v = y_t] + ε / V

    Args:
        label_smoothing: ε, taken from the target and spread over the vocabulary.
        head_of: a language model whose training steps give features in the place of logits.

    Differences from `keras.losses.SparseCategoricalCrossentropy`: targets of the pad id 0 count
    neither in the sum nor in the number of tokens (there, a padded batch has a smaller loss than
    the same texts without padding), and the logits are taken to float32 first.

    Source: Szegedy et al. 2016, section 7 (label smoothing).

        >>> y, logits = ops.convert_to_tensor([[1, 0]]), ops.zeros((1, 2, 4))
        >>> round(float(TokenCrossEntropy()(y, logits)), 4)  # ln 4, whatever the padding
        1.3863
    """

    def __init__(
        self,
        label_smoothing=0.0,
        name="token_cross_entropy",
        reduction=None,
        dtype=None,
        head_of=None,
    ):
        # The mean over real tokens is taken here, so there is nothing for Keras to reduce.
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.label_smoothing, self.head_of = label_smoothing, head_of

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the loss, a scalar; `sample_weight` (B,) or (B, T) weighs the tokens."""
        y_true = ops.cast(y_true, "int32")
        weight = _weight(y_true, sample_weight, y_pred.dtype)
        if self.head_of is not None and self.head_of.in_step:
            return self.head_of.head_loss(y_true, y_pred, weight, self.label_smoothing)
        y_pred = _at_least_float32(y_pred)
        nats = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        if self.label_smoothing:
            spread = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
            nats = (1 - self.label_smoothing) * nats + self.label_smoothing * spread
        return ops.sum(nats * weight) / ops.maximum(ops.sum(weight), 1e-9)

    def amount(self, y_true, sample_weight):
        """Return how many real tokens there are, weighed: what the loss is a mean over."""
        return ops.sum(_weight(y_true, sample_weight, keras.config.floatx()))

    def get_config(self):
        """Return the settings that rebuild this loss."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def _weight(y_true, sample_weight, dtype):
    """Return the weight of each token (B, T): 0 of a pad."""
    weight = _at_least_float32(ops.cast(ops.not_equal(y_true, 0), dtype))
    if sample_weight is None:
        return weight
    of_samples = ops.cast(sample_weight, weight.dtype)
    return weight * (of_samples if len(of_samples.shape) > 1 else of_samples[:, None])


@keras.saving.register_keras_serializable("kerasllm")
class SpanContrast(keras.losses.Loss):
    """Tell the other span of the same text from the spans of all other texts, in nats.

        z_i   = y_i / ‖y_i‖
        S_ij  = z_i · z_j / τ,   S_ii = -∞
        L     = -mean_i ln softmax(S_i)[partner of i]

    Rows 2k and 2k + 1 are the two spans of text k.

    Args:
        temperature: τ.

    Call arguments: `y_true` is not read; `y_pred` is the pooled spans (2B, D).

    Source: van den Oord et al. 2018, equation 4 (InfoNCE); Chen et al. 2020, equation 1;
    Giorgi et al. 2021 (spans of one document).

        >>> pooled = ops.convert_to_tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> float(SpanContrast(0.1)(None, pooled)) < 1e-3
        True
    """

    def __init__(self, temperature=0.1, name="span_contrast", reduction=None, dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.temperature = temperature

    def __call__(self, y_true, y_pred, sample_weight=None):  # noqa: ARG002 - Keras passes them
        """Return the loss, a scalar."""
        y = _at_least_float32(y_pred)
        z = y / ops.maximum(ops.norm(y, axis=-1, keepdims=True), 1e-9)
        rows = ops.arange(ops.shape(z)[0], dtype="int32")
        itself = rows[:, None] == rows[None, :]
        scores = ops.where(itself, -1e9, ops.matmul(z, ops.transpose(z)) / self.temperature)
        partner = rows + 1 - 2 * (rows % 2)  # 0 <-> 1, 2 <-> 3, ...
        return ops.mean(ops.sparse_categorical_crossentropy(partner, scores, from_logits=True))

    def get_config(self):
        """Return the settings that rebuild this loss."""
        return {**super().get_config(), "temperature": self.temperature}
