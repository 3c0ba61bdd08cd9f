"""Generate tokens: one compiled loop over a carried state, the same on every backend.

- The randomness is drawn beforehand with NumPy and used by inverting the cumulative distribution,
  so that a seed gives the same text on every backend, up to rounding. They depend on the seed and
  the prompt, not on what else is asked for, or in which order; of equal prompts each has its own.
- Prompts of different lengths share the loop: a position inside a prompt keeps its token.
"""

import hashlib
from collections import Counter

import numpy as np
from keras import ops

from kerasllm.models.decoding.beams import beam_search_ids
from kerasllm.models.decoding.sampling import Sampling
from kerasllm.models.decoding.steps import FIRST, NEVER, answer, steps_of
from kerasllm.text import EOS

GREEDY = Sampling(temperature=0)


def generate_ids(
    model,
    prompts,
    max_new_tokens=64,
    sampling=None,
    seed=0,
    *,
    stop=(EOS,),
    prefix=(),
    never=NEVER,
):
    """Continue each prompt by at most `max_new_tokens` tokens.

    Args:
        model: a `CausalLM`; or an encoder-decoder, which is given sources for prompts.
        prompts: lists of token ids, of any lengths; an empty one starts after an <eos>.
        max_new_tokens: how many to add at most.
        sampling: a `Sampling`; greedy when None.
        seed: of the random numbers; or what `seeds_of` returns.
        stop: token ids that end a text; they are kept as its last token.
        prefix: token ids that every answer begins with, or a list of them for each prompt.
        never: token ids that are never chosen: padding, <mask> and their like are no text.

    Returns:
        A list of lists: the new tokens of each prompt.

    Raises:
        ValueError: when a prompt and its continuation do not fit into the model's context, or an
            id lies outside the vocabulary.
    """
    prompts = list(prompts)
    if not prompts or max_new_tokens < 1:
        return [[] for _ in prompts]
    loop, batch, carry, constants = _begun(
        model, prompts, max_new_tokens, sampling, seed, stop, prefix, never
    )
    carry = loop(*carry, *constants, np.array(batch.ids.shape[1], "int32"))
    rows = zip(ops.convert_to_numpy(carry[1]), batch.begins, batch.given, batch.ends, strict=True)
    return [answer(*row, stop) for row, _ in zip(rows, prompts, strict=False)]


def stream_ids(
    model,
    prompt,
    max_new_tokens=64,
    sampling=None,
    seed=0,
    *,
    stop=(EOS,),
    prefix=(),
    never=NEVER,
):
    """Yield the tokens of `generate_ids(model, [prompt], …)[0]` one by one, as they come.

    Args:
        model: as in `generate_ids`.
        prompt: a list of token ids.
        max_new_tokens: as in `generate_ids`, and so are the others.
        sampling: a `Sampling`; greedy when None.
        seed: of the random numbers.
        stop: token ids that end the text.
        prefix: token ids that the answer begins with.
        never: token ids that are never chosen.

    Yields:
        int: the next token.
    """
    if max_new_tokens < 1:
        return
    loop, batch, carry, constants = _begun(
        model, [prompt], max_new_tokens, sampling, seed, stop, prefix, never
    )
    yield from batch.ids[0, batch.begins[0] : batch.given[0]].tolist()
    for position in range(batch.given[0], batch.ends[0]):
        carry = loop(*carry, *constants, np.array(position, "int32"))
        token = int(ops.convert_to_numpy(carry[1])[0, position])
        yield token
        if token in stop:
            return


def decode_ids(
    model,
    sources,
    max_new_tokens=64,
    *,
    beam=1,
    length_penalty=0.6,
    sampling=None,
    seed=0,
    stop=(EOS,),
    prefix=(),
    never=NEVER,
    batch_size=64,
):
    """Return the answer of an encoder-decoder to each source, in batches of similar lengths.

    Args:
        model: an encoder-decoder; or a `CausalLM`, which is given prompts for sources.
        sources: lists of token ids, any number.
        max_new_tokens: longest answer.
        beam: 1 chooses by `sampling`; more is the number of beams.
        length_penalty: of `beam_search_ids`.
        sampling: a `Sampling`; greedy when None.
        seed: of the random numbers; or what `seeds_of` returns.
        stop: token ids that end an answer; they are kept as its last token.
        prefix: token ids that every answer begins with, or a list of them for each source.
        never: token ids that are never chosen.
        batch_size: sources decoded at once.

    Returns:
        A list of lists of ids, in the order of the sources.

    Raises:
        ValueError: as in `generate_ids` and `beam_search_ids`.
    """
    if beam > 1 and sampling is not None:
        raise ValueError("expected beam=1 with a Sampling: a beam search draws no tokens.")
    sources, for_each = list(sources), len(prefix) > 0 and np.ndim(prefix[0]) == 1
    order, seeds = sorted(range(len(sources)), key=lambda i: len(sources[i])), ()
    if beam == 1:
        seeds = seeds_of(seed, sources, prefix)
    answers = {}
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        texts = [sources[i] for i in rows]
        begin = [prefix[i] for i in rows] if for_each else prefix
        common = {"stop": stop, "prefix": begin, "never": never}
        if beam == 1:
            own = [seeds[i] for i in rows]
            new = generate_ids(model, texts, max_new_tokens, sampling, own, **common)
        else:
            beams = beam_search_ids(
                model, texts, max_new_tokens, beam, length_penalty, best=1, **common
            )
            new = [ranked[0].tokens for ranked in beams]
        answers |= dict(zip(rows, new, strict=True))
    return [answers[i] for i in range(len(sources))]


