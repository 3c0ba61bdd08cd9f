"""Texts as the arrays of language models: next tokens, hidden tokens, pairs of spans."""

import keras
import numpy as np

from kerasllm.datasets import Text
from kerasllm.models.language.masking import mask_tokens
from kerasllm.models.preprocessor import (
    Preprocessor,
    check_text,
    class_weights,
    together,
    weighted,
)
from kerasllm.models.reading import Reading, Stream
from kerasllm.text.batching import Batches, TextBatches, pad_bucketed
from kerasllm.text.unknown import unknown_warning


class LanguagePreprocessor(Preprocessor):
    """What the preprocessors of language models have in common: texts are their own targets.

    Args:
        tokenizer: a `Tokenizer`.
        length: tokens of a row; longer texts are cut into several.

    Raw input: a list of texts. There are no raw targets.
    """

    data_task = "language_model"
    predicts = "next"

    def __init__(self, tokenizer, length=128):
        super().__init__(tokenizer)
        self.length = length

    def dataset(self, x, y=None):
        """Return texts as a `Dataset`."""
        if y is not None:
            raise ValueError("a language model learns from texts alone: leave y out.")
        if (found := self._check_dataset(x)) is not None:
            return found
        if isinstance(x, str):
            raise TypeError(
                f"expected a list of texts, received one text ({x!r:.40}): put it in a list, "
                "[text]."
            )
        return self._as_dataset(map(Text, x))

    def rows(self, texts, length=None):
        """Return (rows of ids, owners): texts that end in <eos>, cut after `length` tokens."""
        length, rows, owners = length or self.length, [], []
        for owner, ids in enumerate(self.tokenizer.encode_batch(list(texts), eos=True)):
            parts = [ids[i : i + length] for i in range(0, len(ids), length)]
            rows += parts
            owners += [owner] * len(parts)
        return rows, owners

    def class_table(self, class_weight):
        """Return the weight (V,) of each target token, from {token or its id: weight}."""
        return class_weights(class_weight, self.tokenizer.vocabulary, "tokens")

    def labels_of_number(self, number):
        """Return the token of a score."""
        return self.tokenizer.id_to_token(int(number))

    def reading(self, x):
        """Return the `Reading` of a text, its beginning where it is longer than `length`."""
        check_text(x)
        ids, cut = np.asarray(self.tokenizer.encode(x), "int32"), None
        if len(ids) > self.length:
            cut = f"only the first {self.length} of {len(ids)} tokens are read"
            ids = ids[: self.length]
        note = together(cut, self.warning(x)) or ""
        return Reading(
            self._inputs(ids[None]), (Stream(self._tokens(ids)),), ids, self.predicts, note
        )

    def _inputs(self, ids):
        """Return what the model is given of ids (1, T)."""
        return ids

    def prompt(self, text):
        """Return the ids of a text that is to be continued; an empty one begins after an <eos>."""
        return self.tokenizer.encode(text) or [self.tokenizer.eos_id]

    def warning(self, text):
        """Return what was lost of a text, or None."""
        if not self.tokenizer.encode(text):
            return "the text is empty: there is nothing to score"
        return unknown_warning(text, self.tokenizer, "the score")


@keras.saving.register_keras_serializable("kerasllm")
class CausalPreprocessor(LanguagePreprocessor):
    """Gives each token the one that follows it as its target: inputs x_t, targets x_{t+1}.

    >>> from kerasllm.text import train_tokenizer
    >>> read = CausalPreprocessor(train_tokenizer(["abc"], kind="character"), length=4)
    >>> ids, targets = read(["ab"])
    >>> ids.tolist(), targets.tolist()
    ([[6, 7]], [[7, 3]])
    """

    def rows(self, texts, length=None):
        """Return (rows of ids, owners): parts of `length` + 1 tokens that share their ends."""
        length, rows, owners = length or self.length, [], []
        for owner, ids in enumerate(self.tokenizer.encode_batch(list(texts), eos=True)):
            parts = [ids[i : i + length + 1] for i in range(0, max(len(ids) - 1, 1), length)]
            rows += [part for part in parts if len(part) > 1]
            owners += [owner] * len([part for part in parts if len(part) > 1])
        return rows, owners

    def batches(self, dataset, batch_size=32, seed=0, weights=None):
        """Return `Batches` of ids (B, T) and the ids that follow them (B, T)."""
        rows, owners = self.rows(dataset.texts)
        batches = TextBatches(rows, None, batch_size, seed, transform=_following)
        return weighted(batches, owners, weights, len(dataset))


