"""Known mistakes in the recurrent decoder with attention."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake, with_part


@mistake("attention_decoder_step")
def attention_decoder_step_without_input_feeding(x, fed_previous, *others, **options):
    """Input feeding is forgotten: a step does not read what the step before has said."""
    return ref.attention_decoder_step(x, 0 * fed_previous, *others, **options)


@mistake("attention_decoder_step")
def attention_decoder_step_asks_with_the_old_state(
    x, fed_previous, states, *others, attention="general", **options
):
    """The attention is asked by the state before the step, and not by the new one."""
    name = f"{'additive' if attention == 'bahdanau' else attention}_attention"
    right = getattr(ref, name)

    def ask(_query, *arrays, **named):
        return right(states[-1][0][:, None], *arrays, **named)

    arrays = (x, fed_previous, states, *others)
    return with_part(ref.attention_decoder_step, name, ask, *arrays, attention=attention, **options)


@mistake("attention_decoder_step")
def attention_decoder_step_source_mask_ignored(*arrays, source_mask=None, **options):
    """The mask of the source is ignored, and its padding is looked at."""
    return ref.attention_decoder_step(*arrays, **options)


@mistake("attention_decoder_step")
def attention_decoder_step_context_first(x, fed_previous, states, source, *weights, **options):
    """The context comes first, [context; h], where w_c has the rows of [h; context]."""
    *others, w_c, b_c = weights
    M = source.shape[-1]
    turned = np.concatenate([w_c[M:], w_c[:M]])
    return ref.attention_decoder_step(
        x, fed_previous, states, source, *others, turned, b_c, **options
    )


@mistake("attention_decoder_step")
def attention_decoder_step_without_tanh(*arrays, **options):
    """There is no tanh around [h; context] @ w_c + b_c."""
    (fed, *others), trace = ref.attention_decoder_step(*arrays, **options)
    return (np.arctanh(fed), *others), trace


@mistake("attention_decoder_step_backward")
def attention_decoder_step_backward_deaf_to_alpha(d_output, trace):
    """The gradient of alpha is dropped, so that copying cannot teach where to look."""
    d_fed, d_alpha, d_states = d_output
    return ref.attention_decoder_step_backward((d_fed, 0 * d_alpha, d_states), trace)


@mistake("attention_decoder")
def attention_decoder_begins_with_zeros(x, source, *weights, **options):
    """The decoder begins with states of zeros, and not where the encoder has ended."""
    *others, w_0, b_0 = weights
    return ref.attention_decoder(x, source, *others, 0 * w_0, 0 * b_0, **options)


@mistake("attention_decoder")
def attention_decoder_states_forgotten(*arrays, **options):
    """Every step begins with the first states, instead of those that the step before left."""
    first = []

    def step(x, fed_previous, states, *others, **named):
        first.append(states)
        return ref.attention_decoder_step(x, fed_previous, first[0], *others, **named)

    return with_part(ref.attention_decoder, "attention_decoder_step", step, *arrays, **options)


@mistake("attention_decoder_backward")
def attention_decoder_backward_without_input_feeding(d_output, trace):
    """What a step was fed sends no gradient back to the step that said it."""

    def step(d_output, trace):
        grads = ref.attention_decoder_step_backward(d_output, trace)
        return grads._replace(d_fed_previous=0 * grads.d_fed_previous)

    name = "attention_decoder_step_backward"
    return with_part(ref.attention_decoder_backward, name, step, d_output, trace)


@mistake("attention_decoder_backward")
def attention_decoder_backward_source_of_the_attention_only(d_output, trace):
    """The source gets the gradient of the attention, and not that of the decoder's first states."""
    looked = []

    def step(d_output, trace):
        grads = ref.attention_decoder_step_backward(d_output, trace)
        looked.append(grads.d_source)
        return grads

    name = "attention_decoder_step_backward"
    grads = with_part(ref.attention_decoder_backward, name, step, d_output, trace)
    return grads._replace(d_source=sum(looked))
