"""The copy mechanism: say a word of the source, or one of the vocabulary."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasllm")
class PointerGenerator(keras.layers.Layer):
    """Mix the vocabulary's distribution with the attention over the words of the source.

        g_t     = σ(h_t w + b)
        p_t[v]  = g_t softmax(logits_t)[v] + (1 - g_t) Σ_{s: id_s = v} α_ts

    Source and target share one vocabulary.

    Call arguments:
        inputs: features h (B, T, D).
        logits: (B, T, V).
        weights: attention α (B, T, S).
        source: ids (B, S).

    Returns ln p (B, T, V), at least float32.

    Weights: w (D, 1), b (1,).

    Differences from the paper: the gate g reads the features alone, which are made of the context,
    the state and the input that the paper lists.

    Source: See et al. 2017, equations 8 and 9.

        >>> copy = PointerGenerator()
        >>> h, logits, weights = ops.zeros((1, 1, 2)), ops.zeros((1, 1, 4)), ops.ones((1, 1, 1))
        >>> source = ops.convert_to_tensor([[3]])
        >>> ops.exp(copy(h, logits=logits, weights=weights, source=source)).numpy().round(3)
        array([[[0.125, 0.125, 0.125, 0.625]]], dtype=float32)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, inputs_shape, logits_shape=None, weights_shape=None, source_shape=None):  # noqa: ARG002
        """Build the gate."""
        self.gate = keras.layers.Dense(1, dtype=self.dtype_policy, name="gate")
        self.gate.build(inputs_shape)

    def call(self, inputs, logits, weights, source):
        """Return the log-probabilities of every token (B, T, V)."""
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        gate, logits, weights = (ops.cast(x, dtype) for x in (self.gate(inputs), logits, weights))
        log_generate, log_copy = ops.log_sigmoid(gate), ops.log_sigmoid(-gate)
        copied = self._scatter(weights, source, logits.shape[-1])
        seen = copied > 0  # where the source lacks a word, ln 0 must not reach the gradient
        copied = log_copy + ops.log(ops.where(seen, copied, ops.ones_like(copied)))
        generated = log_generate + ops.log_softmax(logits, axis=-1)
        return ops.where(seen, ops.logaddexp(generated, copied), generated)

    def _scatter(self, weights, source, size):
        """Add up the weights of equal source tokens: (B, T, S) -> (B, T, V)."""
        batch, steps, _ = ops.shape(weights)
        rows = ops.arange(batch, dtype="int32")[:, None] * size + ops.cast(source, "int32")
        by_source = ops.reshape(ops.swapaxes(weights, 1, 2), (-1, steps))  # (B S, T)
        total = ops.segment_sum(by_source, ops.reshape(rows, (-1,)), num_segments=batch * size)
        return ops.swapaxes(ops.reshape(total, (batch, size, steps)), 1, 2)

    def compute_mask(self, _inputs, mask=None, **_):
        """Pass on the mask of the features."""
        return mask

    def compute_output_shape(self, inputs_shape, logits_shape, weights_shape, source_shape):  # noqa: ARG002
        """Return the shape of the logits."""
        return tuple(logits_shape)
