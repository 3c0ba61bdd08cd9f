"""The recurrent decoder of a translator: at each step it looks at the source again.

Weights lie as in `kerasllm.layers.AttentionDecoder`, so that `*layer.get_weights()` fits: kernel,
recurrent_kernel and bias of each cell; those of the attention (see `ATTENTIONS`); w_c and b_c; and
for the whole decoder w_0 and b_0.

- Input feeding: a step reads what the step before has said.
- Both kinds of attention are asked by the new state, as in Luong et al.; Bahdanau et al. ask with
  the state before, and have no h̃.
- The target needs no mask: its padding stands behind the real steps, which never read it.
- A source without a real token is looked at evenly.
"""

from itertools import chain
from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.attention.additive_attention import (
    additive_attention,
    additive_attention_backward,
)
from kerasllm.reference.attention.multiplicative_attention import (
    concat_attention,
    concat_attention_backward,
    dot_attention,
    dot_attention_backward,
    general_attention,
    general_attention_backward,
)
from kerasllm.reference.elementary.dense import DenseTrace, dense, dense_backward
from kerasllm.reference.recurrent.gru import gru
from kerasllm.reference.recurrent.lstm import lstm
from kerasllm.reference.recurrent.stack import StackTrace, stack, stack_backward

__all__ = [
    "AttentionDecoderGrads",
    "AttentionDecoderStepGrads",
    "AttentionDecoderStepTrace",
    "AttentionDecoderTrace",
    "attention_decoder",
    "attention_decoder_backward",
    "attention_decoder_step",
    "attention_decoder_step_backward",
]

CELLS = {"lstm": lstm, "gru": gru}
# name: (forward, backward, number of weights)
ATTENTIONS = {
    "bahdanau": (additive_attention, additive_attention_backward, 3),  # w_q, w_k, v
    "dot": (dot_attention, dot_attention_backward, 0),
    "general": (general_attention, general_attention_backward, 1),  # w
    "concat": (concat_attention, concat_attention_backward, 2),  # w, v
}


class AttentionDecoderStepTrace(NamedTuple):
    """Every symbol of one step; `cells`, `asked` and `combine` are the traces of its parts."""

    x: np.ndarray
    fed_previous: np.ndarray
    h: np.ndarray
    scores: np.ndarray
    alpha: np.ndarray
    context: np.ndarray
    fed: np.ndarray
    states: tuple
    attention: str
    cells: StackTrace
    asked: tuple
    combine: DenseTrace


class AttentionDecoderStepGrads(NamedTuple):
    """Gradients of one step; `d_weights` in the order of the weights, `d_states` one a cell."""

    d_x: np.ndarray
    d_fed_previous: np.ndarray
    d_states: tuple
    d_source: np.ndarray
    d_weights: tuple


class AttentionDecoderTrace(NamedTuple):
    """Every symbol of every step, (B, T, …); `steps` are the traces of the steps one by one."""

    source: np.ndarray
    last: np.ndarray
    ends: np.ndarray
    states_0: tuple
    h: np.ndarray
    scores: np.ndarray
    alpha: np.ndarray
    context: np.ndarray
    fed: np.ndarray
    begin: DenseTrace
    steps: tuple


class AttentionDecoderGrads(NamedTuple):
    """Gradients of `attention_decoder`; `d_weights` in the order of the weights."""

    d_x: np.ndarray
    d_source: np.ndarray
    d_weights: tuple