def _begun(model, prompts, max_new_tokens, sampling, seed, stop, prefix, never):
    """Return the compiled loop, the `Batch`, what the loop carries on, and its constants."""
    steps = steps_of(model)
    batch = steps.batch(prompts, prefix, max_new_tokens)
    loop = steps.compiled(_advance, sampling or GREEDY, tuple(stop), tuple(never))
    state = steps.begin(batch)
    seeds = seeds_of(seed, prompts, prefix)
    constants = (batch.given, batch.ends, _uniform(batch, seeds))
    return loop, batch, (batch.start, batch.ids, state, batch.done), constants


def seeds_of(seed, prompts, prefix=()):
    """Return the seed of each answer: of `seed`, its text, and how many equal ones come before it.

    Args:
        seed: an int; what this function returned is returned as it is.
        prompts: lists of token ids.
        prefix: token ids that every answer begins with, or a list of them for each prompt.

    Example:
        >>> a, b, again = seeds_of(3, [[7, 8], [9], [7, 8]])
        >>> seeds_of(3, [[9], [7, 8]]) == [b, a], a[-1], again[-1]
        (True, 0, 1)
    """
    if np.ndim(seed):
        return list(seed)
    for_each = len(prefix) > 0 and np.ndim(prefix[0]) == 1
    seeds, before = [], Counter()
    for row, prompt in enumerate(prompts):
        text = str([[int(i) for i in prompt] or [EOS], list(prefix[row] if for_each else prefix)])
        digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        seeds.append((seed, digest, before[text]))
        before[text] += 1
    return seeds


def _uniform(batch, seeds):
    """Return random numbers (B, L): at t that which chooses the token at t + 1."""
    uniform = np.zeros(batch.ids.shape, dtype="float32")
    for row, seed in enumerate(seeds):
        given, end = batch.given[row], batch.ends[row]
        uniform[row, given - 1 : end - 1] = np.random.default_rng(seed).random(end - given)
    return uniform


def _advance(steps, sampling, stop, never, t, ids, state, done, given, ends, uniform, until):
    """Fill ids (B, L) up to position `until` by feeding the token at t to predict t + 1."""
    t, ids, done, given, ends, uniform, until = map(
        ops.convert_to_tensor, (t, ids, done, given, ends, uniform, until)
    )
    batch, size = ids.shape
    forbidden = np.isin(np.arange(steps.vocabulary_size), never)

    def going(t, _ids, _state, done):
        return ops.logical_and(t < until, ops.logical_not(ops.all(done)))

    def advance(t, ids, state, done):
        logits, state = steps(ops.slice(ids, (FIRST, t), (batch, 1)), state, t)
        logits = ops.where(forbidden, -1e30, ops.cast(logits, "float32"))
        text = ops.where(
            ops.arange(size, dtype="int32") <= t, ids, ids[:, :1]
        )  # what comes later is not said yet
        chosen = sampling.choose(logits, ops.slice(uniform, (FIRST, t), (batch, 1))[:, 0], text)
        t = t + 1
        inside = t < given
        following = ops.slice(ids, (FIRST, t), (batch, 1))[:, 0]
        token = ops.where(inside, following, ops.where(done, ops.zeros_like(chosen), chosen))
        ids = ops.slice_update(ids, (FIRST, t), token[:, None])
        over = t + 1 >= ends
        for stopper in stop:
            over = ops.logical_or(over, token == stopper)
        return t, ids, state, ops.logical_or(done, ops.logical_and(over, ops.logical_not(inside)))

    return ops.while_loop(going, advance, (t, ids, state, done))
