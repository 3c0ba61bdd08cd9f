"""Cases of this project's own layers: what is trained with, beside the equation that it computes.

The other tables compare the equations with Keras. Here the same equations stand beside
`kerasllm.layers`, whose weights are fused or split in another way: each case says how. Where a
layer has no function of its own name, the rule by which a twin computes it is the equation.
"""

from collections.abc import Mapping
from functools import cache, partial
from itertools import product

import keras
import numpy as np
from keras import ops

from kerasllm import layers, models, reference
from kerasllm.layers.crf import CRF
from kerasllm.verify.comparison.backend import call_layer
from kerasllm.verify.proofs.cases.attention import dtype_of
from kerasllm.verify.proofs.cases.sequence import MASKS, TAGS, crf_case
from kerasllm.verify.proofs.checks import Case, random_arguments
from kerasllm.verify.twins import rules  # noqa: F401 - the rules register themselves
from kerasllm.verify.twins.tape import Tape
from kerasllm.verify.twins.values import dense, gradient_or_zeros, unwrap

B, T, S, D, M, H, N, K = 2, 5, 7, 6, 3, 11, 2, 3
WIDE = 13  # of the feed-forward network
EPSILON = 1e-2
REAL = np.arange(T) < np.array([T, 3])[:, None]  # (B, T)
SOURCE = np.arange(S) < np.array([4, S])[:, None]  # (B, S)
IDS = np.array([[3, 1, 4, 4, 2], [4, 6, 0, 0, 0]])
_GRAPH = "a graph of layers; `kerasllm verify --model RUN` and `--preset all` prove it whole"
EXEMPT = {
    name: _GRAPH
    for name in models.__all__
    if isinstance(getattr(models, name), type) and issubclass(getattr(models, name), keras.Model)
} | {"LoRA": "its equation is `lora`; the adapted classifier is trained beside its twin"}
_ATTENTION = {
    "qkv_kernel": (D, 3 * N * K), "output_kernel": (N * K, D),
    "qkv_bias": (3 * N * K,), "output_bias": (D,),
}  # fmt: skip
_NETWORK = {"w_1": (D, WIDE), "b_1": (WIDE,), "w_2": (WIDE, D), "b_2": (D,)}


def _scored_cases():
    memory = {"memory": (B, S, M)}
    weights = {
        "additive": {"w_q": (D, H), "w_k": (M, H), "v": (H,)},
        "dot": {},
        "general": {"w": (D, M)},
        "concat": {"w": (D + M, H), "v": (H,)},
    }
    for (score, shapes), mask in product(weights.items(), (None, SOURCE)):
        title = f"layer of {score} attention, {'no mask' if mask is None else 'ragged sources'}"
        query = {"query": (B, T, M if score == "dot" else D)}
        yield Case(
            name=title,
            covers=(f"{score}_attention",),
            layers=("BahdanauAttention" if score == "additive" else "LuongAttention",),
            arguments=random_arguments(title, **query, **memory, **shapes),
            forward=partial(_scored, getattr(reference, f"{score}_attention"), mask),
            backward=partial(_scored_backward, getattr(reference, f"{score}_attention_backward")),
            keras=partial(_scored_layer, score, mask),
        )


def _scored(function, mask, query, memory, **weights):
    mask = None if mask is None else mask[:, None, :]
    return function(query, memory, memory, *weights.values(), mask=mask)


def _scored_backward(function, d_output, trace):
    grads = function(d_output, trace)._asdict()
    grads["d_memory"] = grads.pop("d_key") + grads.pop("d_value")
    return grads


def _scored_layer(score, mask, query, memory, **weights):
    options = {"units": H, "dtype": dtype_of(query)}
    if score == "additive":
        layer = layers.BahdanauAttention(**options)
    else:
        layer = layers.LuongAttention(score, **options)
    mask = None if mask is None else ops.convert_to_tensor(mask)
    return call_layer(layer, list(weights.values()), query, memory, source_mask=mask)


def _crf_cases():
    for name in ("no mask", "padding"):
        mask = MASKS[name]
        yield crf_case(f"layer of the CRF, {name}", mask, partial(_crf_layer, mask), ("CRF",))


def _crf_layer(mask, emissions, transitions, start, end):
    layer = CRF(TAGS.max() + 1, dtype=dtype_of(emissions))
    mask = None if mask is None else ops.convert_to_tensor(mask)
    tags = ops.convert_to_tensor(TAGS)
    return call_layer(layer, [transitions, start, end], emissions, tags=tags, mask=mask)


