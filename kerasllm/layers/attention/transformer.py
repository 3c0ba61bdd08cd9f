"""The Transformer block: attention and a feed-forward network, each with norm and residual."""

import keras
from keras import ops

from kerasllm.layers.attention.multi_head import MultiHeadAttention

ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "swiglu")
NORMALIZATIONS = {
    "layer": keras.layers.LayerNormalization,
    "rms": keras.layers.RMSNormalization,
}


def normalizing(kind, **options):
    """Return a layer that normalises, "layer" or "rms", and keeps masks.

    Keras' RMSNormalization does not say that it supports masks: Keras would warn, and drop them.
    """
    layer = NORMALIZATIONS[kind](**options)
    layer.supports_masking = True
    return layer


def _activation(name):
    """Return the activation: GELU exact (BERT) or by tanh (GPT-2), ReLU, or SwiGLU (Llama)."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {ACTIVATIONS}, received {name!r}.")
    if name == "swiglu":
        return _gated
    if name == "relu":
        return ops.relu
    return lambda x: ops.gelu(x, approximate=name == "gelu_tanh")


def _gated(x):
    gate, up = ops.split(x, 2, axis=-1)
    return ops.silu(gate) * up


@keras.saving.register_keras_serializable("kerasllm")
class FeedForward(keras.layers.Layer):
    """The position-wise feed-forward network.

        y = f(x W_1 + b_1) W_2 + b_2
        y = (silu(a) · u) W_2 + b_2,   [a u] = x W_1 + b_1          activation="swiglu"

    Args:
        inner_dim: width F of the hidden layer, usually 4 D.
        activation: f: "gelu" (exact), "gelu_tanh" or "relu"; or "swiglu", whose gate and features
            are one product: W_1 has 2 F columns, those of the gate first.
        use_bias: add the biases.

    Differences from the paper: f is GELU where nothing else is asked for; there it is ReLU.

    Source: Vaswani et al. 2017, equation 2; Hendrycks and Gimpel 2016 (GELU); Shazeer 2020,
    equation 6 (SwiGLU).

        >>> FeedForward(32)(keras.random.normal((2, 5, 8), seed=1)).shape
        TensorShape([2, 5, 8])
    """

    def __init__(self, inner_dim, activation="gelu", use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.inner_dim = inner_dim
        self.activation = activation
        self.use_bias = use_bias
        self._f = _activation(activation)
        self.supports_masking = True

    def build(self, input_shape):
        """Make W_1 (D, F), or (D, 2 F) with a gate; b_1; W_2 (F, D); b_2."""
        dim, options = input_shape[-1], {"use_bias": self.use_bias, "dtype": self.dtype_policy}
        width, drawn = self.inner_dim, "glorot_uniform"
        if self.activation == "swiglu":
            # Glorot's limit for the two matrices (D, F), not for the fused one.
            limit = (6 / (dim + width)) ** 0.5
            width, drawn = 2 * width, keras.initializers.RandomUniform(-limit, limit)
        self.expand = keras.layers.Dense(width, kernel_initializer=drawn, name="expand", **options)
        self.contract = keras.layers.Dense(dim, name="contract", **options)
        self.expand.build(input_shape)
        self.contract.build((*input_shape[:-1], self.inner_dim))

    def call(self, inputs):
        """Return y, of the shape of x."""
        return self.contract(self._f(self.expand(inputs)))

    def compute_output_shape(self, input_shape):
        """Return the shape of x."""
        return tuple(input_shape)

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {
            **super().get_config(),
            "inner_dim": self.inner_dim,
            "activation": self.activation,
            "use_bias": self.use_bias,
        }


_OF_ATTENTION = (
    "num_heads", "causal", "rotary", "dropout", "num_kv_heads", "key_dim", "rotary_base",
    "interleaved",
)  # fmt: skip


@keras.saving.register_keras_serializable("kerasllm")
class TransformerEncoder(keras.layers.Layer):
    """One Transformer block; with `causal=True` the block of a GPT, and so of a Llama.

        norm="pre"    x = x + attention(norm(x));  x = x + feed_forward(norm(x))
        norm="post"   x = norm(x + attention(x));  x = norm(x + feed_forward(x))

    A Llama's block is causal and rotary, of the activation "swiglu", normalization="rms",
    use_bias=False, and in most sizes fewer `num_kv_heads` than heads.

    Args:
        num_heads: attention heads N.
        inner_dim: width of the feed-forward network; 4 D when None.
        causal: position t sees only s ≤ t.
        rotary: rotary positions in the attention.
        norm: "pre" (GPT-2; trains without warm-up) or "post" (the paper, BERT).
        activation: "gelu", "gelu_tanh", "relu" or "swiglu".
        dropout: after the attention weights, the attention and the feed-forward network.
        epsilon: of the norms.
        normalization: "layer" or "rms".
        use_bias: add biases in attention and feed-forward network.
        num_kv_heads, key_dim, rotary_base, interleaved: as in `MultiHeadAttention`.

    Call arguments: `mask`, `cache`, `start` as in `MultiHeadAttention`.

    Differences from the paper: by default the norms stand before their sublayers, the activation
    is GELU, and dropout also takes attention weights. With norm="pre" the last block's output is
    not normalised: that norm belongs to the backbone. Keras has no such block.

    Source: Vaswani et al. 2017, section 3.1; Xiong et al. 2020 (pre-norm); Touvron et al. 2023
    (Llama), section 2.2.

        >>> block = TransformerEncoder(num_heads=2, causal=True)
        >>> block(keras.random.normal((3, 5, 8), seed=1)).shape
        TensorShape([3, 5, 8])
    """

    def __init__(
        self,
        num_heads,
        inner_dim=None,
        causal=False,
        rotary=False,
        norm="pre",
        activation="gelu",
        dropout=0.0,
        epsilon=1e-5,
        normalization="layer",
        use_bias=True,
        num_kv_heads=None,
        key_dim=None,
        rotary_base=10000.0,
        interleaved=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if norm not in ("pre", "post"):
            raise ValueError(f'norm must be "pre" or "post", received {norm!r}.')
        if normalization not in NORMALIZATIONS:
            raise ValueError(f'normalization must be "layer" or "rms", received {normalization!r}.')
        _activation(activation)
        self.settings = {
            "num_heads": num_heads,
            "inner_dim": inner_dim,
            "causal": causal,
            "rotary": rotary,
            "norm": norm,
            "activation": activation,
            "dropout": dropout,
            "epsilon": epsilon,
            "normalization": normalization,
            "use_bias": use_bias,
            "num_kv_heads": num_kv_heads,
            "key_dim": key_dim,
            "rotary_base": rotary_base,
            "interleaved": interleaved,
        }
        self.norm = norm
        self.supports_masking = True

    def build(self, input_shape):
        """Build attention, feed-forward network and both norms."""
        s, policy = self.settings, self.dtype_policy
        shared = {"use_bias": s["use_bias"], "dtype": policy}
        named = {name: s[name] for name in _OF_ATTENTION}
        self.attention = MultiHeadAttention(name="attention", **named, **shared)
        inner = s["inner_dim"] or 4 * input_shape[-1]
        self.feed_forward = FeedForward(inner, s["activation"], name="feed_forward", **shared)
        kind, options = s["normalization"], {"epsilon": s["epsilon"], "dtype": policy}
        self.attention_norm = normalizing(kind, name="attention_norm", **options)
        self.feed_forward_norm = normalizing(kind, name="feed_forward_norm", **options)
        self.dropout = keras.layers.Dropout(s["dropout"], dtype=policy, name="dropout")
        for layer in (self.attention, self.feed_forward, self.attention_norm):
            layer.build(input_shape)
        self.feed_forward_norm.build(input_shape)

    def call(self, inputs, mask=None, cache=None, start=0, training=None):
        """Return the block's output (B, T, D), with the new cache where one was given."""
        x, norm_1, norm_2 = inputs, self.attention_norm, self.feed_forward_norm

        def attend(x):
            y = self.attention(x, mask=mask, cache=cache, start=start, training=training)
            return y if cache is not None else (y, None)

        if self.norm == "pre":
            y, new_cache = attend(norm_1(x))
            x = x + self.dropout(y, training=training)
            x = x + self.dropout(self.feed_forward(norm_2(x)), training=training)
        else:
            y, new_cache = attend(x)
            x = norm_1(x + self.dropout(y, training=training))
            x = norm_2(x + self.dropout(self.feed_forward(x), training=training))
        return x if cache is None else (x, new_cache)

    def compute_mask(self, _inputs, mask=None, **_):
        """Pass on the mask."""
        return mask

    def compute_output_shape(self, input_shape):
        """Return the shape of x."""
        return tuple(input_shape)

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {**super().get_config(), **self.settings}
