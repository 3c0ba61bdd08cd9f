"""Beam search: keep the best few beginnings of each answer instead of one."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from kerasllm.models.decoding.steps import FIRST, NEVER, answer, rows_of, steps_of
from kerasllm.text import EOS

LOWEST = -1e30


class Beam(NamedTuple):
    """An answer of a beam search: its tokens, and the score that it was ranked by."""

    tokens: list
    score: float


def beam_search_ids(
    model,
    prompts,
    max_new_tokens=64,
    beam=4,
    length_penalty=0.6,
    *,
    best=None,
    stop=(EOS,),
    prefix=(),
    never=NEVER,
):
    """Return the best answers to each prompt that a beam search finds.

        score = Σ_t log P(token_t | tokens before) / ((5 + number of new tokens) / 6)^length_penalty

    An answer ends with a stop token, which is kept, or at `max_new_tokens`. The search for a prompt
    ends when no unfinished answer can overtake the `best` finished ones.

    Args:
        model: a `CausalLM`; or an encoder-decoder, which is given sources for prompts.
        prompts: lists of token ids, of any lengths; an empty one starts after an <eos>.
        max_new_tokens: how many to add at most.
        beam: number of beams; 1 is greedy search.
        length_penalty: 0 ranks by the probability itself, which favours short answers.
        best: how many answers to return for each prompt; all `beam` when None.
        stop: token ids that end an answer.
        prefix: token ids that every answer begins with, or a list of them for each prompt; like the
            prompt they have no part in the score.
        never: token ids that are never chosen.

    Returns:
        For each prompt a list of `Beam`, best first.

    Raises:
        ValueError: a beam wider than the vocabulary, more answers than beams, a negative length
            penalty, or a text that does not fit into the model's context.

    Source: Wu et al. 2016, "Google's neural machine translation system", equation 14.
    """
    prompts, best = list(prompts), beam if best is None else best
    if not prompts or max_new_tokens < 1:
        return [[] for _ in prompts]
    steps = steps_of(model)
    _check(beam, best, length_penalty, steps.vocabulary_size - len(never))
    batch = steps.batch(prompts, prefix, max_new_tokens)
    state = steps.begin(batch, beam)
    search = steps.compiled(_search, beam, best, float(length_penalty), tuple(stop), tuple(never))
    ids, scores = map(
        ops.convert_to_numpy,
        search(batch.start, batch.ids, state, batch.done, batch.given, batch.ends),
    )
    return [
        [
            Beam(answer(ids[row, b], batch.begins[row], batch.given[row], batch.ends[row], stop), x)
            for b, x in enumerate(scores[row, :best].tolist())
        ]
        for row in range(len(prompts))
    ]


def _check(beam, best, length_penalty, vocabulary_size):
    """Raise for a search that makes no sense."""
    if beam < 1:
        raise ValueError(f"beam must be at least 1, received {beam}; 1 is greedy search.")
    if beam > vocabulary_size:
        raise ValueError(
            f"a beam of {beam} is wider than the vocabulary: after one step there are only "
            f"{vocabulary_size} different answers, a token each. Lower beam."
        )
    if not 1 <= best <= beam:
        raise ValueError(f"best must lie between 1 and beam={beam}, received {best}.")
    if length_penalty < 0:
        raise ValueError(f"length_penalty must be 0 or more, received {length_penalty}.")


def _search(steps, width, best, exponent, stop, never, t, ids, state, done, given, ends):
    """Return ids (B, W, L) and scores (B, W), best first; the state has B·W rows."""
    t, ids, done, given, ends = map(ops.convert_to_tensor, (t, ids, done, given, ends))
    batch, size = ids.shape
    forbidden = np.isin(np.arange(steps.vocabulary_size), never)
    first = ops.arange(batch, dtype="int32")[:, None] * width  # (B, 1) row of each first beam

    def penalty(counts):
        return ((5 + ops.cast(counts, "float32")) / 6) ** exponent

    def going(*carry):
        return ops.logical_not(ops.all(carry[-1]))

    def advance(t, ids, state, scores, counts, ended, done):
        # ids (B·W, L); scores, counts of new tokens, ended (B, W); done (B,)
        logits, new_state = steps(ops.slice(ids, (FIRST, t), (batch * width, 1)), state, t)
        logits = ops.where(forbidden, LOWEST, ops.cast(logits, "float32"))
        t = t + 1
        free = (t >= given)[:, None]  # (B, 1) no longer inside the prompt
        counts = counts + ops.cast(ops.logical_and(free, ops.logical_not(ended)), "int32")
        following = ops.reshape(ops.slice(ids, (FIRST, t), (batch * width, 1)), (batch, width))
        beam, token, scores = _choose(logits, scores, penalty(counts), ended, free, following)
        counts, ended = _at(counts, beam), _at(ended, beam)
        ended = ops.logical_or(ended, ops.logical_and(free, _stops(token, t, stop, ends)))
        rows = ops.reshape(first + beam, (-1,))  # (B·W,)
        ids = ops.slice_update(ops.take(ids, rows, axis=0), (FIRST, t), ops.reshape(token, (-1, 1)))
        state = _follow(new_state, state, rows)
        hope = scores / penalty(ends - given)[:, None]
        done = _decided(scores / penalty(counts), hope, ended, best)
        return t, ids, state, scores, counts, ended, done

    ids, ended = ops.repeat(ids, width, axis=0), ops.repeat(done[:, None], width, axis=1)
    # The beams are equal at first: only one may count.
    scores = ops.where(
        ops.arange(width, dtype="int32") > 0, LOWEST, ops.zeros((batch, 1), "float32")
    )
    counts = ops.zeros((batch, width), dtype="int32")
    carry = ops.while_loop(going, advance, (t, ids, state, scores, counts, ended, done))
    return ops.reshape(carry[1], (batch, width, size)), carry[3] / penalty(carry[4])


def _choose(logits, scores, penalty, ended, free, following):
    """Return which beam each new one continues, with which token, and their scores (B, W).

    A row that is not `free` is still inside its prompt: its beams take the token `following`.
    """
    batch, width = scores.shape
    own = ops.broadcast_to(ops.arange(width, dtype="int32"), (batch, width))
    log_p, tokens = _continuations(logits, ended)
    candidates = scores[..., None] + log_p  # (B, W, k)
    _, chosen = ops.top_k(_flat(candidates / penalty[..., None]), width)  # (B, W) of W·k
    chosen = ops.cast(chosen, "int32")
    beam = ops.where(free, chosen // log_p.shape[-1], own)
    token = ops.where(free, _at(_flat(tokens), chosen), following)
    return beam, token, ops.where(free, _at(_flat(candidates), chosen), scores)


def _continuations(logits, ended):
    """Return log P and ids (B, W, k) of the likeliest next tokens, of logits (B·W, V)."""
    shape = (*ended.shape, min(ended.shape[1], logits.shape[-1]))
    values, tokens = ops.top_k(logits, shape[-1])
    log_p = ops.reshape(values - ops.logsumexp(logits, axis=-1, keepdims=True), shape)
    tokens = ops.reshape(ops.cast(tokens, "int32"), shape)
    # What has ended goes on in one way, with padding, which costs nothing.
    one_way = np.where(np.arange(shape[-1]) == 0, 0.0, LOWEST).astype("float32")
    ended = ended[..., None]
    return ops.where(ended, one_way, log_p), ops.where(ended, ops.zeros_like(tokens), tokens)


def _stops(token, t, stop, ends):
    """Return which tokens (B, W) at position t are the last ones."""
    stops = ops.broadcast_to((t + 1 >= ends)[:, None], token.shape)
    for stopper in stop:
        stops = ops.logical_or(stops, token == stopper)
    return stops


def _follow(new, old, rows):
    """Return the rows of a new state that the beams continue.

    What a step hands on as it was, such as an encoded source, is the same for all beams of a text.
    """
    return keras.tree.map_structure(
        lambda after, before: after if after is before else rows_of(after, rows, rows.shape[0]),
        new,
        old,
    )


def _decided(normalized, hope, ended, best):
    """Return which texts (B,) keep their `best` beams, whatever the unfinished ones may reach.

    A score only falls, so an unfinished beam can hope for its score of now at the longest length.
    """
    finished = ops.where(ended, normalized, 2 * LOWEST)
    last_best = ops.top_k(finished, best)[0][:, -1]
    hope = ops.max(ops.where(ended, 2 * LOWEST, hope), axis=1)
    return ops.logical_or(ops.all(ended, axis=1), hope < last_best)


def _flat(x):
    """Return x (B, W, k) as (B, W·k)."""
    return ops.reshape(x, (x.shape[0], -1))


def _at(values, index):
    """Return values (B, n) at index (B, W)."""
    return ops.take_along_axis(values, index, axis=1)
