"""Texts longer than the context: when it is full, its second half is read again and goes on.

Every token sees at least half a context of text before it, and a full context is read once in half
a context of tokens. nanoGPT reads the last full context again at each token: a little more to see,
at many times the work.
"""

import functools
from collections import defaultdict

from kerasllm.models.decoding.decoding import decode_ids, seeds_of, stream_ids
from kerasllm.models.decoding.steps import steps_of
from kerasllm.text import EOS


def generate_long(
    model, prompts, max_new_tokens=64, *, stop=(EOS,), seed=0, decode=None, **options
):
    """Continue each prompt, by more than the model's context if need be.

    Args:
        model: a `CausalLM`.
        prompts: lists of token ids, each shorter than the context.
        max_new_tokens: how many to add at most.
        stop: token ids that end a text; they are kept as its last token.
        seed: of the draws.
        decode: what continues texts that fit: the method of an `EightBits`; None: `decode_ids`.
        **options: of `decode_ids`.

    Returns:
        A list of lists: the new tokens of each prompt; those of `decode_ids` where they fit.

    Raises:
        ValueError: a prompt fills the context.
    """
    decode = decode or functools.partial(decode_ids, model)
    context, windows = steps_of(model).max_length, [list(prompt) or [EOS] for prompt in prompts]
    if context is None or max(map(len, windows), default=0) + max_new_tokens <= context:
        return decode(prompts, max_new_tokens, stop=stop, seed=seed, **options)
    new, going, number = [[] for _ in windows], range(len(windows)), 0
    seeds = seeds_of(seed, windows, options.get("prefix", ()))
    while going:
        # Only texts that fill their contexts together: no answer depends on the others.
        groups = defaultdict(list)
        for row in going:
            groups[len(windows[row]), len(new[row])].append(row)
        for (used, done), rows in groups.items():
            count, texts = _room(model, used, max_new_tokens - done), [windows[r] for r in rows]
            own = [_next(seeds[row], number) for row in rows]
            written = decode(texts, count, stop=stop, seed=own, **options)
            for row, tokens in zip(rows, written, strict=True):
                new[row] += tokens
                windows[row] = _second_half(model, windows[row] + tokens)
        going = [r for r in going if len(new[r]) < max_new_tokens and new[r][-1] not in stop]
        number += 1
        options["prefix"] = ()
    return new


def stream_long(model, prompt, max_new_tokens=64, *, stop=(EOS,), seed=0, stream=None, **options):
    """Yield the tokens of `generate_long(model, [prompt], …)[0]` one by one, as they come."""
    stream = stream or functools.partial(stream_ids, model)
    window, left, token, number = list(prompt), max_new_tokens, None, 0
    (own,) = seeds_of(seed, [prompt], options.get("prefix", ()))
    while left > 0 and token not in stop:
        count = _room(model, len(window), left)
        seeds = [_next(own, number)]
        for token in stream(window, count, stop=stop, seed=seeds, **options):
            window.append(token)
            yield token
        window = _second_half(model, window)
        left, number = left - count, number + 1
        options["prefix"] = ()


def _next(seed, number):
    """Return the seed of an answer in its context of a number."""
    return (*seed, number) if number else seed


def _room(model, used, wanted):
    """Return how many tokens can be written now; at least 1, which an overlong prompt fails at."""
    context = steps_of(model).max_length
    return wanted if context is None else max(1, min(wanted, context - used))


def _second_half(model, text):
    context = steps_of(model).max_length
    return text if context is None else text[-max(1, context // 2) :]
