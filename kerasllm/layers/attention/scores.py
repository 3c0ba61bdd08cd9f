"""The attention of recurrent translators: additive (Bahdanau) and multiplicative (Luong)."""

import keras
from keras import ops

from kerasllm.layers.masking import masked_softmax

SCORES = ("dot", "general", "concat")


class _ScoredAttention(keras.layers.Layer):
    """What both share: scores to weights, weights to an average of the source."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(
        self, inputs, source=None, mask=None, source_mask=None, keys=None, return_weights=False
    ):
        """Return the averages of the source (B, T, M), with the weights (B, T, S) if asked for."""
        source, source_mask = (inputs, mask) if source is None else (source, source_mask)
        keys = self.keys(source) if keys is None else keys
        seen = None if source_mask is None else ops.cast(source_mask, "bool")[:, None, :]
        weights = masked_softmax(self.scores(inputs, keys), seen)
        context = ops.matmul(weights, source)  # (B, T, S) (B, S, M) -> (B, T, M)
        return (context, weights) if return_weights else context

    def compute_mask(self, _inputs, mask=None, **_):
        """Pass on the mask of the queries."""
        return mask

    def compute_output_shape(self, inputs_shape, source_shape=None):
        """Return (B, T, M)."""
        return (*inputs_shape[:2], (source_shape or inputs_shape)[-1])

    def compute_output_spec(self, inputs, source=None, return_weights=False, **_):
        """Return the shape and dtype of what `call` returns."""
        source = inputs if source is None else source
        shapes = (*inputs.shape[:2], source.shape[-1]), (*inputs.shape[:2], source.shape[1])
        context, weights = (keras.KerasTensor(s, dtype=self.compute_dtype) for s in shapes)
        return (context, weights) if return_weights else context

    def _additive(self, query, keys, v):
        # (B, T, 1, H) + (B, 1, S, H) -> (B, T, S, H) -> (B, T, S)
        hidden = ops.tanh(query[:, :, None, :] + keys[:, None, :, :])
        return ops.einsum("btsh,h->bts", hidden, ops.cast(v, hidden.dtype))


@keras.saving.register_keras_serializable("kerasllm")
class BahdanauAttention(_ScoredAttention):
    """Score a query against a key by a small network: additive attention.

        e_ts = v · tanh(q_t W_q + m_s W_k)
        α_t  = softmax(e_t)                      over the real positions of the source
        c_t  = Σ_s α_ts m_s

    Args:
        units: H, width of the small network.

    Call arguments:
        inputs: queries q (B, T, D), in a translator the decoder's states.
        source: m (B, S, M), the encoder's features; the queries themselves when None.
        mask: real positions of the queries (B, T); hides keys only where there is no source.
        source_mask: real positions of the source (B, S).
        keys: `keys(source)`, (B, S, H), computed before by a decoder that calls for each token.
        return_weights: return (c, α), α (B, T, S).

    Weights: W_q (D, H), W_k (M, H), v (H,).

    Differences from `keras.layers.AdditiveAttention`: that one has no projections W_q and W_k.

    Source: Bahdanau et al. 2015, appendix A.1.2.

        >>> queries, memory = keras.random.normal((2, 3, 5)), keras.random.normal((2, 7, 11))
        >>> BahdanauAttention(13)(queries, source=memory).shape
        TensorShape([2, 3, 11])
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, inputs_shape, source_shape=None, **_):
        """Make W_q, W_k and v."""
        width = (source_shape or inputs_shape)[-1]
        self.query_kernel = self.add_weight(
            name="query_kernel", shape=(inputs_shape[-1], self.units)
        )
        self.key_kernel = self.add_weight(name="key_kernel", shape=(width, self.units))
        limit = (3 / self.units) ** 0.5  # variance 1 / H, as a matrix of H rows would have
        uniform = keras.initializers.RandomUniform(-limit, limit)
        self.v = self.add_weight(name="v", shape=(self.units,), initializer=uniform)

    def keys(self, source):
        """Return what the queries are compared with: m W_k (B, S, H)."""
        return ops.matmul(source, ops.cast(self.key_kernel, self.compute_dtype))

    def scores(self, query, keys):
        """Return e (B, T, S)."""
        projected = ops.matmul(query, ops.cast(self.query_kernel, self.compute_dtype))
        return self._additive(projected, keys, self.v)

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("kerasllm")
class LuongAttention(_ScoredAttention):
    """Score a query against a key by a product, or by a network that reads both side by side.

        dot      e_ts = q_t · m_s
        general  e_ts = (q_t W) · m_s
        concat   e_ts = v · tanh([q_t; m_s] W)
        α_t = softmax(e_t),  c_t = Σ_s α_ts m_s          as in `BahdanauAttention`

    Args:
        score: "dot", "general" or "concat".
        units: H, width of the network of "concat"; that of the queries when None.

    Call arguments: as in `BahdanauAttention`.

    Weights: none for "dot"; W (D, M) for "general"; W (D + M, H) and v (H,) for "concat".

    Raises:
        ValueError: an unknown score, or "dot" between queries and keys of unequal width.

    Differences from the paper: its global attention alone, not the local one.
    Differences from `keras.layers.Attention`: that one has no matrix W, and its "concat" adds q
    and m up unprojected.

    Source: Luong et al. 2015, the three scores below equation 7.

        >>> queries, memory = keras.random.normal((2, 3, 5)), keras.random.normal((2, 7, 11))
        >>> context, weights = LuongAttention()(queries, source=memory, return_weights=True)
        >>> context.shape, weights.shape
        (TensorShape([2, 3, 11]), TensorShape([2, 3, 7]))
    """

    def __init__(self, score="general", units=None, **kwargs):
        super().__init__(**kwargs)
        if score not in SCORES:
            raise ValueError(f"score must be one of {SCORES}, received {score!r}.")
        self.score = score
        self.units = units

    def build(self, inputs_shape, source_shape=None, **_):
        """Make the weights of the score."""
        width, source_width = inputs_shape[-1], (source_shape or inputs_shape)[-1]
        self.width = width
        if self.score == "dot" and width != source_width:
            raise ValueError(
                f'score="dot" needs queries and a source of one width, received {width} and '
                f'{source_width}: use score="general", which learns a matrix between them.'
            )
        if self.score == "general":
            self.kernel = self.add_weight(name="kernel", shape=(width, source_width))
        if self.score == "concat":
            units = self.units or width
            self.kernel = self.add_weight(name="kernel", shape=(width + source_width, units))
            limit = (3 / units) ** 0.5
            uniform = keras.initializers.RandomUniform(-limit, limit)
            self.v = self.add_weight(name="v", shape=(units,), initializer=uniform)

    def keys(self, source):
        """Return what the queries are compared with: m, or its half of [q; m] W."""
        if self.score != "concat":
            return source
        return ops.matmul(source, ops.cast(self.kernel, self.compute_dtype)[self.width :])

    def scores(self, query, keys):
        """Return e (B, T, S)."""
        if self.score == "dot":
            return ops.matmul(query, ops.swapaxes(keys, 1, 2))
        kernel = ops.cast(self.kernel, self.compute_dtype)
        if self.score == "general":
            return ops.matmul(ops.matmul(query, kernel), ops.swapaxes(keys, 1, 2))
        return self._additive(ops.matmul(query, kernel[: self.width]), keys, self.v)

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {**super().get_config(), "score": self.score, "units": self.units}
