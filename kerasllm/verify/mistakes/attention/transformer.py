"""Known mistakes in positions, the feed-forward network and Transformer blocks."""
# ruff: noqa: ARG001, ARG005, D401 - forgotten arguments are mistakes; docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake, with_part


@mistake("sinusoidal_table")
def sinusoidal_table_sine_and_cosine_swapped(T, D, base=10000.0):
    """Sine and cosine are swapped."""
    return ref.sinusoidal_table(T, D, base).reshape(T, -1, 2)[..., ::-1].reshape(T, D)


@mistake("sinusoidal_table")
def sinusoidal_table_in_halves(T, D, base=10000.0):
    """All sines come first and all cosines after them, where the paper lets them take turns."""
    table = ref.sinusoidal_table(T, D, base)
    return np.concatenate([table[:, ::2], table[:, 1::2]], axis=-1)


@mistake("sinusoidal_table")
def sinusoidal_table_exponent_halved(T, D, base=10000.0):
    """The exponent is i/D, and not 2i/D."""
    return ref.sinusoidal_table(T, D, base**0.5)


@mistake("sinusoidal_table")
def sinusoidal_table_from_one(T, D, base=10000.0):
    """Positions are counted from 1, and not from 0."""
    return ref.sinusoidal_table(T + 1, D, base)[1:]


@mistake("sinusoidal_table")
def sinusoidal_table_frequency_a_feature(T, D, base=10000.0):
    """Every feature has a frequency of its own, where sine and cosine should share one."""
    angles = np.arange(T)[:, None] * base ** (-np.arange(D) / D)
    return np.where(np.arange(D) % 2, np.cos(angles), np.sin(angles))


@mistake("learned_positions_backward")
def learned_positions_backward_averaged(d_output, trace):
    """The table gets the mean over the batch, and not the sum."""
    grads = ref.learned_positions_backward(d_output, trace)
    return grads._replace(d_table=grads.d_table / len(d_output))


@mistake("learned_positions")
def learned_positions_from_one(x, table):
    """Positions are counted from 1: the first row of the table is never used."""
    output, trace = ref.learned_positions(x, np.roll(table, -1, axis=0))
    return output, trace._replace(table=table)


@mistake("rotary")
def rotary_other_pairs(x, base=10000.0, offset=0, interleaved=False):
    """The wrong features are paired: neighbours where it should be halves, or the reverse."""
    return ref.rotary(x, base, offset, not interleaved)


def _turned(x, trace, cos, sin):
    """Turn x by other sines and cosines than those in the trace."""
    turned = ref.rotary_backward(x, trace._replace(cos=cos, sin=-sin)).d_x
    return turned, trace._replace(cos=cos, sin=sin, output=turned)


@mistake("rotary")
def rotary_turns_the_other_way(x, base=10000.0, offset=0, interleaved=False):
    """The pairs are turned by the negative angle."""
    _, trace = ref.rotary(x, base, offset, interleaved)
    return _turned(x, trace, trace.cos, -trace.sin)


@mistake("rotary")
def rotary_sine_and_cosine_swapped(x, base=10000.0, offset=0, interleaved=False):
    """Sine and cosine are swapped."""
    _, trace = ref.rotary(x, base, offset, interleaved)
    return _turned(x, trace, trace.sin, trace.cos)


@mistake("rotary")
def rotary_offset_ignored(x, base=10000.0, offset=0, interleaved=False):
    """The offset is ignored: with a cache, every new token is put at position 0."""
    return ref.rotary(x, base, 0, interleaved)


@mistake("rotary_backward")
def rotary_backward_turns_forward(d_output, trace):
    """The gradient is turned forward again, and not back."""
    return ref.rotary_backward(d_output, trace._replace(sin=-trace.sin))


@mistake("feed_forward")
def feed_forward_without_activation(x, w_1, b_1, w_2, b_2, activation="relu"):
    """There is no activation between the two products, which makes them a single one."""
    _, trace = ref.feed_forward(x, w_1, b_1, w_2, b_2, activation)
    return trace.a @ w_2 + b_2, trace


