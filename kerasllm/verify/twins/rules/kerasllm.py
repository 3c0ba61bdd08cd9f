"""The layers of this project, by composition of reference functions."""

from typing import NamedTuple

import numpy as np

from kerasllm import layers
from kerasllm import reference as ref
from kerasllm.layers.embedding import MIX, NEVER
from kerasllm.reference.attention.grouped_query_attention import (
    repeat_heads,
    repeat_heads_backward,
)
from kerasllm.reference.attention.heads import join, split
from kerasllm.verify.twins.registry import register, unsupported
from kerasllm.verify.twins.rules.core import keras_gelu, keras_gelu_backward
from kerasllm.verify.twins.values import Rows


class TokenEmbeddingTrace(NamedTuple):
    """Every symbol of a token embedding: rows of the table, and the positions added to them."""

    ids: np.ndarray
    rows: np.ndarray
    output: np.ndarray
    parts: tuple


class LogitsTrace(NamedTuple):
    """Every symbol of a token embedding in reverse: logits = h tableᵀ."""

    h: np.ndarray
    table: np.ndarray
    logits: np.ndarray
    part: tuple


class HeadsTrace(NamedTuple):
    """Every symbol of this project's multi-head attention; q, k, v, z have the heads in axis 1.

    With rotary positions, q and k are the rotated ones, and `rotations` their traces. Of keys and
    values there are as many heads as groups.
    """

    x: np.ndarray
    source: np.ndarray
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    scores: np.ndarray
    weights: np.ndarray
    z: np.ndarray
    output: np.ndarray
    rotations: tuple | None
    parts: tuple


def token_embedding(layer, weights, inputs, reverse=False, start=0):
    """Compute TokenEmbedding: ids to features, or features to logits."""
    if start:
        raise unsupported(layer, "start > 0 (decoding step by step)")
    if layer.packed:
        raise unsupported(layer, "packed=True (several texts in a row)")
    table, *others = weights
    if reverse:
        table = table if layer.tied else others[-1]
        logits, part = ref.dense(inputs, table.T)
        if not layer.score_pad:
            logits[..., 0] = NEVER
        return logits, LogitsTrace(inputs, table, logits, part)
    rows, lookup = ref.embedding(inputs.astype("int64"), table)
    x, place, segment, pair = rows, None, None, None
    if layer.positions == "learned":
        x, place = ref.learned_positions(rows, others[0])
    elif layer.positions == "sinusoidal":
        x, place = ref.sinusoidal_positions(rows * layer.hidden_dim**0.5)
    if layer.segments:
        ends = inputs == layer.separator
        before = np.cumsum(ends, axis=1) - ends
        table_of_s = others[layer.positions == "learned"]
        rows_of_s, segment = ref.embedding(np.minimum(before, layer.segments - 1), table_of_s)
        x = x + rows_of_s
    if layer.pairs:
        before = np.pad(inputs, [(0, 0), (1, 0)])[:, :-1].astype("int64")
        numbers = (MIX * (before % layer.pairs) + inputs) % layer.pairs
        rows_of_g, pair = ref.embedding(numbers, others[-1 if layer.tied else -2])
        x = x + rows_of_g
    return x, TokenEmbeddingTrace(inputs, rows, x, (lookup, place, segment, pair))


def token_embedding_backward(layer, d_output, trace):
    """Go back to the table, by both of its uses."""
    if isinstance(trace, LogitsTrace):
        if not layer.score_pad:
            d_output = np.concatenate([0 * d_output[..., :1], d_output[..., 1:]], axis=-1)
        grads = ref.dense_backward(d_output, trace.part)
        d_weights = [np.zeros(v.shape, d_output.dtype) for v in layer.weights]
        if not layer.tied:  # no use of the other table, which optimizers see use by use
            d_weights[0] = Rows(*ref.embedding(np.zeros(0, "int64"), trace.table))
        d_weights[0 if layer.tied else -1] = grads.d_kernel.T
        return grads.d_x, d_weights
    lookup, place, segment, pair = trace.parts
    scale = layer.hidden_dim**0.5 if layer.positions == "sinusoidal" else 1
    d_weights = [Rows(d_output * scale, lookup)]
    if layer.positions == "learned":
        d_weights.append(ref.learned_positions_backward(d_output, place).d_table)
    if segment is not None:
        d_weights.append(ref.embedding_backward(d_output, segment).d_table)
    if pair is not None:
        d_weights.append(Rows(d_output, pair))
    if not layer.tied:
        d_weights.append(np.zeros(layer.embeddings.shape, d_output.dtype))
    return None, d_weights


