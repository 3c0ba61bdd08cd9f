"""Cases of attention and positions: each equation beside the Keras layer that computes it.

Where Keras has no such layer (Bahdanau's projections, Luong's general and concat, rotary
positions), the other side is the equation written with `keras.ops`.
"""

from functools import partial

import keras
import numpy as np
from keras import ops

from kerasllm import reference
from kerasllm.verify.comparison.backend import call_layer
from kerasllm.verify.proofs.checks import Case, random_arguments

B, D, T, S, H, N, K, V = 2, 3, 5, 7, 11, 3, 5, 2

LENGTHS = np.arange(S) < np.array([S, 4])[:, None]  # (B, S): keys, ragged
ANYWHERE = np.random.default_rng(5).random((B, T, S)) < 0.6
ANYWHERE[:, :, 0] = True  # no query without a key
DESERTED = ANYWHERE.copy()
DESERTED[0, 2] = DESERTED[1, 4] = False  # two queries without any
MASKS = {
    "no mask": None,
    "padding": reference.padding_mask(LENGTHS),
    "causal": reference.causal_mask(T, S),
    "any mask": ANYWHERE,
    "a query without keys": DESERTED,
}
_TRIPLE = {"query": (B, T, D), "key": (B, S, D), "value": (B, S, V)}


def _softmax(scores, mask, fully_masked="zero"):
    if mask is None:
        return ops.softmax(scores)
    mask = ops.convert_to_tensor(np.broadcast_to(mask, scores.shape))
    weights = ops.softmax(ops.where(mask, scores, ops.cast(-1e30, scores.dtype)))
    return weights if fully_masked == "uniform" else weights * ops.cast(mask, scores.dtype)


def _keras_scaled(query, key, value, mask, scale, fully_masked):
    scores = scale * ops.matmul(query, ops.swapaxes(key, -1, -2))
    return ops.matmul(_softmax(scores, mask, fully_masked), value)


def _scaled_cases():
    for name, mask in MASKS.items():
        for fully_masked in ("zero", "uniform") if name == "a query without keys" else ("zero",):
            title = f"scaled dot-product attention, {name}, {fully_masked}"
            options = {"mask": mask, "fully_masked": fully_masked}
            yield Case(
                name=title,
                covers=("scaled_dot_product_attention",),
                arguments=random_arguments(title, **_TRIPLE),
                forward=partial(reference.scaled_dot_product_attention, **options),
                backward=reference.scaled_dot_product_attention_backward,
                keras=partial(_keras_scaled, scale=D**-0.5, **options),
            )


def _keras_dot(query, key, value, keys=None):
    # keras.layers.Attention takes (query, value, key) and a mask of real keys (B, S).
    mask = None if keys is None else [None, ops.convert_to_tensor(keys)]
    return keras.layers.Attention(dtype=dtype_of(query))([query, value, key], mask=mask)


def _dot_cases():
    for name, keys in (("no mask", None), ("padding", LENGTHS)):
        title = f"Luong attention, dot, {name}"
        mask = None if keys is None else keys[:, None, :]
        yield Case(
            name=title,
            covers=("dot_attention",),
            arguments=random_arguments(title, **_TRIPLE),
            forward=partial(reference.dot_attention, mask=mask),
            backward=reference.dot_attention_backward,
            keras=partial(_keras_dot, keys=keys),
        )


def _luong_cases():
    def general(query, key, value, w, mask):
        return _keras_scaled(ops.matmul(query, w), key, value, mask, 1.0, "zero")

    def concat(query, key, value, w, v, mask):
        pairs = [
            ops.broadcast_to(query[:, :, None], (B, T, S, D + 1)),
            ops.broadcast_to(key[:, None], (B, T, S, D)),
        ]
        scores = ops.matmul(_tanh(ops.matmul(ops.concatenate(pairs, axis=-1), w)), v)
        return ops.matmul(_softmax(scores, mask), value)

    triple = {**_TRIPLE, "query": (B, T, D + 1)}
    for name in ("no mask", "any mask"):
        mask = MASKS[name]
        title = f"Luong attention, general, {name}"
        yield Case(
            name=title,
            covers=("general_attention",),
            arguments=random_arguments(title, **triple, w=(D + 1, D)),
            forward=partial(reference.general_attention, mask=mask),
            backward=reference.general_attention_backward,
            keras=partial(general, mask=mask),
        )
        title = f"Luong attention, concat, {name}"
        yield Case(
            name=title,
            covers=("concat_attention",),
            arguments=random_arguments(title, **triple, w=(2 * D + 1, H), v=(H,)),
            forward=partial(reference.concat_attention, mask=mask),
            backward=reference.concat_attention_backward,
            keras=partial(concat, mask=mask),
        )