def _block_cases():
    cross = {f"cross_{name}": shape for name, shape in _ATTENTION.items()}
    norms = {f"{part}_{k}": (D,) for k in (1, 2, 3) for part in ("gamma", "beta")}
    two = {name: shape for name, shape in norms.items() if "3" not in name}
    tables = {
        "encoder": ({"x": (B, T, D)}, _ATTENTION | _NETWORK | two),
        "decoder": ({"x": (B, T, D), "memory": (B, S, D)}, _ATTENTION | cross | _NETWORK | norms),
    }
    for name, norm in product(tables, ("pre", "post")):
        inputs, shapes = tables[name]
        title = f"layer of the Transformer {name}, {norm}-norm"
        yield Case(
            name=title,
            covers=(f"transformer_{name}",),
            layers=(f"Transformer{name.capitalize()}",),
            arguments=random_arguments(title, scale=0.7, **inputs, **shapes),
            forward=partial(_block, name, norm),
            backward=partial(_block_backward, name),
            keras=partial(_block_layer, name, norm),
        )


def _block(name, norm, x, memory=None, **arrays):
    """Call the reference with the fused weights cut into those of heads."""
    named = _network_and_norms(arrays) | _heads(arrays, "")
    if name == "encoder":
        weights = [named[key] for key in reference.ENCODER_WEIGHTS]
        return reference.transformer_encoder(
            x, *weights, mask=REAL[:, None], norm=norm, epsilon=EPSILON
        )
    named |= _heads(arrays, "cross_")
    weights = [named[key] for key in reference.DECODER_WEIGHTS]
    return reference.transformer_decoder(
        x, memory, *weights, mask=REAL[:, None], memory_mask=SOURCE[:, None], norm=norm,
        epsilon=EPSILON,
    )  # fmt: skip


def _network_and_norms(arrays):
    return {name: array for name, array in arrays.items() if "_kernel" not in name}


def _heads(arrays, prefix):
    """Cut qkv_kernel (D, 3NK) into w_q, w_k, w_v (D, N, K), and the biases alike."""
    kernels = np.split(arrays[f"{prefix}qkv_kernel"].reshape(D, 3 * N, K), 3, axis=1)
    biases = np.split(arrays[f"{prefix}qkv_bias"].reshape(3 * N, K), 3)
    named = {}
    for sign, kernel, bias in zip("qkv", kernels, biases, strict=True):
        named |= {f"{prefix}w_{sign}": kernel, f"{prefix}b_{sign}": bias}
    named[f"{prefix}w_o"] = arrays[f"{prefix}output_kernel"].reshape(N, K, D)
    return named | {f"{prefix}b_o": arrays[f"{prefix}output_bias"]}


def _block_backward(name, d_output, trace):
    grads = getattr(reference, f"transformer_{name}_backward")(d_output, trace)._asdict()
    for prefix in ("", "cross_") if name == "decoder" else ("",):
        kernels = [grads.pop(f"d_{prefix}w_{sign}").reshape(D, N * K) for sign in "qkv"]
        biases = [grads.pop(f"d_{prefix}b_{sign}").reshape(N * K) for sign in "qkv"]
        grads[f"d_{prefix}qkv_kernel"] = np.concatenate(kernels, axis=1)
        grads[f"d_{prefix}qkv_bias"] = np.concatenate(biases)
        grads[f"d_{prefix}output_kernel"] = grads.pop(f"d_{prefix}w_o").reshape(N * K, D)
        grads[f"d_{prefix}output_bias"] = grads.pop(f"d_{prefix}b_o")
    return grads


def _block_layer(name, norm, x, memory=None, **named):
    make = layers.TransformerEncoder if name == "encoder" else layers.TransformerDecoder
    layer = make(
        N, inner_dim=WIDE, norm=norm, activation="relu", epsilon=EPSILON, dtype=dtype_of(x)
    )
    inputs = [x] if memory is None else [x, memory]
    masks = {"mask": ops.convert_to_tensor(REAL)}
    if memory is not None:
        masks["source_mask"] = ops.convert_to_tensor(SOURCE)
    # `named` is in the order of the layer's weights.
    return call_layer(layer, list(named.values()), *inputs, **masks)


class _Later(Mapping):
    """Arguments that are drawn when they are asked for: building a layer takes time at import."""

    def __init__(self, draw):
        self._drawn = cache(draw)

    def __getitem__(self, name):
        return self._drawn()[name]

    def __iter__(self):
        return iter(self._drawn())

    def __len__(self):
        return len(self._drawn())


def _built(make, named, inputs):
    """Return a layer and the shapes of its weights, by name."""
    # Its weights are never used, but on JAX a float64 one cannot even be made.
    layer = make(dtype="float32" if keras.backend.backend() == "jax" else "float64")
    shapes = [named[one[0]] if isinstance(one, tuple) else np.shape(one) for one in inputs]
    layer.build(*shapes)
    return layer, {f"w{k}": tuple(v.shape) for k, v in enumerate(layer.weights)}