def token_mask(_layer, inputs, mask):
    """Return where ids are no padding; features keep their mask."""
    return mask if inputs.ndim == 3 else inputs != 0


def multi_head_attention(layer, weights, x, source=None, mask=None, source_mask=None, **options):
    """Compute this project's MultiHeadAttention, of one fused projection."""
    if options.get("cache") is not None or options.get("start"):
        raise unsupported(layer, "a cache or start > 0 (decoding step by step)")
    kernel, output_kernel, bias, output_bias = [*weights, None, None][:4]
    y = x if source is None else source[...]  # a view: not x itself, even if it is given x
    # One matrix product for all three, as the layer has it; a source takes the last two thirds.
    (q, k, v), parts = _project(layer, x, y, kernel, bias)
    rotations = None
    if layer.rotary and source is None:
        turned = {"base": layer.rotary_base, "interleaved": layer.interleaved}
        (q, turn_q), (k, turn_k) = ref.rotary(q, **turned), ref.rotary(k, **turned)
        rotations = (turn_q, turn_k)
    seen = _seen(layer, q, k, mask if source is None else source_mask)
    keys, values = repeat_heads(k, layer.num_heads), repeat_heads(v, layer.num_heads)
    values = _with_weights(values) if options.get("return_weights") else values
    both, attend = ref.scaled_dot_product_attention(q, keys, values, seen, fully_masked="uniform")
    z = both[..., : v.shape[-1]]
    output, out = ref.dense(join(z), output_kernel, output_bias)
    trace = HeadsTrace(
        x, y, q, k, v, attend.scores, attend.weights, z, output, rotations, (*parts, attend, out)
    )
    return ((output, attend.weights) if options.get("return_weights") else output), trace


def _with_weights(values):
    """Put the identity beside the values (…, S, V): the average of (…, S, V + S) is [z; weights].

    So the weights are an output like the average, with a gradient of their own.
    """
    S = values.shape[-2]
    identity = np.broadcast_to(np.eye(S, dtype=values.dtype), (*values.shape[:-1], S))
    return np.concatenate([values, identity], axis=-1)


