"""Texts longer than the context: when it is full, its second half is read again and goes on.

Every token sees at least half a context of text before it, and a full context is read once in half
a context of tokens. nanoGPT reads the last full context again at each token: a little more to see,
at many times the work.
"""

from kerasllm.models.decoding import decode_ids, stream_ids
from kerasllm.models.decoding_steps import steps_of
from kerasllm.text import EOS

_NEXT = 1_000_003  # from the seed of one context to that of the next


def generate_long(model, prompts, max_new_tokens=64, *, stop=(EOS,), seed=0, **options):
    """Continue each prompt, by more than the model's context if need be.

    Args:
        model: a `CausalLM`.
        prompts: lists of token ids, each shorter than the context.
        max_new_tokens: how many to add at most.
        stop: token ids that end a text; they are kept as its last token.
        seed: of the draws.
        **options: of `decode_ids`.

    Returns:
        A list of lists: the new tokens of each prompt; those of `decode_ids` where they fit.

    Raises:
        ValueError: a prompt fills the context.
    """
    windows, new = [list(prompt) for prompt in prompts], [[] for _ in prompts]
    going, left = list(range(len(windows))), max_new_tokens
    while going and left > 0:
        texts = [windows[row] for row in going]
        count = _room(model, max(map(len, texts)), left)
        written = decode_ids(model, texts, count, stop=stop, seed=seed, **options)
        for row, tokens in zip(going, written, strict=True):
            new[row] += tokens
            windows[row] = _second_half(model, windows[row] + tokens)
        going = [row for row in going if new[row][-1] not in stop]
        left, seed = left - count, seed + _NEXT
        options["prefix"] = ()
    return new


def stream_long(model, prompt, max_new_tokens=64, *, stop=(EOS,), seed=0, **options):
    """Yield the tokens of `generate_long(model, [prompt], …)[0]` one by one, as they come."""
    window, left, token = list(prompt), max_new_tokens, None
    while left > 0 and token not in stop:
        count = _room(model, len(window), left)
        for token in stream_ids(model, window, count, stop=stop, seed=seed, **options):
            window.append(token)
            yield token
        window = _second_half(model, window)
        left, seed = left - count, seed + _NEXT
        options["prefix"] = ()


def _room(model, used, wanted):
    """Return how many tokens can be written now; at least 1, which an overlong prompt fails at."""
    context = steps_of(model).max_length
    return wanted if context is None else max(1, min(wanted, context - used))


def _second_half(model, text):
    context = steps_of(model).max_length
    return text if context is None else text[-max(1, context // 2) :]