@mistake("feed_forward")
def feed_forward_bias_forgotten(x, w_1, b_1, w_2, b_2, activation="relu"):
    """The first bias is not added."""
    return ref.feed_forward(x, w_1, 0 * b_1, w_2, b_2, activation)


@mistake("feed_forward")
def feed_forward_activation_last(x, w_1, b_1, w_2, b_2, activation="relu"):
    """The activation comes after the second product, and not between the two."""
    _, trace = ref.feed_forward(x, w_1, b_1, w_2, b_2, activation)
    output = trace.a @ w_2 + b_2
    bend = {"relu": ref.relu, "gelu": ref.gelu, "gelu_tanh": ref.gelu}[activation]
    return bend(output)[0], trace


@mistake("feed_forward_backward")
def feed_forward_backward_activation_forgotten(d_output, trace):
    """The slope of the activation is missing."""
    d_h, d_w_2, d_b_2 = ref.dense_backward(d_output, trace.parts[2])
    return ref.FeedForwardGrads(*ref.dense_backward(d_h, trace.parts[0]), d_w_2, d_b_2)


def _other(norm):
    return "pre" if norm == "post" else "post"


@mistake("transformer_encoder")
def transformer_encoder_other_norm(x, *weights, norm="post", **options):
    """The normalisation stands on the wrong side of the sublayer: pre for post, or the reverse."""
    return ref.transformer_encoder(x, *weights, norm=_other(norm), **options)


@mistake("transformer_encoder")
def transformer_encoder_mask_ignored(x, *weights, mask=None, **options):
    """The mask does not reach the attention."""
    return ref.transformer_encoder(x, *weights, **options)


@mistake("transformer_encoder")
def transformer_encoder_residual_forgotten(x, *weights, **options):
    """The residual connection around the feed-forward network is missing."""

    def think(y, *network, **settings):
        output, trace = ref.feed_forward(y, *network, **settings)
        return output - (y if options.get("norm", "post") == "post" else 0), trace

    output, trace = with_part(
        ref.transformer_encoder, "feed_forward", think, x, *weights, **options
    )
    if options.get("norm", "post") == "pre":
        output = output - trace.h[0]
    return output, trace


@mistake("transformer_encoder_backward")
def transformer_encoder_backward_residual_forgotten(d_output, trace):
    """The gradient does not take the residual connection around the block's first step."""
    grads = ref.transformer_encoder_backward(d_output, trace)
    return grads._replace(d_x=grads.d_x - _after_first_step(d_output, trace))


def _after_first_step(d_output, trace):
    """Return what flows along the residual connection of the first step."""
    step_1, step_2 = trace.steps
    if step_1.norm == "pre":
        d_y = ref.feed_forward_backward(d_output, step_2.sublayer).d_x
        return d_output + ref.layer_norm_backward(d_y, step_2.normalization).d_x
    d_sum = ref.layer_norm_backward(d_output, step_2.normalization).d_x
    d_h = d_sum + ref.feed_forward_backward(d_sum, step_2.sublayer).d_x
    return ref.layer_norm_backward(d_h, step_1.normalization).d_x


@mistake("transformer_decoder")
def transformer_decoder_not_causal(x, memory, *weights, mask=None, **options):
    """The decoder sees the words that it should predict: its attention is not causal."""
    every = np.ones((x.shape[1], x.shape[1]), dtype=bool)
    return with_part(
        ref.transformer_decoder, "causal_mask", lambda T, S=None: every,
        x, memory, *weights, mask=mask, **options,
    )  # fmt: skip


@mistake("transformer_decoder")
def transformer_decoder_memory_mask_ignored(x, memory, *weights, memory_mask=None, **options):
    """The padding of the source is read."""
    return ref.transformer_decoder(x, memory, *weights, **options)