def attention_decoder_step(
    x, fed_previous, states, source, *weights, cell="lstm", attention="general", source_mask=None
):
    """Say one word: move on, look at the source, and combine both.

        joined    = [x; fed_previous]                          input feeding
        h, states = cells(joined, states)                      on top of one another
        alpha     = softmax(score(h, source))                  over the real tokens of the source
        context   = Σ_s alpha[s] source[s]
        fed       = tanh([h; context] @ w_c + b_c)             h̃ of the paper

    Args:
        x: (B, D), the embedded token.
        fed_previous: (B, H), `fed` of the step before.
        states: one tuple a cell: (h, c) of an LSTM, (h,) of a GRU, each (B, H).
        source: (B, S, M), the encoder's features.
        *weights: of the cells, of the attention, then w_c (H + M, H) and b_c (H,).
        cell: "lstm" or "gru" (reset after).
        attention: whose score: "bahdanau" (`additive_attention`), "dot", "general" or "concat"
            (`dot_attention` and so on).
        source_mask: (B, S), True where the source is real.

    Returns:
        (fed, alpha, states), trace: (B, H), (B, S), and the new states.

    Raises:
        ValueError: shapes that do not fit, another number of weights, NaN.

    Example:
        With all weights 0 the decoder looks everywhere alike, and says tanh(b_c).

        >>> source, zero = np.array([[[1.0], [5.0], [6.0]]]), np.zeros((1, 1))
        >>> weights = [np.zeros(s) for s in [(2, 4), (1, 4), 4, (1, 1), (2, 1)]]
        >>> (fed, alpha, _), trace = attention_decoder_step(
        ...     zero, zero, [(zero, zero)], source, *weights, np.ones(1)
        ... )
        >>> trace.context, fed.round(4)
        (array([[4.]]), array([[0.7616]]))

    Source:
        Luong et al. 2015, "Effective approaches to attention-based neural machine translation",
        equation 5 and section 3.3; Bahdanau et al. 2015, appendix A.2.2.
    """
    x, fed_previous, source = checks.floats(x=x, fed_previous=fed_previous, source=source)
    cells, score, (w_c, b_c) = _cut(weights, cell, attention)
    joined = np.concatenate([x, fed_previous], axis=-1)  # (B, D), (B, H) -> (B, D + H)
    h, moved = stack(joined[:, None], cells, layer=CELLS[cell], initial_state=states)
    seen = None if source_mask is None else checks.mask(source_mask, source)[:, None]
    both, asked = ATTENTIONS[attention][0](
        h[:, None], source, _with_identity(source), *score, mask=seen, fully_masked="uniform"
    )
    context, alpha = np.split(both[:, 0], [source.shape[-1]], axis=-1)  # (B, M), (B, S)
    a, combine = dense(np.concatenate([h, context], axis=-1), w_c, b_c)
    fed = np.tanh(a)
    return (fed, alpha, moved.state), AttentionDecoderStepTrace(
        x, fed_previous, h, asked.scores[:, 0], alpha, context, fed, moved.state, attention,
        moved, asked, combine,
    )  # fmt: skip


def attention_decoder_step_backward(d_output, trace):
    """Send the gradients of what was said, looked at and kept back through one step.

        d_joined  = d_fed · (1 - fed²) @ w_cᵀ               = [d_h; d_context]
        d_h       = d_h + what the attention's query gets from d_context and d_alpha
        d_source  = what its keys and values get
        d_x, d_fed_previous, d_states = what the cells get from d_h and d_states

    Args:
        d_output: (d_fed, d_alpha, d_states), each like the output.
        trace: from `attention_decoder_step`.

    Returns:
        `AttentionDecoderStepGrads`.

    Example:
        w_c has read h = 0 and the context, 4.

        >>> source, zero = np.array([[[1.0], [5.0], [6.0]]]), np.zeros((1, 1))
        >>> weights = [np.zeros(s) for s in [(2, 4), (1, 4), 4, (1, 1), (2, 1), 1]]
        >>> _, trace = attention_decoder_step(zero, zero, [(zero, zero)], source, *weights)
        >>> d_output = np.ones((1, 1)), np.zeros((1, 3)), [(zero, zero)]
        >>> attention_decoder_step_backward(d_output, trace).d_weights[-2].ravel()
        array([0., 4.])
    """
    d_fed, d_alpha, d_states = d_output
    D, H, M = trace.x.shape[-1], trace.h.shape[-1], trace.context.shape[-1]
    d_joined, d_w_c, d_b_c = dense_backward(d_fed * (1 - trace.fed**2), trace.combine)
    d_h, d_context = d_joined[:, :H], d_joined[:, H:]
    d_both = np.concatenate([d_context, d_alpha], axis=-1)[:, None]
    d_query, d_key, d_value, *d_score = ATTENTIONS[trace.attention][1](d_both, trace.asked)
    cells = stack_backward(d_h + d_query[:, 0], trace.cells, d_states)
    return AttentionDecoderStepGrads(
        d_x=cells.d_x[:, 0, :D],
        d_fed_previous=cells.d_x[:, 0, D:],
        d_states=cells.d_initial_state,
        d_source=d_key + d_value[..., :M],
        d_weights=(*chain(*cells.d_weights), *d_score, d_w_c, d_b_c),
    )


