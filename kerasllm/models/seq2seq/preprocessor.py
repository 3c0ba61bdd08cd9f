"""Pairs of texts as the arrays of an encoder-decoder."""

import keras
import numpy as np

from kerasllm.datasets import Pair
from kerasllm.models.preprocessor import (
    Preprocessor,
    check_pairs_of,
    check_text,
    class_weights,
    together,
    weighted,
)
from kerasllm.models.reading import Reading, Stream
from kerasllm.text import EOS, UNK, restore_tokenizer, train_tokenizer
from kerasllm.text.batching import TextBatches, pad_bucketed
from kerasllm.text.unknown import unknown_share, unknown_warning


@keras.saving.register_keras_serializable("kerasllm")
class Seq2SeqPreprocessor(Preprocessor):
    """Turns sources and targets into ids, and ids into answers.

    Args:
        tokenizer: of the sources.
        target_tokenizer: of the targets; None: the same.
        length: longest source, and longest target, in tokens.
        truncate: cut longer ones instead of refusing them.
        beam: beams that answers are searched with; 1 is greedy.
        length_penalty: of the beam search; 0 favours short answers.

    Raw input: a list of source texts. Raw targets: a list of target texts, each a text or the list
    of all that are right; each of these is learned from, as a pair of its own.

        >>> tokenizer = train_tokenizer(["a b c"], kind="word", min_frequency=1)
        >>> inputs, targets = Seq2SeqPreprocessor(tokenizer)(["a b"], ["c a"])
        >>> inputs["source"].tolist(), inputs["target"].tolist(), targets.tolist()
        ([[6, 7, 3, 0]], [[2, 8, 6, 0]], [[8, 6, 3, 0]])
    """

    data_task = "seq2seq"
    of_the_head = ("tokenizer", "target_tokenizer")

    def __init__(
        self, tokenizer, target_tokenizer=None, length=128, truncate=False, beam=4,
        length_penalty=0.6,
    ):  # fmt: skip
        super().__init__(tokenizer)
        self.target_tokenizer = target_tokenizer or tokenizer
        self.length, self.truncate = length, truncate
        self.beam, self.length_penalty = beam, length_penalty

    def dataset(self, x, y=None):
        """Return sources and targets as a `Dataset`."""
        if (found := self._check_dataset(x)) is not None:
            return found
        check_pairs_of(x, y, ("a source", "a target"))
        dataset = self._as_dataset(map(_pair, x, y))
        check_pairs(dataset)
        return dataset

    def batches(self, dataset, batch_size=32, seed=0, weights=None):
        """Return `PairBatches` of a data set of pairs; each reference has its pair's weight."""
        sources, targets = self.ids(dataset)
        batches = PairBatches(sources, targets, batch_size, seed)
        return weighted(batches, _owners(dataset), weights, len(dataset))

    def ids(self, dataset, truncate=None):
        """Return (source ids with <eos>, target ids from <bos> to <eos>) of each reference.

        Raises:
            ValueError: a source or target is longer than `length`, unless `truncate`; or the
                tokenizer knows nothing of the sources.
        """
        owners = _owners(dataset)
        source = self.tokenizer.encode_batch([dataset[i].source for i in owners], eos=True)
        target = self.target_tokenizer.encode_batch(targets_of(dataset), bos=True, eos=True)
        if all(token in (UNK, EOS) for row in source for token in row):
            raise ValueError(
                f"every token of the sources of {dataset.name} is unknown to the tokenizer: it was "
                'trained on another language or script. Use tokenizer="bpe", which knows every '
                "text."
            )
        truncate = self.truncate if truncate is None else truncate
        for side, rows in (("source", source), ("target", [row[1:] for row in target])):
            long = [row for row, ids in enumerate(rows) if len(ids) > self.length]
            if long and not truncate:
                raise ValueError(
                    f"row {owners[long[0]]} of {dataset.name}/{dataset.split} has a {side} of "
                    f"{len(rows[long[0]])} tokens, the model reads {self.length} ({len(long)} rows "
                    "are too long): raise length, or set truncate=True to cut them."
                )
        return list(map(self._cut, source)), [ids[: self.length + 1] for ids in target]

    def source_ids(self, texts):
        """Return the ids of sources with <eos>, cut at `length`."""
        return list(map(self._cut, self.tokenizer.encode_batch(texts, eos=True)))

    def _cut(self, ids):
        return ids if len(ids) <= self.length else [*ids[: self.length - 1], EOS]

    def class_table(self, class_weight):
        """Return the weight (V,) of each target token, from {token or its id: weight}."""
        return class_weights(class_weight, self.target_tokenizer.vocabulary, "tokens")

    def labels_of_number(self, number):
        """Return the target token of a score."""
        return self.target_tokenizer.id_to_token(int(number))

    def reading(self, x):
        """Return the `Reading` of (source, target); the target is a text, or ids without <bos>."""
        source, target = x
        check_text(source)
        (ids,) = self.source_ids([source])
        if isinstance(target, str):
            target = self.target_tokenizer.encode(target, eos=True)
        given = [self.target_tokenizer.bos_id, *target[:-1]][: self.length]
        inputs = {"source": np.array([ids], "int32"), "target": np.array([given], "int32")}
        read = Stream(self._tokens(ids), ("encoder",))
        written = Stream(self._tokens(given, self.target_tokenizer))
        note = self.warning(source) or ""
        return Reading(inputs, (written, read), inputs["target"][0], "next", note)

    def shortened(self, length):
        """Return a preprocessor that cuts sources and targets at `length` tokens."""
        made = super().shortened(length)
        made.truncate = True
        return made

    def warning(self, text):
        """Return what was lost of a text, or None."""
        ids = self.tokenizer.encode(text, eos=True)
        if not text.strip():
            return "the text is empty: there is nothing to answer"
        long = len(ids) > self.length
        cut = f"only the first {self.length} of {len(ids)} tokens were read" if long else None
        return together(unknown_warning(text, self.tokenizer), cut)

    def unknown_share(self, dataset):
        """Return the share of the tokens of sources and targets that are unknown."""
        source = self.tokenizer.encode_batch(dataset.texts)
        target = self.target_tokenizer.encode_batch(targets_of(dataset))
        return unknown_share([i for row in (*source, *target) for i in row], self.tokenizer)

    def get_config(self):
        """Return what rebuilds this preprocessor; one tokenizer for both is written once."""
        config = super().get_config()
        same = self.target_tokenizer == self.tokenizer
        return {**config, "target_tokenizer": None if same else self.target_tokenizer.state()}

    @classmethod
    def from_config(cls, config):
        """Rebuild a preprocessor."""
        target = config.get("target_tokenizer")
        return super().from_config(
            {**config, "target_tokenizer": target and restore_tokenizer(target)}
        )