def _tanh(x):
    return 2 * ops.sigmoid(2 * x) - 1  # ops.tanh returns float32 for float64 on JAX


def _additive_cases():
    def bahdanau(query, key, value, w_q, w_k, v, mask):
        sums = ops.matmul(query, w_q)[:, :, None] + ops.matmul(key, w_k)[:, None]
        return ops.matmul(_softmax(ops.matmul(_tanh(sums), v), mask), value)

    for name, mask in MASKS.items():
        title = f"additive attention, {name}"
        yield Case(
            name=title,
            covers=("additive_attention",),
            arguments=random_arguments(
                title, query=(B, T, D + 1), key=(B, S, D), value=(B, S, V),
                w_q=(D + 1, H), w_k=(D, H), v=(H,),
            ),
            forward=partial(reference.additive_attention, mask=mask),
            backward=reference.additive_attention_backward,
            keras=partial(bahdanau, mask=mask),
        )  # fmt: skip
    yield from _layer_additive_cases()


def _layer_additive_cases():
    """Keras' AdditiveAttention: w_q = w_k = the identity, v = the layer's scale."""
    identity = np.eye(D)

    def forward(query, key, value, v):
        eye = identity.astype(query.dtype)
        return reference.additive_attention(query, key, value, eye, eye, v, LENGTHS[:, None, :])

    def layer(query, key, value, v):
        mask = [None, ops.convert_to_tensor(LENGTHS)]
        layer = keras.layers.AdditiveAttention(dtype=dtype_of(query))
        return call_layer(layer, [v], [query, value, key], mask=mask)

    title = "additive attention, the layer of Keras"
    yield Case(
        name=title,
        covers=("additive_attention",),
        arguments=random_arguments(title, **_TRIPLE, v=(D,)),
        forward=forward,
        backward=reference.additive_attention_backward,
        keras=layer,
    )


# The key's bias adds the same number to all scores of a query, which a softmax does not see: its
# gradient is 0 on paper, rounding noise in a computer, so it is not among the arguments.
B_K = np.random.default_rng(3).standard_normal((N, K))
MULTI_HEAD = {
    "query": (B, T, D), "key": (B, S, D), "value": (B, S, D),
    "w_q": (D, N, K), "b_q": (N, K), "w_k": (D, N, K),
    "w_v": (D, N, V), "b_v": (N, V), "w_o": (N, V, D), "b_o": (D,),
}  # fmt: skip


# Keras' fused attention cannot be given another size for the values than for the keys on JAX.
FUSED = {**MULTI_HEAD, "w_v": (D, N, K), "b_v": (N, K), "w_o": (N, K, D)}


def _multi_head(query, key, value, w_q, b_q, w_k, w_v, b_v, w_o, b_o, **options):
    b_k = B_K.astype(query.dtype)
    weights = (w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o)
    return reference.multi_head_attention(query, key, value, *weights, **options)


def _keras_multi_head(mask, explicit, query, key, value, w_q, b_q, w_k, w_v, b_v, w_o, b_o):
    layer = keras.layers.MultiHeadAttention(N, K, value_dim=w_v.shape[-1], dtype=dtype_of(query))
    layer.build(query.shape, value.shape, key.shape)
    b_k = ops.convert_to_tensor(B_K, query.dtype)
    scale = exact_scale(K)
    weights = [scale * w_q, scale * b_q, w_k, b_k, w_v, b_v, w_o, b_o]
    mask = None if mask is None else ops.convert_to_tensor(np.broadcast_to(mask, (B, T, S)))
    options = {"attention_mask": mask, "return_attention_scores": explicit}
    output = call_layer(layer, weights, query, value, key, **options)
    return output[0] if explicit else output


