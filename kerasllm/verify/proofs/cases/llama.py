"""Cases of Llama: grouped queries, rotary positions, SwiGLU, and the block of them.

Keras has grouped-query attention, without positions; the block stands beside a composition of
`keras.ops`, and beside this project's own layer, whose weights are fused.
"""

from functools import partial

import keras
import numpy as np
from keras import ops

from kerasllm import layers, reference
from kerasllm.verify.comparison.backend import call_layer
from kerasllm.verify.proofs.cases.attention import dtype_of, exact_scale
from kerasllm.verify.proofs.checks import Case, random_arguments

B, T, S, D, N, G, K, H = 2, 5, 7, 3, 6, 2, 4, 11
EPSILON, BASE = 1e-2, 50.0  # each unlike its default, to be noticed where it is forgotten
REAL = np.arange(T) < np.array([T, 3])[:, None]  # (B, T)
KEYS = np.arange(S) < np.array([4, S])[:, None]  # (B, S)
# The key's bias has no gradient on paper (see B_K in attention.py): it is held fixed.
B_K = np.random.default_rng(7).standard_normal((G, K))
_HEADS = {
    "w_q": (D, N, K), "b_q": (N, K), "w_k": (D, G, K), "w_v": (D, G, K), "b_v": (G, K),
    "w_o": (N, K, D), "b_o": (D,),
}  # fmt: skip
_BLOCK = {
    "scale_1": (D,), "w_q": (D, N, K), "w_k": (D, G, K), "w_v": (D, G, K), "w_o": (N, K, D),
    "scale_2": (D,), "w_gate": (D, H), "w_up": (D, H), "w_down": (H, D),
}  # fmt: skip


def _grouped(query, key, value, w_q, b_q, w_k, w_v, b_v, w_o, b_o, **options):
    b_k = B_K.astype(query.dtype)
    weights = (w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o)
    return reference.grouped_query_attention(query, key, value, *weights, **options)


def _keras_grouped(query, key, value, w_q, b_q, w_k, w_v, b_v, w_o, b_o, mask):
    layer = keras.layers.GroupQueryAttention(K, N, G, dtype=dtype_of(query))
    layer.build(query.shape, value.shape, key.shape)
    scale, b_k = exact_scale(K), ops.convert_to_tensor(B_K, query.dtype)
    weights = [scale * w_q, scale * b_q, w_k, b_k, w_v, b_v, w_o, b_o]
    mask = None if mask is None else ops.convert_to_tensor(np.broadcast_to(mask, (B, T, S)))
    return call_layer(layer, weights, query, value, key, attention_mask=mask)


