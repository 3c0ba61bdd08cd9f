"""What decoding asks of a model, and lists of token ids as the arrays that its loops work on.

A model is driven as `logits, state = steps(ids, state, start)`: ids (B, 1) at position `start` give
the logits (B, V) of the token after them; the state is any nest of tensors with B rows each, or
with as many for each text, such as the keys of its heads.
"""

import functools
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from kerasllm.models.decoding.compiled import compiled
from kerasllm.text import BOS, EOS, SPECIAL_TOKENS, pad_sequences

FIRST = np.int32(0)  # JAX in 64 bits wants all places of a slice in one type
BUCKET = 32  # lengths are rounded up to this, so that a few compiled loops serve all calls
NEVER = tuple(token for token in range(len(SPECIAL_TOKENS)) if token != EOS)


class Batch(NamedTuple):
    """B answers to be written into ids (B, L), each from its own position to its own end."""

    source: np.ndarray  # (B, S) what the model reads before the first step
    ids: np.ndarray  # (B, L) the tokens that are given
    begins: np.ndarray  # (B,) where the answer begins; before it lies the prompt
    given: np.ndarray  # (B,) how many ids are given: the prompt and the prefix
    ends: np.ndarray  # (B,) where the answer must end
    done: np.ndarray  # (B,) rows that only fill the batch
    start: np.ndarray  # () the position of the first step


class Steps:
    """A model as a step function, with the functions that were compiled for it."""

    def __init__(self, model):
        self.model = model

    def compiled(self, function, *settings):
        """Return `function` with the settings filled in, compiled once a model."""
        made = self.model.__dict__.setdefault("_decoding", {})
        key = (function.__name__, *settings)
        if key not in made:
            made[key] = compiled(functools.partial(function, self, *settings), self.model)
        return made[key]

    def begin(self, batch, width=1):
        """Return the state before the first step, each row `width` times."""
        return self.compiled(_read, batch.ids.shape[1] - 1, width)(batch.source)

    def check_fits(self, end, wanted):
        """Raise if the model's context is shorter than `end`."""
        if self.max_length is not None and end > self.max_length:
            raise ValueError(
                f"{wanted} need a context of {end}, the model has {self.max_length}: shorten the "
                "text or lower max_new_tokens."
            )

    def length(self, end):
        """Return L of the ids: what is fed, rounded up, and the last token, which never is."""
        return rounded(end - 1, self.max_length) + 1


class TextSteps(Steps):
    """A causal language model: it reads a prompt and continues it."""

    @property
    def vocabulary_size(self):
        """Return V."""
        return self.model.backbone.settings.vocabulary_size

    @property
    def max_length(self):
        """Return the longest text that the model can hold, or None."""
        return getattr(self.model.backbone.settings, "max_length", None)

    def batch(self, prompts, prefix, max_new_tokens):
        """Return the `Batch` of prompts and the prefix of their answers."""
        prompts = [prompt or [EOS] for prompt in checked(prompts, self.vocabulary_size)]
        prefixes = _prefixes(prefix, len(prompts), max_new_tokens, self.vocabulary_size)
        longest = max(len(prompt) for prompt in prompts)
        wanted = f"a prompt of {longest} tokens and {max_new_tokens} new ones"
        self.check_fits(longest + max_new_tokens, wanted)
        size = self.length(longest + max_new_tokens)
        ids, begins, given, done = _rows(prompts, prefixes, size)
        # What all prompts have is read at once, but for the last token: the first step feeds it.
        known = int(given.min()) - 1
        width = rounded(known, size - 1)
        source = np.where(np.arange(width) < known, ids[:, :width], 0).astype("int32")
        return Batch(
            source, ids, begins, given, begins + max_new_tokens, done, np.array(known, "int32")
        )

    def read(self, source, size):
        """Return the state after a source (B, S); padding at its end is as if not read."""
        backbone = self.model.backbone
        state = backbone.initial_state(source.shape[0], size)
        return backbone.step(source, state, start=0)[1] if source.shape[1] else state

    def __call__(self, ids, state, start):
        """Return logits (B, V) after ids (B, 1) at `start`, and the new state."""
        features, state = self.model.backbone.step(ids, state, start=start)
        return self.model.logits(features)[:, 0], state


