"""One vector for a text: pool its features over the real tokens."""

import keras
from keras import ops

from kerasllm.layers.masking import lowest, masked_softmax

MODES = ("mean", "max", "mean_max", "last", "first", "attention")


@keras.saving.register_keras_serializable("kerasllm")
class MaskedPooling(keras.layers.Layer):
    """Pool features (B, T, D) over the tokens that the mask keeps, to (B, D).

    "mean_max" is both, one beside the other: (B, 2D).

        mean   y = Σ_t m_t x_t / Σ_t m_t
        max    y = max over {t: m_t = 1} of x_t
        mean_max   y = [mean ; max]
        last   y = x_t at the last t with m_t = 1
        first  y = x_0
        attention  y = Σ_t a_t x_t,  a = softmax over {t: m_t = 1} of x_t w

    A text without any real token pools to 0, or (last, first) to its first row.
    The vector w of "attention" is trained; it begins at 0, where attention is the mean.

    Args:
        mode: "mean", "max", "mean_max", "last", "first" or "attention".

    Differences from `keras.layers.GlobalMaxPooling1D`: that one ignores the mask, and "last" and
    "first" do not exist there.

    Source: Yang et al. 2016, equations 5 to 7, without their hidden layer ("attention"); Shen et
    al. 2018, section 3.1 ("mean_max", their SWEM-concat).

        >>> pool = MaskedPooling("mean")
        >>> mask = ops.convert_to_tensor([[True, True, False]])
        >>> float(pool(ops.convert_to_tensor([[[1.0], [3.0], [100.0]]]), mask=mask)[0, 0])
        2.0
    """

    def __init__(self, mode="mean", **kwargs):
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(f"pooling must be one of {MODES}, received {mode!r}.")
        self.mode = mode
        self.supports_masking = True

    def build(self, input_shape):
        """Make w (D,) for "attention"; the other modes have no weights."""
        self.width = input_shape[-1]
        if self.mode == "attention":
            self.query = self.add_weight(
                name="query", shape=(input_shape[-1],), initializer="zeros"
            )

    def call(self, inputs, mask=None):
        """Return the pooled features (B, D), or (B, 2D) of "mean_max"."""
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        mask = ops.cast(mask, "bool")
        modes = self.mode.split("_")
        # TensorFlow forgets D behind a product over texts of any length: say it again.
        pooled = [ops.reshape(self._pool(inputs, mask, m), (-1, self.width)) for m in modes]
        return ops.concatenate(pooled, axis=-1) if len(pooled) > 1 else pooled[0]

    def _pool(self, x, mask, mode):
        if mode == "first":
            return x[:, 0]
        if mode == "last":
            positions = ops.arange(ops.shape(x)[1], dtype="int32")
            last = ops.max(ops.where(mask, positions, 0), axis=1)  # (B,)
            return ops.take_along_axis(x, last[:, None, None], axis=1)[:, 0]
        keep = mask[..., None]  # (B, T, 1)
        if mode == "mean":
            total = ops.sum(ops.where(keep, x, ops.zeros_like(x)), axis=1)
            count = ops.sum(ops.cast(keep, x.dtype), axis=1)
            return total / ops.maximum(count, ops.ones_like(count))
        if mode == "attention":
            weights = masked_softmax(ops.matmul(x, self.query), mask)  # (B, T)
            weights = ops.where(mask, weights, ops.zeros_like(weights))
            return ops.einsum("bt,btd->bd", weights, x)
        largest = ops.max(ops.where(keep, x, ops.full_like(x, lowest(x.dtype))), axis=1)
        return ops.where(ops.any(keep, axis=1), largest, ops.zeros_like(largest))

    def compute_mask(self, _inputs, _mask=None):
        """Return None: the time axis is gone."""
        return None

    def compute_output_shape(self, input_shape):
        """Return (B, D), or (B, 2D)."""
        return (input_shape[0], input_shape[2] * len(self.mode.split("_")))

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {**super().get_config(), "mode": self.mode}
