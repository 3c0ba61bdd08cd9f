"""Cases of the recurrent decoder: each attention, both cells, one layer or two, padded sources."""

from itertools import chain

import numpy as np
from keras import ops

from kerasllm import layers
from kerasllm import reference as ref
from kerasllm.verify.comparison.backend import call_layer
from kerasllm.verify.proofs.cases.attention import dtype_of
from kerasllm.verify.proofs.checks import Case, random_arguments

EXEMPT = {}
B, T, D, S, H = 2, 3, 5, 7, 11
M = 2 * 3  # the encoder has two directions
SOURCE = np.arange(S) < np.array([4, S])[:, None]  # (B, S)
EMPTY = np.arange(S) < np.array([5, 0])[:, None]
STATES = {"lstm": ("h", "c"), "gru": ("h",)}
GATES = {"lstm": 4, "gru": 3}


def _weights(cell, attention, num_layers, H):
    """Return the shapes of a step's weights by name, in the order of the layer."""
    shapes, gates = {}, GATES[cell] * H
    for n in range(num_layers):
        shapes |= {f"kernel{n}": (H if n else D + H, gates), f"recurrent_kernel{n}": (H, gates)}
        shapes[f"bias{n}"] = (2, gates) if cell == "gru" else (gates,)
    score = {
        "bahdanau": {"w_q": (H, H), "w_k": (M, H), "v": (H,)},
        "dot": {},
        "general": {"w": (H, M)},
        "concat": {"w": (H + M, H), "v": (H,)},
    }[attention]
    return shapes | score | {"w_c": (H + M, H), "b_c": (H,)}


def _decoder(cell, attention, num_layers=1, mask=None):
    """Make a case of the whole decoder beside the layer."""
    units = M if attention == "dot" else H
    width = units * num_layers * len(STATES[cell])
    shapes = _weights(cell, attention, num_layers, units) | {"w_0": (M, width), "b_0": (width,)}
    title = f"attention decoder, {num_layers} {cell}, {attention}"
    if mask is not None:
        title += ", ragged sources" if mask.any(axis=1).all() else ", an empty source"
    options = {"cell": cell, "attention": attention}

    def forward(x, source, **weights):
        return ref.attention_decoder(x, source, *weights.values(), source_mask=mask, **options)

    def backward(d_output, trace):
        grads = ref.attention_decoder_backward(d_output, trace)
        return grads._asdict() | _named(shapes, grads.d_weights)

    def keras(x, source, **weights):
        layer = layers.AttentionDecoder(units, num_layers, **options, dtype=dtype_of(x))
        seen = None if mask is None else ops.convert_to_tensor(mask)
        return call_layer(layer, list(weights.values()), x, source, source_mask=seen)

    return Case(
        name=title,
        covers=("attention_decoder", "attention_decoder_step"),
        layers=("AttentionDecoder",),
        arguments=random_arguments(title, scale=0.7, x=(B, T, D), source=(B, S, M), **shapes),
        forward=forward,
        backward=backward,
        keras=keras,
    )


def _step(cell, attention, num_layers):
    """Make a case of one step, with the gradients of the states that it is given and returns."""
    shapes = _weights(cell, attention, num_layers, H)
    names = [[f"{s}{n}_previous" for s in STATES[cell]] for n in range(num_layers)]
    flat = dict.fromkeys(chain(*names), (B, H))
    title = f"step of the attention decoder, {num_layers} {cell}, {attention}"

    def forward(x, fed_previous, source, **values):
        states = [tuple(values[name] for name in group) for group in names]
        return ref.attention_decoder_step(
            x, fed_previous, states, source, *(values[name] for name in shapes),
            cell=cell, attention=attention, source_mask=SOURCE,
        )  # fmt: skip

    def backward(d_output, trace):
        grads = ref.attention_decoder_step_backward(d_output, trace)
        d_states = _named(flat, chain(*grads.d_states))
        return grads._asdict() | d_states | _named(shapes, grads.d_weights)

    inputs = {"x": (B, D), "fed_previous": (B, H), "source": (B, S, M)}
    return Case(
        name=title,
        covers=("attention_decoder_step",),
        arguments=random_arguments(title, scale=0.7, **inputs, **flat, **shapes),
        forward=forward,
        backward=backward,
        note="beside Keras as a part of the whole decoder",
    )


def _named(shapes, gradients):
    return {f"d_{name}": d for name, d in zip(shapes, gradients, strict=True)}


CASES = (
    _decoder("lstm", "bahdanau"),
    _decoder("gru", "bahdanau", num_layers=2, mask=SOURCE),
    _decoder("lstm", "dot", mask=SOURCE),
    _decoder("gru", "dot"),
    _decoder("lstm", "general", num_layers=2, mask=SOURCE),
    _decoder("gru", "general"),
    _decoder("lstm", "concat", mask=EMPTY),
    _decoder("gru", "concat"),
    _step("lstm", "bahdanau", num_layers=2),
    _step("gru", "general", num_layers=1),
)