def _project(layer, x, y, kernel, bias):
    """Return q (B, N, T, K), k and v (B, G, S, K), and the traces of the three products."""
    heads, parts, end = [], [], 0
    for source, width in zip((x, y, y), layer.widths, strict=True):
        columns, end = slice(end, end + width), end + width
        cut = None if bias is None else bias[columns]
        product, part = ref.dense(source, kernel[:, columns], cut)
        heads.append(split(product, width // layer.head_size))
        parts.append(part)
    return heads, parts


def _seen(layer, q, k, key_mask):
    """Return which keys each query sees, broadcast to (B, N, T, S), or None for all."""
    seen = ref.causal_mask(q.shape[2], k.shape[2])[None, None] if layer.causal else None
    if key_mask is None:
        return seen
    keys = key_mask[:, None, None, :]
    return keys if seen is None else seen & keys


def multi_head_attention_backward(layer, d_output, trace):
    """Go back through the output projection, the attention, the rotations and the projections."""
    *products, attend, out = trace.parts
    d_output, *d_shares = d_output if isinstance(d_output, tuple) else (d_output,)
    d_z, d_output_kernel, d_output_bias = ref.dense_backward(d_output, out)
    d_both = np.concatenate([split(d_z, layer.num_heads), *d_shares], axis=-1)
    d_heads = list(ref.scaled_dot_product_attention_backward(d_both, attend))
    d_heads[2] = d_heads[2][..., : trace.v.shape[-1]]
    d_heads[1:] = (repeat_heads_backward(d, layer.groups) for d in d_heads[1:])
    for number, turn in enumerate(trace.rotations or ()):
        d_heads[number] = ref.rotary_backward(d_heads[number], turn).d_x
    grads = [ref.dense_backward(join(d), part) for d, part in zip(d_heads, products, strict=True)]
    d_kernel = np.concatenate([g.d_kernel for g in grads], axis=1)
    d_weights = [d_kernel, d_output_kernel]
    if layer.use_bias:
        d_weights += [np.concatenate([g.d_bias for g in grads]), d_output_bias]
    d_q, d_k, d_v = (g.d_x for g in grads)
    if trace.source is trace.x:
        return d_q + d_k + d_v, d_weights
    return (d_q, d_k + d_v), d_weights


class GatedTrace(NamedTuple):
    """Every symbol of FeedForward with a gate: [a u] = x w_1 + b_1, h = silu(a) · u."""

    x: np.ndarray
    a: np.ndarray
    gate: np.ndarray
    up: np.ndarray
    h: np.ndarray
    output: np.ndarray
    parts: tuple


def feed_forward(layer, weights, x):
    """Compute FeedForward."""
    w_1, b_1, w_2, b_2 = weights if layer.use_bias else (weights[0], None, weights[1], None)
    a, part_1 = ref.dense(x, w_1, b_1)
    if layer.activation == "swiglu":
        a, up = np.split(a, 2, axis=-1)
        gate, bend = ref.silu(a)
        h = gate * up
    elif layer.activation == "relu":
        h, bend = ref.relu(a)
    else:
        h, bend = keras_gelu(a, layer._f, layer.activation == "gelu_tanh")
    output, part_2 = ref.dense(h, w_2, b_2)
    parts = (part_1, bend, part_2)
    if layer.activation == "swiglu":
        return output, GatedTrace(x, a, gate, up, h, output, parts)
    return output, ref.FeedForwardTrace(
        x, w_1, b_1, w_2, b_2, layer.activation, a, h, output, parts
    )


def feed_forward_backward(layer, d_output, trace):
    """Go back through FeedForward."""
    part_1, bend, part_2 = trace.parts
    d_h, d_w_2, d_b_2 = ref.dense_backward(d_output, part_2)
    if layer.activation == "swiglu":
        (d_a,) = ref.silu_backward(d_h * trace.up, bend)
        d_a = np.concatenate([d_a, d_h * trace.gate], axis=-1)
    else:
        bend_backward = ref.relu_backward if layer.activation == "relu" else keras_gelu_backward
        (d_a,) = bend_backward(d_h, bend)
    d_x, d_w_1, d_b_1 = ref.dense_backward(d_a, part_1)
    return d_x, [d_w_1, d_b_1, d_w_2, d_b_2] if layer.use_bias else [d_w_1, d_w_2]


def transformer_encoder(tape, layer, x, mask=None, cache=None, start=0):
    """Compute a Transformer block: two residual steps, each with its norm before or after."""
    if cache is not None or start:
        raise unsupported(layer, "a cache or start > 0 (decoding step by step)")
    norm_1, norm_2 = layer.attention_norm, layer.feed_forward_norm
    if layer.norm == "pre":
        x = tape.add(x, tape.call(layer.attention, tape.call(norm_1, x), mask=mask))
        return tape.add(x, tape.call(layer.feed_forward, tape.call(norm_2, x)))
    x = tape.call(norm_1, tape.add(x, tape.call(layer.attention, x, mask=mask)))
    return tape.call(norm_2, tape.add(x, tape.call(layer.feed_forward, x)))


def stacked_rnn(tape, layer, x, mask=None, initial_state=None, return_state=False):
    """Compute StackedRNN and BiLSTM: each layer reads the states of the one below."""
    states = []
    for number, part in enumerate(layer.layers):
        start = {} if initial_state is None else {"initial_state": initial_state[number]}
        y = tape.call(part, x, mask=mask, **start)
        if not layer.bidirectional:
            y, *state = y
            states.append(state)
        same = x.array.shape[-1] == y.array.shape[-1]
        x = tape.add(x, y) if layer.residual and same else y
    return (x, states) if return_state else x


register(layers.TokenEmbedding, token_embedding, token_embedding_backward, mask=token_mask)
register(layers.MultiHeadAttention, multi_head_attention, multi_head_attention_backward)
register(layers.FeedForward, feed_forward, feed_forward_backward)
register(layers.TransformerEncoder, compose=transformer_encoder)
register(layers.StackedRNN, compose=stacked_rnn)