def _by_rule(title, make, inputs, mask=None, **options):
    """Make a case of a layer beside the rule by which a twin computes it.

    Args:
        title: name of the case.
        make: a `partial` of the layer's class, to which the dtype is still to be given.
        inputs: (name, shape) of each float input, or arrays of ids, in the order of the call.
        mask: of the first input.
        **options: further arguments of the call.
    """
    named = dict(one for one in inputs if isinstance(one, tuple))
    made = cache(partial(_built, make, named, inputs))
    masks = {} if mask is None else {"mask": mask}

    def given(arguments, convert):
        return [arguments[one[0]] if isinstance(one, tuple) else convert(one) for one in inputs]

    def forward(**arguments):
        layer, weights = made()
        arrays = zip(layer.weights, (arguments[name] for name in weights), strict=True)
        tape = Tape({id(v): w for v, w in arrays}, next(iter(arguments.values())).dtype)
        values = {name: tape.value(arguments[name]) for name in named}
        output = tape.call(layer, *given(values, tape.value), **masks, **options)
        return keras.tree.map_structure(unwrap, output), (tape, values, output)

    def backward(d_output, trace):
        tape, values, output = trace
        for value, d in zip(keras.tree.flatten(output), keras.tree.flatten(d_output), strict=True):
            value.add_gradient(d)
        tape.backward()
        grads = {name: gradient_or_zeros(value) for name, value in values.items()}
        layer, weights = made()
        pairs = zip(layer.weights, weights, strict=True)
        return {f"d_{n}": d for n, d in grads.items()} | {
            f"d_{name}": dense(tape.d_weights[id(v)]) for v, name in pairs
        }

    def theirs(**arguments):
        tensors = [arguments[name] for name in made()[1]]
        built = make(dtype=dtype_of(next(iter(arguments.values()))))
        seen = {name: ops.convert_to_tensor(m) for name, m in masks.items()}
        outputs = given(arguments, ops.convert_to_tensor)
        return call_layer(built, tensors, *outputs, **seen, **options)

    name = make.func.__name__
    title = f"layer {name}, {title}"
    arguments = _Later(lambda: random_arguments(title, scale=0.7, **named, **made()[1]))
    return Case(title, (), arguments, forward, backward, theirs, (name,))


def _rule_cases():
    x, source = ("x", (B, T, D)), ("source", (B, S, D))
    for positions in ("learned", "sinusoidal", None):
        embed = partial(layers.TokenEmbedding, 7, D, T, positions, segments=2)
        yield _by_rule(f"{positions} positions, segments", embed, [IDS])
    yield _by_rule("pairs", partial(layers.TokenEmbedding, 7, D, pairs=11), [IDS])
    embed = partial(layers.TokenEmbedding, 7, D, T, "learned", segments=2, pairs=11, tied=False)
    yield _by_rule("pairs, of two tables", embed, [IDS])
    head = partial(layers.TokenEmbedding, 7, D, score_pad=False)
    yield _by_rule("reversed", head, [x], reverse=True)
    head = partial(layers.TokenEmbedding, 7, D, T, "learned", segments=2, tied=False)
    yield _by_rule("of two tables", head, [IDS])
    yield _by_rule("of two tables, reversed", head, [x], reverse=True)
    for mode in ("mean", "max", "mean_max", "last", "first", "attention"):
        pool = partial(layers.MaskedPooling, mode)
        yield _by_rule(mode, pool, [x], REAL)
    for options in (
        {"causal": True}, {"rotary": True, "key_dim": 4}, {"use_bias": False}, {"num_kv_heads": 1},
    ):  # fmt: skip
        attend = partial(layers.MultiHeadAttention, N, **options)
        yield _by_rule(str(options), attend, [x], REAL)
    attend = partial(layers.MultiHeadAttention, N)
    yield _by_rule("source", attend, [x, source], return_weights=True)
    for activation in ("relu", "gelu", "swiglu"):
        think = partial(layers.FeedForward, WIDE, activation)
        yield _by_rule(activation, think, [x])
    for cell in ("simple", "lstm", "gru"):
        stack = partial(layers.StackedRNN, D, 2, cell, residual=True)
        yield _by_rule(f"{cell}, residual", stack, [x], REAL)
    both = partial(layers.BiLSTM, H, 2)
    yield _by_rule("two layers", both, [x], REAL)


CASES = (*_rule_cases(), *_scored_cases(), *_crf_cases(), *_block_cases())
