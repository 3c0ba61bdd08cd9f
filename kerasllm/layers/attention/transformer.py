"""The Transformer block: attention and a feed-forward network, each with norm and residual."""

import keras
from keras import ops

from kerasllm.layers.attention.multi_head import MultiHeadAttention

ACTIVATIONS = ("gelu", "gelu_tanh", "relu")


def _activation(name):
    """Return the activation: GELU exact (BERT) or by tanh (GPT-2), or ReLU."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {ACTIVATIONS}, received {name!r}.")
    if name == "relu":
        return ops.relu
    return lambda x: ops.gelu(x, approximate=name == "gelu_tanh")


@keras.saving.register_keras_serializable("kerasllm")
class FeedForward(keras.layers.Layer):
    """The position-wise feed-forward network.

        y = f(x W_1 + b_1) W_2 + b_2

    Args:
        inner_dim: width of the hidden layer, usually 4 D.
        activation: f: "gelu" (exact), "gelu_tanh" or "relu".

    Differences from the paper: f is GELU where nothing else is asked for; there it is ReLU.

    Source: Vaswani et al. 2017, equation 2; Hendrycks and Gimpel 2016 (GELU).

        >>> FeedForward(32)(keras.random.normal((2, 5, 8), seed=1)).shape
        TensorShape([2, 5, 8])
    """

    def __init__(self, inner_dim, activation="gelu", **kwargs):
        super().__init__(**kwargs)
        self.inner_dim = inner_dim
        self.activation = activation
        self._f = _activation(activation)
        self.supports_masking = True

    def build(self, input_shape):
        """Make W_1 (D, F), b_1, W_2 (F, D), b_2."""
        dim, policy = input_shape[-1], self.dtype_policy
        self.expand = keras.layers.Dense(self.inner_dim, dtype=policy, name="expand")
        self.contract = keras.layers.Dense(dim, dtype=policy, name="contract")
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
        config = {"inner_dim": self.inner_dim, "activation": self.activation}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("kerasllm")
class TransformerEncoder(keras.layers.Layer):
    """One Transformer block; with `causal=True` the block of a GPT.

        norm="pre"    x = x + attention(norm(x));  x = x + feed_forward(norm(x))
        norm="post"   x = norm(x + attention(x));  x = norm(x + feed_forward(x))

    Args:
        num_heads: attention heads N.
        inner_dim: width of the feed-forward network; 4 D when None.
        causal: position t sees only s ≤ t.
        rotary: rotary positions in the attention.
        norm: "pre" (GPT-2; trains without warm-up) or "post" (the paper, BERT).
        activation: "gelu", "gelu_tanh" or "relu".
        dropout: after the attention weights, the attention and the feed-forward network.
        epsilon: of the layer norms.

    Call arguments: `mask`, `cache`, `start` as in `MultiHeadAttention`.

    Differences from the paper: by default the norms stand before their sublayers, the activation
    is GELU, and dropout also takes attention weights. With norm="pre" the last block's output is
    not normalised: that norm belongs to the backbone. Keras has no such block.

    Source: Vaswani et al. 2017, section 3.1; Xiong et al. 2020 (pre-norm).

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        if norm not in ("pre", "post"):
            raise ValueError(f'norm must be "pre" or "post", received {norm!r}.')
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
        }
        self.norm = norm
        self.supports_masking = True

    def build(self, input_shape):
        """Build attention, feed-forward network and both norms."""
        s, policy = self.settings, self.dtype_policy
        self.attention = MultiHeadAttention(
            s["num_heads"],
            causal=s["causal"],
            rotary=s["rotary"],
            dropout=s["dropout"],
            dtype=policy,
            name="attention",
        )
        self.feed_forward = FeedForward(
            s["inner_dim"] or 4 * input_shape[-1],
            s["activation"],
            dtype=policy,
            name="feed_forward",
        )
        normalization, eps = keras.layers.LayerNormalization, s["epsilon"]
        self.attention_norm = normalization(epsilon=eps, dtype=policy, name="attention_norm")
        self.feed_forward_norm = normalization(epsilon=eps, dtype=policy, name="feed_forward_norm")
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
