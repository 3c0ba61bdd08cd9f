"""Text that a language model goes on with."""

import itertools

from kerasllm.models import CausalLM, Sampling, decode_ids
from kerasllm.models.decoding.eight_bits import SMALLEST, EightBits
from kerasllm.models.decoding.long_texts import generate_long, stream_long
from kerasllm.models.language.continuations import continuation, cut, pieces, stop_ids
from kerasllm.text.unknown import unknown_warning
from kerasllm.training.engine.progress import Progress
from kerasllm.training.settings.base import LAST_SEED, MOST

MOST_BEAMS = 1000


def generate_with(
    run,
    prompt="",
    *,
    max_new_tokens=100,
    temperature=0.8,
    top_k=None,
    top_p=None,
    repetition_penalty=1.0,
    beam=1,
    prefix="",
    stop=(),
    seed=0,
    stream=False,
    int8=False,
):
    """Continue a prompt with a causal language model.

    Args:
        run: a `RunFolder` of `pretrain` with objective "causal".
        prompt: text, or list of texts; an empty one begins a new text.
        max_new_tokens: at most so many tokens are added. Where they do not fit into the model's
            context, its second half is read again each time it is full (not with a beam search).
        temperature: 0 takes the likeliest token each time.
        top_k: draw among the k likeliest tokens only.
        top_p: draw among the likeliest tokens that together reach this probability.
        repetition_penalty: above 1 avoids what the text holds already; 1.2 is usual.
        beam: more than 1: the best continuation that a beam search finds, which draws nothing.
        prefix: text that every continuation begins with.
        stop: text, or list of texts: a continuation ends before the first of them.
        seed: of the draws. The text for a prompt depends on it and the prompt, not on the other
            prompts; equal prompts are continued differently.
        stream: return a generator of the text's pieces, the prompt first, as they are made.
        int8: compute with weights of 8 bits (extra `int8`), for models of 20 million weights or
            more, which then decode about twice as fast. They are made anew at each call. The
            probabilities are nearly those of the model; the draws of a seed are others.

    Returns:
        The prompt with its continuation, or a list of them, or with `stream` the generator.

    Raises:
        ValueError: an option makes no sense; the run is no causal language model, a prompt fills
            its context (a beam search needs room for the new tokens too), several prompts or
            beams are to be streamed, or 8 bits would make this model slower.
        ImportError: of `int8`: ctranslate2 is not installed.
    """
    sampling = Sampling(temperature, top_k, top_p, repetition_penalty)
    check_numbers(max_new_tokens, beam, seed)
    if beam > 1 and (top_k, top_p, repetition_penalty) != (None, None, 1):
        raise ValueError(
            "a beam search draws nothing: leave top_k, top_p and repetition_penalty out, or set "
            "beam=1."
        )
    if not isinstance(run.model, CausalLM):
        raise ValueError(
            f"{run.path} holds a {type(run.model).__name__}, which cannot continue a text: "
            'pretrain with objective="causal".'
        )
    if stream and (beam > 1 or not isinstance(prompt, str)):
        raise ValueError(
            "a stream is of one prompt, token by token: give one text and beam=1, or set "
            "stream=False."
        )
    reader = run.model.preprocessor
    tokenizer = reader.tokenizer
    stops = [text for text in ([stop] if isinstance(stop, str) else stop) if text]
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    ids = [reader.prompt(text) for text in prompts]
    _tell_unknown([*prompts, prefix], tokenizer)
    options = {
        "max_new_tokens": max_new_tokens,
        "stop": stop_ids(tokenizer, stops),
        "never": tuple(sorted(tokenizer.special_ids - {tokenizer.eos_id})),
        "prefix": tokenizer.encode(prefix),
    }
    decoder = _eight_bits(run, beam) if int8 else None
    if stream:
        by = {"stream": decoder.stream} if decoder else {}
        tokens = stream_long(run.model, ids[0], sampling=sampling, seed=seed, **by, **options)
        return itertools.chain([prompt], pieces(tokenizer, ids[0], tokens, stops))
    if beam > 1:
        new = decode_ids(run.model, ids, beam=beam, **options)
    else:
        by = {"decode": decoder.decode} if decoder else {}
        new = generate_long(run.model, ids, sampling=sampling, seed=seed, **by, **options)
    texts = [
        text + cut(continuation(tokenizer, *rows), stops)
        for text, *rows in zip(prompts, ids, new, strict=True)
    ]
    return texts[0] if isinstance(prompt, str) else texts


def _eight_bits(run, beam):
    """Return the decoder with weights of 8 bits, where it is the faster one."""
    if beam > 1:
        raise ValueError("a beam search does not run in 8 bits: set beam=1, or leave int8 out.")
    if (count := run.model.count_params()) < SMALLEST:
        raise ValueError(
            f"8 bits make this model slower: it has {count:,} weights, and below {SMALLEST:,} a "
            "token does not wait for them. Leave int8 out."
        )
    return EightBits(run.model)


def _tell_unknown(texts, tokenizer):
    """Say what the model cannot read of the texts, which are printed as they were given."""
    report = Progress()
    for text in texts:
        if note := unknown_warning(text, tokenizer, "the continuation"):
            report.say(f"warning: {note}")


def check_numbers(max_new_tokens, beam, seed):
    """Raise for numbers that no continuation can be made with."""
    for name, value, least, most in (
        ("max_new_tokens", max_new_tokens, 0, MOST),
        ("beam", beam, 1, MOST_BEAMS),
        ("seed", seed, 0, LAST_SEED),
    ):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(
                f"{name} must be a whole number from {least} to {most:,}, received {value!r}."
            )
