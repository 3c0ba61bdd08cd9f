"""Cases of the Transformer: blocks beside the same composition of Keras layers."""

from functools import partial

import keras
import numpy as np
from keras import ops

from kerasllm import reference
from kerasllm.verify.comparison.backend import call_layer
from kerasllm.verify.proofs.cases.attention import dtype_of, exact_scale
from kerasllm.verify.proofs.checks import Case, random_arguments

B, T, S, D, N, K, H = 2, 5, 7, 3, 2, 5, 11
EPSILON = 1e-2  # large enough to be noticed where it is forgotten
_HEADS = {
    "w_q": (D, N, K), "b_q": (N, K), "w_k": (D, N, K), "b_k": (N, K),
    "w_v": (D, N, K), "b_v": (N, K), "w_o": (N, K, D), "b_o": (D,),
}  # fmt: skip
_NETWORK = {"w_1": (D, H), "b_1": (H,), "w_2": (H, D), "b_2": (D,)}
_SHAPES = {
    **_HEADS, **_NETWORK, **{f"cross_{name}": shape for name, shape in _HEADS.items()},
    **{f"{symbol}_{k}": (D,) for symbol in ("gamma", "beta") for k in (1, 2, 3)},
}  # fmt: skip
# Gradients that are 0 on paper (see B_K in cases_attention): these weights are held fixed.
FIXED = {
    name: np.random.default_rng(k).standard_normal((N, K))
    for k, name in enumerate(("b_k", "cross_b_k"))
}
ROWS = (np.arange(T) < np.array([T, 3])[:, None])[:, None, :]  # (B, 1, T): ragged targets
MEMORY = (np.arange(S) < np.array([4, S])[:, None])[:, None, :]  # (B, 1, S): ragged sources


def _block(function, names, inputs, options, **arguments):
    """Call a reference block with its weights in order, the fixed ones among them."""
    arrays = [arguments[name] for name in inputs]
    dtype = arrays[0].dtype
    weights = [FIXED[name].astype(dtype) if name in FIXED else arguments[name] for name in names]
    return function(*arrays, *weights, epsilon=EPSILON, **options)


def _attention(query, memory, weights, mask):
    layer = keras.layers.MultiHeadAttention(N, K, dtype=dtype_of(query))
    layer.build(query.shape, memory.shape)
    w_q, b_q, w_k, b_k, *others = weights
    weights = [exact_scale(K) * w_q, exact_scale(K) * b_q, w_k, b_k, *others]
    shape = (B, query.shape[1], memory.shape[1])
    mask = None if mask is None else ops.convert_to_tensor(np.broadcast_to(mask, shape))
    return call_layer(layer, weights, query, memory, attention_mask=mask)


def _network(x, w_1, b_1, w_2, b_2, activation):
    wide = call_layer(keras.layers.Dense(H, dtype=dtype_of(x)), [w_1, b_1], x)
    bent = {"relu": ops.relu, "gelu": _gelu, "gelu_tanh": _gelu_tanh}[activation](wide)
    return call_layer(keras.layers.Dense(D, dtype=dtype_of(x)), [w_2, b_2], bent)


# keras.ops.gelu rounds √2 and 0.044715 to float32 on TensorFlow, in float64 too: written out here.
def _gelu(a):
    return a * (1 + ops.erf(a * ops.convert_to_tensor(0.5**0.5, dtype_of(a)))) / 2


def _gelu_tanh(a):
    c, slope = (ops.convert_to_tensor(v, dtype_of(a)) for v in (0.044715, (2 / np.pi) ** 0.5))
    return a * (1 + ops.tanh(slope * (a + c * a * a * a))) / 2


def _normalize(x, weights):
    layer = keras.layers.LayerNormalization(epsilon=EPSILON, dtype=dtype_of(x))
    return call_layer(layer, weights, x)


def _residual(x, function, weights, norm):
    if norm == "pre":
        return x + function(_normalize(x, weights))
    return _normalize(x + function(x), weights)


def _keras_encoder(x, mask, norm, activation, **named):
    named |= {name: ops.convert_to_tensor(value, x.dtype) for name, value in FIXED.items()}
    w = [named[name] for name in reference.ENCODER_WEIGHTS]
    h = _residual(x, lambda y: _attention(y, y, w[:8], mask), w[8:10], norm)
    return _residual(h, lambda y: _network(y, *w[10:14], activation), w[14:], norm)


def _keras_decoder(x, memory, mask, memory_mask, norm, activation, **named):
    named |= {name: ops.convert_to_tensor(value, x.dtype) for name, value in FIXED.items()}
    w = [named[name] for name in reference.DECODER_WEIGHTS]
    past = np.tri(T, dtype=bool) if mask is None else np.tri(T, dtype=bool) & mask
    h = _residual(x, lambda y: _attention(y, y, w[:8], past), w[8:10], norm)
    h = _residual(h, lambda y: _attention(y, memory, w[10:18], memory_mask), w[18:20], norm)
    return _residual(h, lambda y: _network(y, *w[20:24], activation), w[24:], norm)


def _arguments(title, inputs, names):
    shapes = {name: _SHAPES[name] for name in names if name not in FIXED}
    return random_arguments(title, scale=0.7, **inputs, **shapes)


def _feed_forward_cases():
    for activation in ("relu", "gelu", "gelu_tanh"):
        title = f"feed-forward, {activation}"
        yield Case(
            name=title,
            covers=("feed_forward",),
            arguments=random_arguments(title, x=(B, T, D), **_NETWORK),
            forward=partial(reference.feed_forward, activation=activation),
            backward=reference.feed_forward_backward,
            keras=partial(_network, activation=activation),
        )


def _encoder_cases():
    for norm, activation, mask in (
        ("post", "relu", None),
        ("post", "gelu", ROWS),
        ("pre", "gelu_tanh", np.tri(T, dtype=bool)),
        ("pre", "relu", ROWS & np.tri(T, dtype=bool)),
    ):
        masked = "no mask" if mask is None else f"mask {mask.shape}"
        title = f"Transformer encoder, {norm}-norm, {activation}, {masked}"
        options = {"mask": mask, "norm": norm, "activation": activation}
        function, names = reference.transformer_encoder, reference.ENCODER_WEIGHTS
        yield Case(
            name=title,
            covers=("transformer_encoder",),
            arguments=_arguments(title, {"x": (B, T, D)}, names),
            forward=partial(_block, function, names, ("x",), options),
            backward=reference.transformer_encoder_backward,
            keras=partial(_keras_encoder, **options),
        )


def _decoder_cases():
    for norm, activation, mask, memory_mask in (
        ("post", "relu", None, None),
        ("pre", "gelu", ROWS, MEMORY),
    ):
        title = f"Transformer decoder, {norm}-norm, {activation}"
        options = {
            "mask": mask, "memory_mask": memory_mask, "norm": norm, "activation": activation,
        }  # fmt: skip
        function, names = reference.transformer_decoder, reference.DECODER_WEIGHTS
        inputs = {"x": (B, T, D), "memory": (B, S, D + 1)}
        arguments = _arguments(title, inputs, names)
        for name in ("cross_w_k", "cross_w_v"):  # the memory has its own number of features
            arguments |= random_arguments(title, **{name: (D + 1, N, K)})
        yield Case(
            name=title,
            covers=("transformer_decoder",),
            arguments=arguments,
            forward=partial(_block, function, names, tuple(inputs), options),
            backward=reference.transformer_decoder_backward,
            keras=partial(_keras_decoder, **options),
        )


EXEMPT = {}
CASES = (*_feed_forward_cases(), *_encoder_cases(), *_decoder_cases())