def _owners(dataset):
    """Return the pair that each reference belongs to."""
    return [row for row, pair in enumerate(dataset) for _ in pair.references]


def _pair(source, target):
    """Return the pair of a source and its target, or its list of references."""
    texts = tuple(target) if isinstance(target, list | tuple) else (target,)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise TypeError(
            f"expected a text, or a list of texts, as the target of {source!r:.40}, received "
            f"{target!r:.80}."
        )
    return Pair(source, texts[0], texts[1:])


def check_pairs(dataset):
    """Raise unless the data set holds at least one pair, and none with an empty side."""
    if not len(dataset):
        raise ValueError(f"expected at least one pair in {dataset!r}, received none.")
    for row, pair in enumerate(dataset):
        for side, texts in (("source", (pair.source,)), ("target", pair.references)):
            if not all(text.strip() for text in texts):
                raise ValueError(
                    f"expected text on both sides of every pair, row {row} of {dataset.name}/"
                    f"{dataset.split} has an empty {side} ({pair!r:.120}): remove the row or "
                    "complete it."
                )


def targets_of(dataset):
    """Return the targets of all pairs: of each pair all its references."""
    return [text for pair in dataset for text in pair.references]


def train_tokenizers(train, settings):
    """Return the tokenizers (source, target) learned on the training pairs; one for both."""
    options = {
        "kind": settings.tokenizer,
        "vocabulary_size": settings.vocabulary_size,
        "lowercase": settings.lowercase,
        "word_splitter": settings.word_splitter,
        "min_frequency": settings.min_frequency,
    }
    if settings.shared:
        both = train_tokenizer([*train.texts, *targets_of(train)], **options)
        return both, both
    return train_tokenizer(train.texts, **options), train_tokenizer(targets_of(train), **options)


class PairBatches(TextBatches):
    """Pairs of like lengths together; the decoder is given each target one token late.

    Args:
        sources: lists of ids.
        targets: lists of ids from <bos> to <eos>.
        batch_size: pairs a batch.
        seed: of the orders.
        bucket: lengths are rounded up to multiples of this.
    """

    def __init__(self, sources, targets, batch_size=32, seed=0, bucket=4):
        super().__init__(sources, targets, batch_size, seed, bucket)
        # Targets first: the decoder's loop is the slow part.
        longest = self.lengths.max() + 1
        self.lengths = np.array([len(ids) for ids in targets]) * longest + self.lengths

    def batch(self, step):
        """Return ({"source": (B, S), "target": (B, T)}, the ids that follow (B, T))."""
        rows = self.rows(step)
        source = pad_bucketed([self.sequences[row] for row in rows], self.bucket)
        return shifted(source, [self.targets[row] for row in rows], self.bucket)


def shifted(source, targets, bucket=4):
    """Return what a model is given, and what it should say: each target less its last, its first.

    Example:
        >>> inputs, following = shifted(np.array([[7, 8]]), [[2, 9, 3]], bucket=1)
        >>> inputs["target"].tolist(), following.tolist()
        ([[2, 9]], [[9, 3]])
    """
    target = pad_bucketed([ids[:-1] for ids in targets], bucket)
    following = pad_bucketed([ids[1:] for ids in targets], bucket)
    return {"source": source, "target": target}, following
