"""Generate tokens: one compiled loop over a carried state, the same on every backend.

- The randomness is drawn beforehand with NumPy and used by inverting the cumulative distribution,
  so that a seed gives the same text on every backend, up to rounding.
- Prompts of different lengths share the loop: a position inside a prompt keeps its token.
"""

import functools
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from kerasllm.models.compiled import compiled
from kerasllm.text import EOS, SPECIAL_TOKENS

BUCKET = 32  # lengths are rounded up to this, so that a few compiled loops serve all calls


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen from p = softmax(logits / temperature).

    Attributes:
        temperature: 0 takes the likeliest token (greedy); 1 samples from the model's p.
        top_k: sample among the k likeliest tokens only.
        top_p: sample among the likeliest tokens that together reach this probability.

    Source: Fan et al. 2018 (top-k); Holtzman et al. 2020 (top-p, "nucleus").
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self):
        if self.temperature < 0:
            raise ValueError(f"temperature must be 0 or more, received {self.temperature}.")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, received {self.top_k}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], received {self.top_p}.")

    def choose(self, logits, uniform):
        """Return token ids (B,) from logits (B, V) and uniform numbers (B,) in [0, 1)."""
        logits = ops.cast(logits, "float32")
        if self.temperature == 0:
            return ops.cast(ops.argmax(logits, axis=-1), "int32")
        p = ops.softmax(logits / self.temperature, axis=-1)
        size = p.shape[-1]
        if self.top_k is None and self.top_p is None:
            return _invert(p, uniform)
        # (B, k) probabilities in falling order, and the tokens that they belong to
        p, tokens = ops.top_k(p, min(self.top_k or size, size))
        if self.top_p is not None:
            total = ops.cumsum(p, axis=-1)
            whole = total[:, -1:]
            p = ops.where((total - p) < self.top_p * whole, p, ops.zeros_like(p))
        chosen = _invert(p, uniform)
        return ops.cast(ops.take_along_axis(tokens, chosen[:, None], axis=-1)[:, 0], "int32")


def _invert(p, uniform):
    """Return the first index where the cumulative sum of p (B, k) exceeds uniform times its end."""
    total = ops.cumsum(p, axis=-1)
    index = ops.sum(ops.cast(total <= uniform[:, None] * total[:, -1:], "int32"), axis=-1)
    # Rounding may leave the end of a row of zeros: never past the last token with p > 0.
    last = p.shape[-1] - 1 - ops.argmax(ops.flip(ops.cast(p > 0, "int32"), axis=-1), axis=-1)
    return ops.minimum(index, ops.cast(last, "int32"))