def attention_decoder(x, source, *weights, cell="lstm", attention="general", source_mask=None):
    """Write a target, one `attention_decoder_step` a token.

        ends              = [→source_last; ←source_first]      where the encoder's directions end
        states_0          = tanh(ends @ w_0 + b_0), cut into the states of the cells
        fed_t, alpha_t, … = step(x_t, fed_{t-1}, states_{t-1}, source),    fed_{-1} = 0

    Args:
        x: (B, T, D), the embedded target.
        source: (B, S, M), features of an encoder that reads in both directions: the forward half,
            then the backward half.
        *weights: those of the step, then w_0 (M, n · H) and b_0 (n · H,) for n states.
        cell: "lstm" or "gru" (reset after).
        attention: "bahdanau", "dot", "general" or "concat", as in the step.
        source_mask: (B, S), True where the source is real, all of it before the padding.

    Returns:
        (fed, alpha), trace: what is said (B, T, H), and where it looked (B, T, S).

    Raises:
        ValueError: shapes that do not fit, another number of weights, NaN, an odd M.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, source = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 7, 4))
        >>> shapes = [(3 + 11, 44), (11, 44), 44, (11, 4), (11 + 4, 11), 11, (4, 22), 22]
        >>> (fed, alpha), trace = attention_decoder(x, source, *map(rng.standard_normal, shapes))
        >>> fed.shape, alpha.shape, bool(np.allclose(alpha.sum(-1), 1))
        ((2, 5, 11), (2, 5, 7), True)

    Source:
        Luong et al. 2015, section 3; Bahdanau et al. 2015, appendix A.2.2 (states_0, which reads
        the backward direction alone there).
    """
    x, source = checks.floats(x=x, source=source)
    checks.sequence(x)
    *weights, w_0, b_0 = weights
    last, ends = _ends(source, source_mask)
    a, begin = dense(ends, w_0, b_0)
    states = states_0 = _by_cell(np.tanh(a), len(weights[-1]), 2 if cell == "lstm" else 1)
    fed, steps = np.zeros((len(x), len(weights[-1])), x.dtype), []
    for t in range(x.shape[1]):
        (fed, _, states), step = attention_decoder_step(
            x[:, t], fed, states, source, *weights,
            cell=cell, attention=attention, source_mask=source_mask,
        )  # fmt: skip
        steps.append(step)
    names = ("h", "scores", "alpha", "context", "fed")
    shown = {name: np.stack([getattr(step, name) for step in steps], axis=1) for name in names}
    trace = AttentionDecoderTrace(
        source, last, ends, states_0, **shown, begin=begin, steps=tuple(steps)
    )
    return (trace.fed, trace.alpha), trace


