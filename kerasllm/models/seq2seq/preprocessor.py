"""Pairs of source and target: looked over, turned into ids, and put into batches."""

from pathlib import Path

import numpy as np

from kerasllm import datasets
from kerasllm.text import EOS, UNK, load_tokenizer, train_tokenizer
from kerasllm.text.batching import TextBatches, pad_bucketed

TARGET_TOKENIZER = "target_tokenizer.json"


def read_pairs(data):
    """Return (training, validation) data sets of pairs, or say what is missing."""
    if isinstance(data, str | Path):
        train, validation = (datasets.load(data, split=s) for s in ("train", "validation"))
    else:
        train, validation = data
    for dataset in (train, validation):
        check_pairs(dataset)
    return train, validation


def check_pairs(dataset):
    """Raise unless the data set holds pairs, at least one, none with an empty side."""
    if dataset.task != "seq2seq":
        raise ValueError(
            f"expected pairs of source and target, received {dataset!r}, a set for "
            f"{dataset.task}: choose a seq2seq set, or name the columns source and target in your "
            "file."
        )
    if not len(dataset):
        raise ValueError(f"expected at least one pair in {dataset!r}, received none.")
    for row, pair in enumerate(dataset):
        for side in ("source", "target"):
            if not getattr(pair, side).strip():
                raise ValueError(
                    f"expected text on both sides of every pair, row {row} of {dataset.name}/"
                    f"{dataset.split} has an empty {side} ({pair!r:.120}): remove the row or "
                    "complete it."
                )


def targets_of(dataset):
    """Return the target of each pair."""
    return [pair.target for pair in dataset]


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


def run_tokenizers(run):
    """Return the tokenizers (source, target) of a run.

    Raises:
        ValueError: the target's tokenizer is not the one that the model was trained with.
    """
    path = run.path / TARGET_TOKENIZER
    if not path.is_file() and run.config["target_tokenizer"] == run.tokenizer.fingerprint:
        return run.tokenizer, run.tokenizer
    target = load_tokenizer(path)
    if target.fingerprint != run.config["target_tokenizer"]:
        raise ValueError(
            f"{path} is not the tokenizer that the model was trained with: its fingerprint differs "
            "from the one in config.json. Use the file of the same run."
        )
    return run.tokenizer, target


def source_ids(texts, tokenizer, length):
    """Return the ids of sources with <eos>, cut at `length`, and how many were cut."""
    rows = tokenizer.encode_batch(texts, eos=True)
    cut = [row if len(row) <= length else [*row[: length - 1], EOS] for row in rows]
    return cut, sum(len(row) > length for row in rows)


def pair_ids(dataset, tokenizers, settings):
    """Return (source ids with <eos>, target ids from <bos> to <eos>) of each pair.

    Raises:
        ValueError: a source or target is longer than `length`, unless `truncate`; or the tokenizer
            knows nothing of the sources.
    """
    source = tokenizers[0].encode_batch(dataset.texts, eos=True)
    target = tokenizers[1].encode_batch(targets_of(dataset), bos=True, eos=True)
    if all(token in (UNK, EOS) for row in source for token in row):
        raise ValueError(
            f"every token of the sources of {dataset.name} is unknown to the tokenizer: it was "
            'trained on another language or script. Use tokenizer="bpe", which knows every text.'
        )
    length = settings.length
    for side, rows in (("source", source), ("target", [row[1:] for row in target])):
        long = [row for row, ids in enumerate(rows) if len(ids) > length]
        if long and not settings.truncate:
            raise ValueError(
                f"row {long[0]} of {dataset.name}/{dataset.split} has a {side} of "
                f"{len(rows[long[0]])} tokens, the model reads {length} ({len(long)} rows are too "
                "long): raise length, or set truncate=True to cut them."
            )
    source = [ids if len(ids) <= length else [*ids[: length - 1], EOS] for ids in source]
    return source, [ids[: length + 1] for ids in target]


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
        rows = self._rows(step)
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
