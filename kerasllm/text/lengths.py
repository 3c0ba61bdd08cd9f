"""Length report: what a context length would cut off, and what the vocabulary lacks."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from kerasllm.text.tokenizers.special import check_texts

PERCENTILES = (50, 75, 90, 95, 99, 100)
EXAMPLES = 3
_READ = 200  # texts with unknown tokens that are looked at, to name what is unknown


@dataclass(frozen=True)
class LengthReport:
    """Lengths of texts in tokens, against a context length.

    Attributes:
        lengths: tokens of each text, int64 `(texts,)`.
        max_length: the context length in question.
        percentiles: percentile -> length.
        truncated: share of texts longer than `max_length`.
        tokens_lost: share of all tokens that cutting loses.
        unknown: share of tokens that are `<unk>`.
        all_unknown: number of texts with nothing but `<unk>`.
        empty: number of texts without a token.
        cut: up to three examples of what is cut: (index of the text, last words kept, first
            words lost).
        unknown_pieces: the most frequent unknown pieces of text with their counts, from the first
            texts that have any.
    """

    lengths: np.ndarray
    max_length: int
    percentiles: dict[int, int]
    truncated: float
    tokens_lost: float
    unknown: float
    all_unknown: int
    empty: int
    cut: tuple[tuple[int, str, str], ...]
    unknown_pieces: tuple[tuple[str, int], ...]

    @property
    def warnings(self):
        """Sentences about what should be changed before training."""
        texts, found = len(self.lengths), []
        if self.all_unknown:
            found.append(
                f"{self.all_unknown:,} of {texts:,} texts have only unknown tokens: a model cannot "
                f"tell them apart."
            )
        if self.unknown > 0.5:
            found.append(
                f"{self.unknown:.1%} of the tokens are unknown: does the tokenizer belong to this "
                f"language? Train one on these texts."
            )
        elif self.unknown > 0.05:
            found.append(
                f"{self.unknown:.1%} of the tokens are unknown: use a larger vocabulary, or "
                f"kind='bpe', which knows every text."
            )
        if self.truncated > 0.05:
            found.append(
                f"{self.truncated:.1%} of the texts are cut: use a length of "
                f"{self.percentiles[95]}, or overlapping windows."
            )
        if self.empty:
            found.append(f"{self.empty:,} texts are empty: leave them out.")
        return found

    def __str__(self):
        row = "  ".join(f"{p}%: {length}" for p, length in self.percentiles.items())
        lines = [
            f"{len(self.lengths):,} texts, {self.lengths.sum():,} tokens",
            f"  length at percentile  {row}",
            f"  longer than {self.max_length}: {self.truncated:.1%} of the texts; "
            f"{self.tokens_lost:.1%} of the tokens would be lost",
            f"  unknown tokens: {self.unknown:.2%}",
        ]
        lines += [f"  cut in text {i}: …{kept!r} | {lost!r}…" for i, kept, lost in self.cut]
        if self.unknown_pieces:
            pieces = ", ".join(f"{piece!r} ({count})" for piece, count in self.unknown_pieces)
            lines.append(f"  most frequent unknown: {pieces}")
        return "\n".join(lines + [f"  Note: {warning}" for warning in self.warnings])


def length_report(texts, tokenizer, max_length):
    """Measure texts in tokens.

    Args:
        texts: a list of strings.
        tokenizer: turns text into ids.
        max_length: the context length in tokens that is to be judged.

    Returns:
        A `LengthReport`; print it.

    Raises:
        TypeError: `texts` is one str.
        ValueError: no texts, or `max_length` below 1.

    Example:
        >>> from kerasllm.text import train_tokenizer
        >>> tokenizer = train_tokenizer(["abc"], "character")
        >>> report = length_report(["abc", "abcabc", "xyz"], tokenizer, max_length=5)
        >>> report.percentiles[100], round(report.unknown, 2), report.all_unknown
        (6, 0.25, 1)
        >>> report.cut
        ((1, 'abcab', 'c'),)
    """
    check_texts(texts)
    texts = list(texts)
    if not texts or max_length < 1:
        raise ValueError(
            f"expected one text or more and max_length of 1 or more, received {len(texts)} texts "
            f"and max_length={max_length}"
        )
    ids = tokenizer.encode_batch(texts)
    lengths = np.array([len(row) for row in ids], "int64")
    unknown = np.array([row.count(tokenizer.unk_id) for row in ids], "int64")
    total = max(lengths.sum(), 1)
    values = np.percentile(lengths, PERCENTILES, method="higher").tolist()
    return LengthReport(
        lengths=lengths,
        max_length=max_length,
        percentiles=dict(zip(PERCENTILES, values, strict=True)),
        truncated=float((lengths > max_length).mean()),
        tokens_lost=float(np.maximum(lengths - max_length, 0).sum() / total),
        unknown=float(unknown.sum() / total),
        all_unknown=int(((unknown == lengths) & (lengths > 0)).sum()),
        empty=int((lengths == 0).sum()),
        cut=_cut_examples(texts, tokenizer, lengths, max_length),
        unknown_pieces=_unknown_pieces(texts, tokenizer, np.flatnonzero(unknown)),
    )


def _cut_examples(texts, tokenizer, lengths, max_length, width=30):
    examples = []
    for i in np.flatnonzero(lengths > max_length)[:EXAMPLES].tolist():
        at = tokenizer.offsets(texts[i])[max_length][0]
        examples.append((i, texts[i][max(at - width, 0) : at], texts[i][at : at + width]))
    return tuple(examples)


def _unknown_pieces(texts, tokenizer, indices, most=10):
    counts = Counter()
    for text in (texts[i] for i in indices[:_READ]):
        pairs = zip(tokenizer.encode(text), tokenizer.offsets(text), strict=True)
        counts.update(text[a:b] for token, (a, b) in pairs if token == tokenizer.unk_id)
    return tuple(counts.most_common(most))
