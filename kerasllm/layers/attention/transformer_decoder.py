"""The Transformer's decoder block: it reads what has been written, then the source."""

import keras

from kerasllm.layers.attention.multi_head import MultiHeadAttention
from kerasllm.layers.attention.transformer import FeedForward, TransformerEncoder

_SETTINGS = ("num_heads", "inner_dim", "rotary", "norm", "activation", "dropout", "epsilon")


@keras.saving.register_keras_serializable("kerasllm")
class TransformerDecoder(TransformerEncoder):
    """One decoder block: causal self-attention, cross-attention, feed-forward network.

        norm="pre"    x = x + attention(norm_1(x))
                      x = x + cross_attention(norm_2(x), source)
                      x = x + feed_forward(norm_3(x))
        norm="post"   x = norm_1(x + attention(x));  x = norm_2(x + cross_attention(x, source))
                      x = norm_3(x + feed_forward(x))

    Args:
        num_heads: attention heads N.
        inner_dim: width of the feed-forward network; 4 D when None.
        rotary: rotary positions in the self-attention.
        norm: "pre" or "post".
        activation: "gelu", "gelu_tanh", "relu" or "swiglu".
        dropout: after the attention weights, the attentions and the feed-forward network.
        epsilon: of the layer norms.

    Call arguments:
        inputs: x (B, T, D), the target so far.
        source: the encoder's features (B, S, D), or the pair that `project_source` made of them.
        mask: real positions of x (B, T).
        source_mask: real positions of the source (B, S).
        cache, start: of the self-attention, as in `MultiHeadAttention`.
        return_weights: also return the weights of the cross-attention (B, N, T, S), last.

    Differences from the paper: those of `TransformerEncoder`.

    Source: Vaswani et al. 2017, section 3.1; Xiong et al. 2020 (pre-norm).

        >>> block = TransformerDecoder(num_heads=2)
        >>> target, source = keras.random.normal((3, 5, 8)), keras.random.normal((3, 7, 8))
        >>> block(target, source=source).shape
        TensorShape([3, 5, 8])
    """

    def __init__(
        self,
        num_heads,
        inner_dim=None,
        rotary=False,
        norm="pre",
        activation="gelu",
        dropout=0.0,
        epsilon=1e-5,
        **kwargs,
    ):
        super().__init__(
            num_heads, inner_dim, True, rotary, norm, activation, dropout, epsilon, **kwargs
        )
        # A decoder is always causal, and has no settings of a Llama's block.
        self.settings = {name: self.settings[name] for name in _SETTINGS}

    def build(self, inputs_shape, source_shape=None):  # noqa: ARG002 - same width D
        """Build both attentions, the feed-forward network and three norms."""
        s, policy = self.settings, self.dtype_policy
        options = {"dropout": s["dropout"], "dtype": policy}
        self.attention = MultiHeadAttention(
            s["num_heads"], causal=True, rotary=s["rotary"], name="attention", **options
        )
        self.cross_attention = MultiHeadAttention(s["num_heads"], name="cross_attention", **options)
        self.feed_forward = FeedForward(
            s["inner_dim"] or 4 * inputs_shape[-1],
            s["activation"],
            dtype=policy,
            name="feed_forward",
        )
        names = ("attention_norm", "cross_attention_norm", "feed_forward_norm")
        self.norms = [
            keras.layers.LayerNormalization(epsilon=s["epsilon"], dtype=policy, name=name)
            for name in names
        ]
        self.dropout = keras.layers.Dropout(s["dropout"], dtype=policy, name="dropout")
        for layer in (self.attention, self.cross_attention, self.feed_forward, *self.norms):
            layer.build(inputs_shape)

    def call(
        self,
        inputs,
        source,
        mask=None,
        source_mask=None,
        cache=None,
        start=0,
        return_weights=False,
        training=None,
    ):
        """Return x (B, T, D), with the new cache where one was given, and the weights if asked."""
        kept = {}

        def attend(x):
            y = self.attention(x, mask=mask, cache=cache, start=start, training=training)
            y, kept["cache"] = y if cache is not None else (y, None)
            return y

        def attend_source(x):
            y, kept["weights"] = self.cross_attention(
                x, source, source_mask=source_mask, return_weights=True, training=training
            )
            return y

        x = inputs
        for norm, sublayer in zip(
            self.norms, (attend, attend_source, self.feed_forward), strict=True
        ):
            x = self._residual(x, norm, sublayer, training)
        extra = [kept["cache"]] if cache is not None else []
        extra += [kept["weights"]] if return_weights else []
        return (x, *extra) if extra else x

    def _residual(self, x, norm, sublayer, training):
        """Wrap a sublayer in its norm, dropout and residual connection."""
        if self.norm == "pre":
            return x + self.dropout(sublayer(norm(x)), training=training)
        return norm(x + self.dropout(sublayer(x), training=training))

    def project_source(self, source):
        """Return the keys and values of the source (B, N, S, K), which every step reads."""
        return self.cross_attention.project_source(source)

    def compute_output_shape(self, inputs_shape, source_shape=None):  # noqa: ARG002
        """Return the shape of x."""
        return tuple(inputs_shape)

    def compute_output_spec(self, inputs, source, return_weights=False, **_):
        """Return what a model is built from: x, and the weights if asked for."""
        x = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        batch, length = inputs.shape[:2]
        shape = (batch, self.settings["num_heads"], length, source.shape[1])
        weights = keras.KerasTensor(shape, dtype=self.compute_dtype)
        return (x, weights) if return_weights else x
