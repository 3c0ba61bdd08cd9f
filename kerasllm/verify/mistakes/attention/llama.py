"""Known mistakes in Llama's parts: grouped queries, rotary positions in them, SwiGLU, the block."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import math

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake, with_part


@mistake("silu")
def silu_gate_alone(x):
    """The gate σ(x) is returned alone, and x is forgotten."""
    _, trace = ref.silu(x)
    return trace.gate, trace


@mistake("silu_backward")
def silu_backward_gate_fixed(d_output, trace):
    """The gate is taken for a constant: its own slope is missing."""
    return ref.ActivationGrads(d_output * trace.gate)


@mistake("swiglu")
def swiglu_gate_and_features_swapped(x, w_gate, w_up, w_down):
    """The two matrices are swapped: silu bends the features, and not the gate."""
    output, trace = ref.swiglu(x, w_up, w_gate, w_down)
    return output, trace._replace(w_gate=w_gate, w_up=w_up)


@mistake("swiglu")
def swiglu_gate_by_sigmoid(x, w_gate, w_up, w_down):
    """The gate is σ(a), as in the first gated units (GLU), and not silu(a)."""
    _, trace = ref.swiglu(x, w_gate, w_up, w_down)
    gate = ref.sigmoid(trace.a)[0]
    h = gate * trace.up
    return h @ w_down, trace._replace(gate=gate, h=h)


@mistake("swiglu")
def swiglu_gate_added(x, w_gate, w_up, w_down):
    """Gate and features are added, and not multiplied."""
    _, trace = ref.swiglu(x, w_gate, w_up, w_down)
    return (trace.gate + trace.up) @ w_down, trace


@mistake("swiglu_backward")
def swiglu_backward_through_the_gate_only(d_output, trace):
    """The gradient of x is that of the gate alone, without that of the features."""
    grads = ref.swiglu_backward(d_output, trace)
    d_up = (d_output @ trace.w_down.T) * trace.gate
    return grads._replace(d_x=grads.d_x - d_up @ trace.w_up.T)


def _regrouped(choose, arrays, options):
    """Attend with the heads of keys and values that `choose(N, G)` gives each head of queries."""
    G = arrays[5].shape[1]  # of w_k

    def attend(q, k, v, *settings):
        N = q.shape[1]
        places = choose(N, G)
        k, v = (x[:, :: N // G][:, places] for x in (k, v))
        return ref.scaled_dot_product_attention(q, k, v, *settings)

    part = "scaled_dot_product_attention"
    return with_part(ref.grouped_query_attention, part, attend, *arrays, **options)


@mistake("grouped_query_attention")
def grouped_query_heads_dealt_in_turn(*arrays, **options):
    """Keys are dealt to the heads in turn (tile), and not to neighbours (repeat)."""
    return _regrouped(lambda N, G: np.arange(N) % G, arrays, options)


@mistake("grouped_query_attention")
def grouped_query_first_group_for_all(*arrays, **options):
    """Every head reads the first group's keys, as if there were one group only."""
    return _regrouped(lambda N, _G: np.zeros(N, int), arrays, options)


@mistake("grouped_query_attention")
def grouped_query_scaled_by_group(*arrays, scale=None, **options):
    """The scores are divided by √(N K), the width of all heads, and not by √K."""
    wrong = 1 / math.sqrt(arrays[3].shape[1] * arrays[3].shape[2])  # of w_q
    return ref.grouped_query_attention(*arrays, scale=wrong, **options)


@mistake("grouped_query_attention")
def grouped_query_not_turned(*arrays, rotary=None, **options):
    """Queries and keys are not turned: the attention does not know any order."""
    return ref.grouped_query_attention(*arrays, **options)


@mistake("grouped_query_attention")
def grouped_query_only_queries_turned(*arrays, rotary=None, **options):
    """Queries are turned and keys are not, so that the place counts and not the distance."""

    def attend(q, k, v, *settings):
        q, _ = ref.rotary(q, options.get("base", 10000.0), interleaved=rotary == "interleaved")
        return ref.scaled_dot_product_attention(q, k, v, *settings)

    if rotary is None:
        return ref.grouped_query_attention(*arrays, **options)
    part = "scaled_dot_product_attention"
    return with_part(ref.grouped_query_attention, part, attend, *arrays, **options)


@mistake("grouped_query_attention")
def grouped_query_mask_ignored(*arrays, mask=None, **options):
    """The mask is ignored, and padding or the future is read."""
    return ref.grouped_query_attention(*arrays, mask=None, **options)


@mistake("grouped_query_attention_backward")
def grouped_query_backward_one_head_of_a_group(d_output, trace):
    """Shared keys get the mean of what their heads send, and not the sum."""
    grads = ref.grouped_query_attention_backward(d_output, trace)
    heads = trace.w_q.shape[1] / trace.w_k.shape[1]
    return grads._replace(d_w_k=grads.d_w_k / heads, d_key=grads.d_key / heads)


@mistake("grouped_query_attention_backward")
def grouped_query_backward_not_turned_back(d_output, trace):
    """The gradients of queries and keys are not turned back to where they were projected."""
    *before, _turns, attention, out = trace.parts
    parts = (*before, None, attention, out)
    return ref.grouped_query_attention_backward(d_output, trace._replace(parts=parts))


@mistake("llama_block")
def llama_block_other_pairs(x, *weights, rotary="halves", **options):
    """The weights are of a checkpoint whose rotary pairs lie otherwise: halves, or interleaved."""
    other = "interleaved" if rotary == "halves" else "halves"
    return ref.llama_block(x, *weights, rotary=other, **options)


@mistake("llama_block")
def llama_block_usual_base(x, *weights, base=10000.0, **options):
    """The rotation has the usual base 10000, whatever the model's own (rope_theta) is."""
    return ref.llama_block(x, *weights, **options)


@mistake("llama_block")
def llama_block_layer_norm(x, *weights, epsilon=1e-5, **options):
    """The mean is subtracted, as layer normalisation does and RMS normalisation does not."""

    def normalize(y, scale, epsilon):
        return ref.rms_norm(y - y.mean(-1, keepdims=True), scale, epsilon)

    return with_part(
        ref.llama_block, "rms_norm", normalize, x, *weights, epsilon=epsilon, **options
    )


@mistake("llama_block")
def llama_block_usual_epsilon(x, *weights, epsilon=1e-5, **options):
    """The normalisation has an epsilon of 1e-6 in the place of the model's own."""
    return ref.llama_block(x, *weights, epsilon=1e-6, **options)


@mistake("llama_block")
def llama_block_in_parallel(x, *weights, **options):
    """The feed-forward network reads x, beside the attention, and not what the attention read."""
    _, trace = ref.llama_block(x, *weights, **options)
    y, norm_2 = ref.rms_norm(x, weights[5], epsilon=options.get("epsilon", 1e-5))
    thought, network = ref.swiglu(y, *weights[6:])
    output = trace.h + thought
    return output, trace._replace(norm_2=norm_2, network=network, output=output)


@mistake("llama_block_backward")
def llama_block_backward_residual_forgotten(d_output, trace):
    """The gradient does not take the residual connection around the attention."""
    grads = ref.llama_block_backward(d_output, trace)
    d_normalized = ref.swiglu_backward(d_output, trace.network).d_x
    d_h = d_output + ref.rms_norm_backward(d_normalized, trace.norm_2).d_x
    return grads._replace(d_x=grads.d_x - d_h)