def exact_scale(key_size):
    """Return what makes 1/√K exact: Keras on TensorFlow rounds it to float32, in float64 too."""
    exact = key_size**-0.5
    return exact / float(np.float32(exact)) if keras.backend.backend() == "tensorflow" else 1.0


def dtype_of(tensor):
    """Return a tensor's dtype in Keras' words."""
    return keras.backend.standardize_dtype(tensor.dtype)


def _multi_head_cases():
    # Keras has two answers for a query without keys: zeros when it returns its scores, else the
    # average over all keys.
    added = (
        "Keras on torch adds a large negative number to the scores instead of replacing them: a "
        "query without keys sends gradients to scores that take no part"
    )
    for name, mask in MASKS.items():
        for explicit in (True, False):
            title = f"multi-head attention, {name}, {'explicit' if explicit else 'fused'}"
            options = {"mask": mask, "fully_masked": "zero" if explicit else "uniform"}
            shapes = MULTI_HEAD if explicit else FUSED
            deserted = mask is DESERTED and not explicit
            yield Case(
                name=title,
                covers=("multi_head_attention",),
                arguments=random_arguments(title, scale=0.7, **shapes),
                forward=partial(_multi_head, **options),
                backward=reference.multi_head_attention_backward,
                keras=partial(_keras_multi_head, mask, explicit),
                skip={"torch": added} if deserted else {},
            )


def _position_cases():
    def turned(x, interleaved):
        half = K + 1  # features 2 * half
        a, b = (x[..., ::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])
        angle = np.arange(3, 3 + T)[:, None] / 10000 ** (np.arange(half) / half)
        cos, sin = (ops.convert_to_tensor(f(angle), a.dtype) for f in (np.cos, np.sin))
        pair = [a * cos - b * sin, a * sin + b * cos]
        if not interleaved:
            return ops.concatenate(pair, axis=-1)
        return ops.reshape(ops.stack(pair, axis=-1), x.shape)

    for interleaved in (False, True):
        title = f"rotary positions, {'neighbours' if interleaved else 'halves'}"
        yield Case(
            name=title,
            covers=("rotary",),
            arguments=random_arguments(title, x=(B, N, T, 2 * (K + 1))),
            forward=partial(reference.rotary, offset=3, interleaved=interleaved),
            backward=reference.rotary_backward,
            keras=partial(turned, interleaved=interleaved),
        )
    yield Case(
        name="learned positions",
        covers=("learned_positions",),
        arguments=random_arguments("learned positions", x=(B, T, D), table=(S, D)),
        forward=reference.learned_positions,
        backward=reference.learned_positions_backward,
        keras=lambda x, table: x + keras.ops.take(table, np.arange(T), axis=0),
    )
    yield Case(
        name="sinusoidal positions",
        covers=("sinusoidal_positions",),
        arguments=random_arguments("sinusoidal positions", x=(B, T, 2 * K)),
        forward=reference.sinusoidal_positions,
        backward=reference.sinusoidal_positions_backward,
        keras=_keras_sinusoidal,
    )


def _keras_sinusoidal(x):
    t, i = np.arange(T)[:, None], np.arange(2 * K)
    angle = t / 10000 ** (2 * (i // 2) / (2 * K))
    table = np.where(i % 2 == 0, np.sin(angle), np.cos(angle))
    return x + ops.convert_to_tensor(table, x.dtype)


EXEMPT = {
    "causal_mask": "boolean, no derivative; cases of every attention use it",
    "padding_mask": "boolean, no derivative; cases of every attention use it",
    "sinusoidal_table": "a fixed table, no derivative; sinusoidal_positions adds it",
}
CASES = (
    *_scaled_cases(),
    *_dot_cases(),
    *_luong_cases(),
    *_additive_cases(),
    *_multi_head_cases(),
    *_position_cases(),
)