class SourceSteps(Steps):
    """An encoder-decoder: it reads a source and writes a target."""

    @property
    def vocabulary_size(self):
        """Return V of the target."""
        return self.model.settings.output_size

    @property
    def max_length(self):
        """Return the longest source and target that the model can hold, or None."""
        return getattr(self.model.settings, "max_length", None)

    def batch(self, sources, prefix, max_new_tokens):
        """Return the `Batch` of sources and the prefix of their targets."""
        vocabulary_size = self.model.settings.vocabulary_size
        sources = [source or [EOS] for source in checked(sources, vocabulary_size, "sources")]
        prefixes = _prefixes(prefix, len(sources), max_new_tokens, self.vocabulary_size)
        self.check_fits(1 + max_new_tokens, f"<bos> and {max_new_tokens} new tokens")
        size = self.length(1 + max_new_tokens)
        ids, begins, given, done = _rows([[BOS]] * len(sources), prefixes, size)
        longest = max(len(source) for source in sources)
        self.check_fits(longest, f"a source of {longest} tokens")
        width = rounded(longest, self.max_length)
        source = pad_sequences(sources + sources[:1] * (len(ids) - len(sources)), width)
        ends, start = begins + max_new_tokens, np.array(0, "int32")
        return Batch(source, ids, begins, given, ends, done, start)

    def read(self, source, size):
        """Return the state that holds the encoded source (B, S)."""
        return self.model.initial_state(self.model.encode(source), size)

    def __call__(self, ids, state, start):
        """Return logits (B, V) after ids (B, 1) at `start`, and the new state."""
        return self.model.step(ids, state, start)


def steps_of(model):
    """Return the `Steps` of a causal language model or an encoder-decoder."""
    if hasattr(model, "encode") and hasattr(model, "step"):
        return SourceSteps(model)
    if hasattr(model, "backbone") and hasattr(model, "logits"):
        return TextSteps(model)
    raise TypeError(
        "expected a CausalLM or an encoder-decoder, which write text token by token, received a "
        f"{type(model).__name__}: pretrain one with objective='causal', or train a seq2seq model."
    )


def rounded(length, limit=None):
    """Return a length rounded up to a multiple of `BUCKET`, but not above the limit."""
    size = -(-length // BUCKET) * BUCKET
    return size if limit is None else min(size, limit)


def checked(texts, vocabulary_size, what="prompts"):
    """Return texts as lists of ids of the vocabulary."""
    if isinstance(texts, str) or any(np.ndim(text) != 1 for text in texts):
        raise ValueError(f"expected a list of {what}, each a list of token ids: [[7, 8, 9]].")
    texts = [[int(token) for token in text] for text in texts]
    for token in (token for text in texts for token in text):
        if not 0 <= token < vocabulary_size:
            raise ValueError(
                f"expected token ids below the vocabulary size {vocabulary_size}, received "
                f"{token}: encode the text with the tokenizer that the model was trained with."
            )
    return texts


def _read(steps, size, width, source):
    state = steps.read(ops.convert_to_tensor(source), size)
    batch = source.shape[0]
    rows = np.repeat(np.arange(batch), width)
    return keras.tree.map_structure(lambda x: rows_of(x, rows, batch), state)


def rows_of(x, rows, batch):
    """Return some rows of x (B n, …), of which n that follow each other belong to a text."""
    by_text = ops.reshape(x, (batch, -1, *x.shape[1:]))
    return ops.reshape(ops.take(by_text, rows, axis=0), (-1, *x.shape[1:]))


def _prefixes(prefix, count, max_new_tokens, vocabulary_size):
    """Return one list of ids for each answer, of one for all or of one for each."""
    for_each = len(prefix) > 0 and np.ndim(prefix[0]) == 1
    prefixes = checked(prefix if for_each else [prefix] * count, vocabulary_size, "prefixes")
    if len(prefixes) != count:
        raise ValueError(
            f"expected one prefix for all answers or one for each of {count}, received "
            f"{len(prefixes)}."
        )
    longest = max(len(prefix) for prefix in prefixes)
    if longest and longest >= max_new_tokens:
        raise ValueError(
            f"a prefix of {longest} tokens leaves nothing to add to it: max_new_tokens, which "
            f"counts the prefix too, is {max_new_tokens}."
        )
    return prefixes


def _rows(prompts, prefixes, size):
    """Return ids (B, L), where answers begin, how much is given, and which rows are filling.

    B is rounded up (1, 2, 4, 8, 16, 24 …), so that a last small batch needs no loop of its own.
    """
    count = len(prompts)
    rows = 1 << (count - 1).bit_length() if count <= 8 else -(-count // 8) * 8
    ids = np.zeros((rows, size), dtype="int32")
    begins, given = np.ones((2, rows), dtype="int32")
    for row in range(rows):
        of = row if row < count else 0
        text = prompts[of] + prefixes[of]
        ids[row, : len(text)] = text
        begins[row], given[row] = len(prompts[of]), len(text)
    return ids, begins, given, np.arange(rows) >= count


def answer(row, begin, given, end, stop):
    """Return the ids of an answer: from `begin` to its first stop token, which is kept."""
    tokens = [int(token) for token in row[begin:end]]
    free = given - begin  # a stop token in the prefix stops nothing
    ends = [i for i, token in enumerate(tokens) if i >= free and token in stop]
    return tokens[: ends[0] + 1] if ends else tokens