def _following(ids, _targets, _rng):
    following = ids[:, 1:]
    return np.where(following != 0, ids[:, :-1], 0), following


@keras.saving.register_keras_serializable("kerasllm")
class MaskedPreprocessor(LanguagePreprocessor):
    """Hides tokens, and gives what was hidden as targets.

    Args:
        tokenizer: a `Tokenizer`.
        length: tokens of a row.
        mask_share: share of the tokens that are hidden.
        whole_word: hide whole words.
        at_once: rows that are scored at once; which tokens are hidden then depends on it.
    """

    predicts = "hidden"

    def __init__(self, tokenizer, length=128, mask_share=0.15, whole_word=False, at_once=32):
        super().__init__(tokenizer, length)
        self.mask_share, self.whole_word, self.at_once = mask_share, whole_word, at_once

    def batches(self, dataset, batch_size=32, seed=0, weights=None):
        """Return `Batches` of {"ids", "positions"} and targets; see `mask_tokens`."""
        rows, owners = self.rows(dataset.texts)
        batches = TextBatches(rows, None, batch_size, seed, transform=self.hide)
        return weighted(batches, owners, weights, len(dataset))

    def _inputs(self, ids):
        return {"ids": ids, "positions": np.arange(ids.shape[1], dtype="int32")[None]}

    def hide(self, ids, _targets, rng):
        """Hide tokens of a batch; see `mask_tokens`."""
        tokenizer, starts = self.tokenizer, None
        if self.whole_word:
            starts = np.stack([tokenizer.word_starts(row) for row in ids])
        size, special = tokenizer.vocabulary_size, tokenizer.special_ids
        return mask_tokens(ids, size, rng, self.mask_share, starts, special, tokenizer.mask_id)


@keras.saving.register_keras_serializable("kerasllm")
class ContrastivePreprocessor(CausalPreprocessor):
    """Gives next tokens as targets, and beside them the two halves of each text."""

    def class_table(self, class_weight):
        """Raise: the contrast has no classes."""
        return Preprocessor.class_table(self, class_weight)

    def _inputs(self, ids):
        return {"ids": ids, "spans": np.concatenate([ids, ids])}

    def batches(self, dataset, batch_size=32, seed=0, weights=None):
        """Return `SpanBatches` of texts with at least 2 tokens."""
        if weights is not None:
            raise ValueError(
                "the contrast compares all texts of a batch: they cannot be weighed one by one. "
                "Leave sample_weight out."
            )
        rows, _ = self.rows(dataset.texts)
        tokens = TextBatches(rows, None, batch_size, seed, transform=_following)
        return SpanBatches(tokens, TextBatches(rows, None, batch_size, seed))


class SpanBatches(Batches):
    """Windows for the next token beside pairs of spans for the contrast.

    Each text is cut in two at a random place between 30 and 70 % of its tokens.

    Args:
        stream: a `StreamBatches`.
        texts: a `TextBatches` without targets.
    """

    def __init__(self, stream, texts):
        self.stream_batches, self.texts, self.seed = stream, texts, texts.seed
        self.steps_per_epoch = texts.steps_per_epoch

    def batch(self, step):
        """Return ({"ids", "spans"}, {"logits": next ids, "pooled": zeros, not read})."""
        rng = np.random.default_rng([self.seed or 0, step, 2])
        spans = []
        for ids in self.texts.chosen(step):
            cut = min(len(ids) - 1, max(1, round(rng.uniform(0.3, 0.7) * len(ids))))
            spans += [ids[:cut], ids[cut:]]
        spans = pad_bucketed(spans, self.texts.bucket, self.texts.lengths.max())
        ids, following = self.stream_batches.batch(step)
        targets = {"logits": following, "pooled": np.zeros(len(spans), "int32")}
        return {"ids": ids, "spans": spans}, targets