def generate_ids(model, prompts, max_new_tokens=64, sampling=None, seed=0, stop=(EOS,)):
    """Continue each prompt by at most `max_new_tokens` tokens.

    Args:
        model: a `CausalLM`.
        prompts: lists of token ids, of any lengths; an empty one starts after an <eos>.
        max_new_tokens: how many to add at most.
        sampling: a `Sampling`; greedy when None.
        seed: of the random numbers.
        stop: token ids that end a text; they are kept as its last token.

    Returns:
        A list of lists: the new tokens of each prompt.

    Raises:
        ValueError: when a prompt and its continuation do not fit into the model's context, or an
            id lies outside the vocabulary.
    """
    sampling = sampling or Sampling(temperature=0)
    prompts = _checked(prompts, model.backbone.settings.vocabulary_size)
    if not prompts or max_new_tokens < 1:
        return [[] for _ in prompts]
    lengths = np.array([len(prompt) for prompt in prompts], dtype="int32")
    end = int(lengths.max()) + max_new_tokens
    size = _size(model, end, max_new_tokens)
    ids = np.zeros((len(prompts), size), dtype="int32")
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = prompt
    uniform = np.random.default_rng(seed).random((len(prompts), size)).astype("float32")
    prefill = max(0, (int(lengths.min()) - 1) // BUCKET * BUCKET)
    loop = _loop(model, sampling, tuple(stop), prefill)
    tokens = keras.ops.convert_to_numpy(loop(ids, lengths, uniform, np.int32(end)))
    return [_new_tokens(*row, max_new_tokens, stop) for row in zip(tokens, lengths, strict=True)]


def _checked(prompts, vocabulary_size):
    """Return the prompts as lists of ids of the vocabulary."""
    if any(np.ndim(prompt) != 1 for prompt in prompts):
        raise ValueError("expected a list of prompts, each a list of token ids: [[7, 8, 9]].")
    prompts = [[int(token) for token in prompt] or [EOS] for prompt in prompts]
    for token in (token for prompt in prompts for token in prompt):
        if not 0 <= token < vocabulary_size:
            raise ValueError(
                f"expected token ids below the vocabulary size {vocabulary_size}, received "
                f"{token}: encode the prompt with the tokenizer that the model was trained with."
            )
    return prompts


def _size(model, end, max_new_tokens):
    """Return the length of the loop's arrays: `end` rounded up, within the model's context."""
    limit = getattr(model.backbone.settings, "max_length", None)
    size = -(-end // BUCKET) * BUCKET
    if limit is not None and end > limit:
        raise ValueError(
            f"a prompt of {end - max_new_tokens} tokens and {max_new_tokens} new ones need a "
            f"context of {end}, the model has {limit}: shorten the prompt or lower max_new_tokens."
        )
    return size if limit is None else min(size, limit)


def _new_tokens(row, length, max_new_tokens, stop):
    new = row[length : length + max_new_tokens].tolist()
    ends = [i for i, token in enumerate(new) if token in stop]
    return new[: ends[0] + 1] if ends else new


def _loop(model, sampling, stop, prefill):
    """Return the compiled loop for these settings; made once a model."""
    cache = model.__dict__.setdefault("_decoding_loops", {})
    key = (sampling, stop, prefill)
    if key not in cache:
        cache[key] = compiled(functools.partial(_decode, model, sampling, stop, prefill), model)
    return cache[key]


def _decode(model, sampling, stop, prefill, ids, lengths, uniform, end):
    """Fill ids (B, L) from each prompt's end on, by feeding the token at t to predict t + 1."""
    ids, lengths, uniform = (ops.convert_to_tensor(a) for a in (ids, lengths, uniform))
    batch, size = ids.shape
    tokens = np.arange(model.backbone.settings.vocabulary_size)
    # Padding, <mask> and their like are no text; only <eos> may be said.
    never = ops.convert_to_tensor((tokens < len(SPECIAL_TOKENS)) & (tokens != EOS))
    state = model.backbone.initial_state(batch, size)
    if prefill:
        _, state = model.backbone.step(ids[:, :prefill], state, start=0)

    def going(t, _ids, _state, done):
        return ops.logical_and(t + 1 < end, ops.logical_not(ops.all(done)))

    def advance(t, ids, state, done):
        current = ops.slice(ids, (0, t), (batch, 1))
        features, state = model.backbone.step(current, state, start=t)
        logits = ops.where(never, -1e30, ops.cast(model.logits(features)[:, 0], "float32"))
        chosen = sampling.choose(logits, ops.slice(uniform, (0, t), (batch, 1))[:, 0])
        inside = t + 1 < lengths
        given = ops.slice(ids, (0, t + 1), (batch, 1))[:, 0]
        token = ops.where(inside, given, ops.where(done, ops.zeros_like(chosen), chosen))
        ids = ops.slice_update(ids, (0, t + 1), token[:, None])
        for stopper in stop:
            done = ops.logical_or(done, ops.logical_and(token == stopper, ~inside))
        return t + 1, ids, state, done

    t = ops.convert_to_tensor(prefill, dtype="int32")
    done = ops.zeros((batch,), dtype="bool")
    return ops.while_loop(going, advance, (t, ids, state, done))[1]
