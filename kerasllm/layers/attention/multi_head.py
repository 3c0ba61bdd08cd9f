"""Multi-head and grouped-query attention: fused projections, rotary positions and a cache."""

import keras
import numpy as np
from keras import ops

from kerasllm.layers.masking import masked_softmax
from kerasllm.layers.positions import rotate


@keras.saving.register_keras_serializable("kerasllm")
class MultiHeadAttention(keras.layers.Layer):
    """Attend from each position of x to the positions of a source (x itself by default).

        [Q K V] = x W_qkv + b_qkv              N heads of queries, G of keys and values, size K each
        A_n     = softmax(Q_n K_gᵀ / √K + M)   M: 0 where seen, -inf where masked
        y       = concat_n(A_n V_g) W_o + b_o  g = n // (N / G): the group of head n

    Args:
        num_heads: N.
        key_dim: K; hidden_dim / N when None.
        causal: position t sees only s ≤ t.
        rotary: rotate queries and keys by their positions instead of adding positions to x.
        dropout: share of the attention weights set to 0 in training.
        use_bias: add the biases.
        num_kv_heads: G, a divisor of N; N when None, which is multi-head attention.
        rotary_base: of the angles of the rotation.
        interleaved: rotate neighbouring features together, in the place of those of the two halves.

    Call arguments:
        inputs: x (B, T, D).
        source: keys' and values' input (B, S, D), or the pair that `project_source` made of it; x
            when None.
        mask: real positions of x (B, T); hides keys of self-attention. Whole numbers tell texts of
            one row apart, 0 being padding: a position sees those of its own number alone.
        source_mask: real positions of the source (B, S).
        cache: (keys, values), each (B G, S_max, K), of the positions before `start`: the new keys
            are written at `start` and (y, cache) is returned. `initial_cache` makes an empty one.
        start: position of x[:, 0]; an int or a scalar tensor.
        return_weights: return (y, A), A (B, N, T, S).

    Weights: W_qkv (D, (N + 2G) K) with columns Q, K, V; b_qkv ((N + 2G) K,); W_o (NK, D); b_o (D,).

    Differences from `keras.layers.MultiHeadAttention`: one fused matrix product for Q, K and V,
    rotary positions, a cache, and the scores computed in the dtype of the inputs on every backend
    (`keras.ops.dot_product_attention` silently drops float64 on JAX and torch).
    Rotary positions of several texts in a row need not restart: of them distances alone count.
    A row whose keys are all masked attends evenly to all of them: finite, and never read.
    Keys of a group are never repeated: the heads that share them are rows of one product.

    Source: Vaswani et al. 2017, section 3.2; Ainslie et al. 2023 (groups).

        >>> layer = MultiHeadAttention(num_heads=2, causal=True)
        >>> layer(keras.random.normal((3, 5, 8), seed=1)).shape
        TensorShape([3, 5, 8])
    """

    def __init__(
        self,
        num_heads,
        key_dim=None,
        causal=False,
        rotary=False,
        dropout=0.0,
        use_bias=True,
        num_kv_heads=None,
        rotary_base=10000.0,
        interleaved=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_kv_heads is not None and (num_kv_heads < 1 or num_heads % num_kv_heads):
            raise ValueError(
                f"num_heads={num_heads} cannot be shared evenly among num_kv_heads={num_kv_heads}: "
                "choose a divisor of num_heads."
            )
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads
        self.key_dim = key_dim
        self.causal = causal
        self.rotary = rotary
        self.rotary_base = rotary_base
        self.interleaved = interleaved
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")
        self.use_bias = use_bias
        self.supports_masking = True

    def build(self, inputs_shape, source_shape=None):  # noqa: ARG002 - same width D
        """Make the fused projection and the output projection."""
        dim = inputs_shape[-1]
        if self.key_dim is None and dim % self.num_heads:
            raise ValueError(
                f"{dim} features cannot be shared evenly among num_heads={self.num_heads}: choose "
                "a hidden_dim that is a multiple of num_heads, or give key_dim."
            )
        self.head_size = self.key_dim or dim // self.num_heads
        if self.rotary and self.head_size % 2:
            raise ValueError(f"rotary positions need an even head size, it is {self.head_size}.")
        width = self.num_heads * self.head_size
        # Glorot's limit for the matrix (D, NK) that Q is, not for the fused one.
        limit = (6 / (dim + width)) ** 0.5
        self.qkv_kernel = self.add_weight(
            name="qkv_kernel",
            shape=(dim, sum(self.widths)),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.output_kernel = self.add_weight(
            name="output_kernel", shape=(width, dim), initializer="glorot_uniform"
        )
        if self.use_bias:
            self.qkv_bias = self.add_weight(
                name="qkv_bias", shape=(sum(self.widths),), initializer="zeros"
            )
            self.output_bias = self.add_weight(
                name="output_bias", shape=(dim,), initializer="zeros"
            )

    @property
    def groups(self):
        """Return G, the number of heads of keys and values."""
        return self.num_kv_heads or self.num_heads

    @property
    def widths(self):
        """Return how many columns of W_qkv are Q, K and V."""
        keys = self.groups * self.head_size
        return self.num_heads * self.head_size, keys, keys

    def call(
        self,
        inputs,
        source=None,
        mask=None,
        source_mask=None,
        cache=None,
        start=0,
        return_weights=False,
        training=None,
    ):
        """Return y (B, T, D), with the cache or the weights A where asked for."""
        query, key, value = self._project(inputs, source, start)
        if cache is not None:
            key, value = cache = _written(cache, (key, value), start)
        key_mask = mask
        if source is not None:
            key_mask = None if source_mask is None else ops.cast(source_mask, "bool")
        steps, keys = ops.shape(inputs)[1], ops.shape(key)[1]
        seen = self._seen(steps, keys, key_mask, cache, start)
        scores = _products(query * self.head_size**-0.5, key)  # (B G, N/G T, S)
        weights = masked_softmax(ops.reshape(scores, (-1, self.num_heads, steps, keys)), seen)
        dropped = self.dropout(weights, training=training)
        mixed = ops.matmul(ops.reshape(dropped, ops.shape(scores)), value)  # (B G, N/G T, K)
        y = self._merge(mixed, steps)
        if cache is not None:
            return y, cache
        return (y, weights) if return_weights else y

    def initial_cache(self, batch_size, length):
        """Return an empty cache: keys and values (B G, S_max, K) for `length` positions.

        Heads stand beside the batch in one axis, as the matrix products want them: then XLA writes
        a new key in its place, where it copies caches of four axes at every step.
        """
        shape = (batch_size * self.groups, length, self.head_size)
        zeros = ops.zeros(shape, dtype=self.compute_dtype)
        return zeros, zeros

    def _project(self, x, source, start):
        """Return Q (B G, N/G T, K), K and V (B G, S, K)."""
        width, kernel = self.widths[0], self.qkv_kernel
        bias = self.qkv_bias if self.use_bias else ops.zeros((sum(self.widths),), x.dtype)
        if source is None:
            ends = np.cumsum(self.widths)[:2].tolist()
            query, key, value = ops.split(ops.matmul(x, kernel) + bias, ends, axis=-1)
            turn = start if self.rotary else None
            return self._heads(query, turn), self._heads(key, turn), self._heads(value)
        query = self._heads(ops.matmul(x, kernel[:, :width]) + bias[:width])
        return query, *(source if isinstance(source, tuple) else self.project_source(source))

    def project_source(self, source):
        """Return the keys and values (B G, S, K) of a source, for a decoder's every step."""
        width = self.widths[0]
        rest = ops.matmul(source, ops.cast(self.qkv_kernel, self.compute_dtype)[:, width:])
        if self.use_bias:
            rest = rest + ops.cast(self.qkv_bias, self.compute_dtype)[width:]
        return tuple(self._heads(part) for part in ops.split(rest, 2, axis=-1))

    def _heads(self, x, start=None):
        """Split features into heads, rotated from `start` on, the heads of a group in one row.

        Queries (B, T, NK) -> (B G, N/G T, K), keys and values (B, S, GK) -> (B G, S, K).
        """
        steps = ops.shape(x)[1]
        x = ops.reshape(x, (-1, steps, x.shape[-1] // self.head_size, self.head_size))
        x = x if start is None else rotate(x, start, self.rotary_base, self.interleaved)
        x = ops.transpose(x, (0, 2, 1, 3))  # a head's keys side by side: quick to read
        return ops.reshape(x, (-1, x.shape[1] // self.groups * steps, self.head_size))

    def _merge(self, mixed, steps):
        """Concatenate the heads (B G, N/G T, K) and project them to (B, T, D)."""
        mixed = ops.reshape(mixed, (-1, self.num_heads, steps, self.head_size))
        mixed = ops.transpose(mixed, (0, 2, 1, 3))
        mixed = ops.reshape(mixed, (-1, steps, self.num_heads * self.head_size))
        y = ops.matmul(mixed, self.output_kernel)
        return y + self.output_bias if self.use_bias else y

    def _seen(self, query_length, key_length, key_mask, cache, start):
        """Return which keys each query sees, broadcastable to (B, N, T, S), or None for all."""
        seen = None
        if self.causal or cache is not None:
            t = ops.arange(query_length, dtype="int32")[:, None]
            t = t if cache is None else t + start  # only a cache holds keys from before x
            seen = (ops.arange(key_length, dtype="int32")[None, :] <= t)[None, None]  # (1, 1, T, S)
        if key_mask is not None and cache is None:
            keys = ops.cast(key_mask, "bool")[:, None, None, :]  # (B, 1, 1, S)
            if keras.backend.standardize_dtype(key_mask.dtype).startswith("int"):
                same = ops.equal(key_mask[:, None, :, None], key_mask[:, None, None, :])
                keys = ops.logical_and(keys, same)  # (B, 1, T, S): blocks along the diagonal
            seen = keys if seen is None else ops.logical_and(seen, keys)
        return seen

    def compute_mask(self, _inputs, mask=None, **_):
        """Pass on the mask of x."""
        return mask

    def compute_output_shape(self, inputs_shape, source_shape=None):  # noqa: ARG002
        """Return the shape of x."""
        return tuple(inputs_shape)

    def compute_output_spec(self, inputs, source=None, cache=None, return_weights=False, **_):
        """Return the shape and dtype of what `call` returns."""
        y = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if cache is not None:
            return y, cache
        keys = inputs if source is None else source[0] if isinstance(source, tuple) else source
        shape = (inputs.shape[0], self.num_heads, inputs.shape[1], keys.shape[1])
        weights = keras.KerasTensor(shape, dtype=self.compute_dtype)
        return (y, weights) if return_weights else y

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "causal": self.causal,
            "rotary": self.rotary,
            "dropout": self.dropout.rate,
            "use_bias": self.use_bias,
            "num_kv_heads": self.num_kv_heads,
            "rotary_base": self.rotary_base,
            "interleaved": self.interleaved,
        }


def _written(cache, new, start):
    """Return a cache with new keys and values (B G, T, K) at `start`."""
    first = np.int32(0)  # JAX in 64 bits wants all places in one type
    places = first, np.int32(start) if isinstance(start, int) else start, first
    return tuple(
        ops.slice_update(old, places, ops.cast(x, old.dtype))
        for old, x in zip(cache, new, strict=True)
    )


def _products(query, key):
    """Return Q Kᵀ (B G, T, S) of Q (B G, T, K) and K (B G, S, K)."""
    if query.shape[1] == 1:  # a step of decoding: K Qᵀ, for which no keys need to be transposed
        return ops.swapaxes(ops.einsum("bsk,btk->bst", key, query), 1, 2)
    return ops.einsum("btk,bsk->bts", query, key)