def attention_decoder_backward(d_output, trace):
    """Send a gradient back through time, and from the first states into the source.

    Each step hands two things to the step before: the gradient of what was fed, and that of the
    states. The weights and the source take part in every step: their gradients are sums.

    Args:
        d_output: (d_fed, d_alpha), (B, T, H) and (B, T, S).
        trace: from `attention_decoder`.

    Returns:
        `AttentionDecoderGrads`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, source = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 7, 4))
        >>> shapes = [(3 + 11, 44), (11, 44), 44, (11, 4), (11 + 4, 11), 11, (4, 22), 22]
        >>> output, trace = attention_decoder(x, source, *map(rng.standard_normal, shapes))
        >>> grads = attention_decoder_backward(output, trace)
        >>> grads.d_source.shape, [d.shape for d in grads.d_weights[-2:]]
        ((2, 7, 4), [(4, 22), (22,)])
    """
    d_said, d_alpha = d_output
    d_fed, d_states = 0, _zeros_like(trace.steps[-1].states)
    grads = []
    for t in reversed(range(len(trace.steps))):
        d_step = (d_said[:, t] + d_fed, d_alpha[:, t], d_states)
        grads.append(attention_decoder_step_backward(d_step, trace.steps[t]))
        d_fed, d_states = grads[-1].d_fed_previous, grads[-1].d_states
    slope = 1 - np.concatenate([*chain(*trace.states_0)], axis=-1) ** 2
    d_begin = np.concatenate([*chain(*d_states)], axis=-1) * slope  # (B, n · H)
    d_ends, d_w_0, d_b_0 = dense_backward(d_begin, trace.begin)
    return AttentionDecoderGrads(
        d_x=np.stack([g.d_x for g in reversed(grads)], axis=1),
        d_source=sum(g.d_source for g in grads) + _ends_backward(d_ends, trace),
        d_weights=(*map(sum, zip(*(g.d_weights for g in grads), strict=True)), d_w_0, d_b_0),
    )


def _cut(weights, cell, attention):
    """Return the weights of each cell, those of the attention, and w_c and b_c."""
    checks.choice("cell", cell, tuple(CELLS))
    checks.choice("attention", attention, tuple(ATTENTIONS))
    count = ATTENTIONS[attention][2]
    cells, rest = divmod(len(weights) - count - 2, 3)
    if rest or cells < 1:
        raise ValueError(
            f"expected 3 weights a cell, {count} of the attention {attention!r}, and w_c and b_c, "
            f"received {len(weights)} for a step; pass *layer.get_weights() (a step takes them "
            "without the last two)"
        )
    cut = [weights[3 * n : 3 * n + 3] for n in range(cells)]
    return cut, weights[3 * cells : -2], weights[-2:]


def _with_identity(source):
    """Put the identity beside the values: the average of (B, S, M + S) is [context; alpha].

    So alpha is an output like the context, with a gradient of its own.
    """
    B, S, _ = source.shape
    identity = np.broadcast_to(np.eye(S, dtype=source.dtype), (B, S, S))
    return np.concatenate([source, identity], axis=-1)


def _ends(source, source_mask):
    """Return where each source ends (B,), and the features there of its two directions (B, M)."""
    checks.rank("source", source, "BSM")
    B, S, M = source.shape
    if M % 2:
        raise ValueError(f"expected the features of two directions, received an odd number, {M}")
    real = np.ones((B, S), bool) if source_mask is None else checks.mask(source_mask, source)
    last = np.where(real, np.arange(S), 0).max(axis=1)
    forward, backward = source[np.arange(B), last, : M // 2], source[:, 0, M // 2 :]
    return last, np.concatenate([forward, backward], axis=-1)


def _ends_backward(d_ends, trace):
    d_source = np.zeros(trace.source.shape, d_ends.dtype)
    half = d_ends.shape[-1] // 2
    d_source[np.arange(len(d_ends)), trace.last, :half] = d_ends[:, :half]
    d_source[:, 0, half:] = d_ends[:, half:]
    return d_source


def _by_cell(states, units, count):
    """Cut (B, n · H) into one tuple a cell, each of `count` states (B, H)."""
    parts = np.split(states, states.shape[-1] // units, axis=-1)
    return tuple(tuple(parts[k : k + count]) for k in range(0, len(parts), count))


def _zeros_like(states):
    return tuple(tuple(map(np.zeros_like, state)) for state in states)