def _written(query, key, value, w_q, b_q, w_k, w_v, b_v, w_o, b_o, mask, rotary):
    """Compute the attention with `keras.ops`, each group's keys copied for its heads."""
    heads = (N, G, G)
    b_k = ops.convert_to_tensor(B_K, query.dtype)
    parts = ((query, w_q, b_q), (key, w_k, b_k), (value, w_v, b_v))
    q, k, v = (ops.einsum("btd,dnk->bntk", x, w) + b[None, :, None] for x, w, b in parts)
    if rotary:
        q, k = _turned(q, rotary), _turned(k, rotary)
    k, v = (ops.repeat(a, heads[0] // G, axis=1) for a in (k, v))
    return ops.einsum("bntk,nkd->btd", _attended(q, k, v, mask), w_o) + b_o


def _attended(q, k, v, mask):
    scores = ops.einsum("bntk,bnsk->bnts", q, k) * K**-0.5
    if mask is not None:
        mask = ops.convert_to_tensor(np.broadcast_to(mask, (B, *scores.shape[2:])))[:, None]
        scores = ops.where(mask, scores, ops.cast(-1e30, scores.dtype))
    return ops.matmul(ops.softmax(scores), v)


def _turned(x, rotary):
    t, half = np.arange(x.shape[2])[:, None], K // 2
    angle = t / BASE ** (np.arange(half) / half)
    cos, sin = (ops.convert_to_tensor(f(angle), dtype_of(x)) for f in (np.cos, np.sin))
    whole = rotary == "interleaved"
    a, b = (x[..., ::2], x[..., 1::2]) if whole else (x[..., :half], x[..., half:])
    pair = [a * cos - b * sin, a * sin + b * cos]
    if whole:
        return ops.reshape(ops.stack(pair, axis=-1), x.shape)
    return ops.concatenate(pair, axis=-1)


def _attention_cases():
    inputs = {"query": (B, T, D), "key": (B, S, D), "value": (B, S, D)}
    for name, mask in (("no mask", None), ("padding", KEYS[:, None])):
        title = f"grouped-query attention, {name}"
        yield Case(
            name=title,
            covers=("grouped_query_attention",),
            arguments=random_arguments(title, **inputs, **_HEADS),
            forward=partial(_grouped, mask=mask),
            backward=reference.grouped_query_attention_backward,
            keras=partial(_keras_grouped, mask=mask),
        )
    for rotary in ("halves", "interleaved"):
        title = f"grouped-query attention, rotary positions, {rotary}"
        yield Case(
            name=title,
            covers=("grouped_query_attention",),
            arguments=random_arguments(title, **inputs, **_HEADS),
            forward=partial(_grouped, mask=KEYS[:, None], rotary=rotary, base=BASE),
            backward=reference.grouped_query_attention_backward,
            keras=partial(_written, mask=KEYS[:, None], rotary=rotary),
        )


def _network(x, w_gate, w_up, w_down):
    return ops.matmul(ops.silu(ops.matmul(x, w_gate)) * ops.matmul(x, w_up), w_down)


def _network_case():
    title, shapes = "SwiGLU", {"w_gate": (D, H), "w_up": (D, H), "w_down": (H, D)}
    return Case(
        name=title,
        covers=("swiglu",),
        arguments=random_arguments(title, x=(B, T, D), **shapes),
        forward=reference.swiglu,
        backward=reference.swiglu_backward,
        keras=_network,
    )


def _normalized(x, scale):
    layer = keras.layers.RMSNormalization(epsilon=EPSILON, dtype=dtype_of(x))
    return call_layer(layer, [scale], x)


def _block(x, mask, rotary, **weights):
    weights = [weights[name] for name in reference.LLAMA_WEIGHTS]
    options = {"mask": mask, "rotary": rotary, "base": BASE, "epsilon": EPSILON}
    return reference.llama_block(x, *weights, **options)


def _keras_block(x, mask, rotary, scale_1, scale_2, w_gate, w_up, w_down, **heads):
    past = np.tri(T, dtype=bool) if mask is None else np.tri(T, dtype=bool) & mask
    y = _normalized(x, scale_1)
    q, k, v = (ops.einsum("btd,dnk->bntk", y, heads[f"w_{sign}"]) for sign in "qkv")
    q, k = _turned(q, rotary), _turned(k, rotary)
    k, v = (ops.repeat(a, N // G, axis=1) for a in (k, v))
    h = x + ops.einsum("bntk,nkd->btd", _attended(q, k, v, past), heads["w_o"])
    return h + _network(_normalized(h, scale_2), w_gate, w_up, w_down)


def _block_cases():
    for rotary, mask in (("halves", None), ("interleaved", REAL[:, None])):
        title = f"Llama block, {rotary}, {'no mask' if mask is None else 'padding'}"
        options = {"mask": mask, "rotary": rotary}
        yield Case(
            name=title,
            covers=("llama_block",),
            arguments=random_arguments(title, scale=0.7, x=(B, T, D), **_BLOCK),
            forward=partial(_block, **options),
            backward=reference.llama_block_backward,
            keras=partial(_keras_block, **options),
        )


# === The layer, whose weights are fused ===

_FUSED = {
    "qkv_kernel": (D, (N + 2 * G) * K), "output_kernel": (N * K, D),
    "expand": (D, 2 * H), "contract": (H, D), "scale_1": (D,), "scale_2": (D,),
}  # fmt: skip
_ENDS = (N * K, (N + G) * K)  # of the columns of Q and of K


def _fused_block(x, rotary, qkv_kernel, output_kernel, expand, contract, scale_1, scale_2):
    w_q, w_k, w_v = (
        kernel.reshape(D, -1, K) for kernel in np.split(qkv_kernel, _ENDS, axis=1)
    )  # fmt: skip
    w_gate, w_up = np.split(expand, 2, axis=1)
    weights = {
        "scale_1": scale_1, "w_q": w_q, "w_k": w_k, "w_v": w_v,
        "w_o": output_kernel.reshape(N, K, D), "scale_2": scale_2,
        "w_gate": w_gate, "w_up": w_up, "w_down": contract,
    }  # fmt: skip
    return _block(x, REAL[:, None], rotary, **weights)


def _fused_backward(d_output, trace):
    grads = reference.llama_block_backward(d_output, trace)
    kernels = [d.reshape(D, -1) for d in (grads.d_w_q, grads.d_w_k, grads.d_w_v)]
    return {
        "d_x": grads.d_x,
        "d_qkv_kernel": np.concatenate(kernels, axis=1),
        "d_output_kernel": grads.d_w_o.reshape(N * K, D),
        "d_expand": np.concatenate([grads.d_w_gate, grads.d_w_up], axis=1),
        "d_contract": grads.d_w_down,
        "d_scale_1": grads.d_scale_1,
        "d_scale_2": grads.d_scale_2,
    }


def _layer(x, rotary, **weights):
    layer = layers.TransformerEncoder(
        N, H, causal=True, rotary=True, activation="swiglu", epsilon=EPSILON, normalization="rms",
        use_bias=False, num_kv_heads=G, key_dim=K, rotary_base=BASE,
        interleaved=rotary == "interleaved", dtype=dtype_of(x),
    )  # fmt: skip
    # `weights` is in the order of the layer's own.
    return call_layer(layer, list(weights.values()), x, mask=ops.convert_to_tensor(REAL))


def _layer_cases():
    for rotary in ("halves", "interleaved"):
        title = f"layer of the Llama block, {rotary}"
        yield Case(
            name=title,
            covers=("llama_block", "grouped_query_attention", "swiglu", "rotary"),
            layers=("TransformerEncoder", "MultiHeadAttention", "FeedForward"),
            arguments=random_arguments(title, scale=0.7, x=(B, T, D), **_FUSED),
            forward=partial(_fused_block, rotary=rotary),
            backward=_fused_backward,
            keras=partial(_layer, rotary=rotary),
        )


EXEMPT = {}
CASES = (*_attention_cases(), _network_case(), *_block_cases(), *_layer_cases())
