"""What a language model has to beat: Kneser-Ney smoothing of n-grams."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kerasllm.baselines.kneser_ney import KneserNey
from kerasllm.metrics.language import language_metrics


@dataclass(frozen=True)
class LanguageBaseline:
    """A language model that was trained, and what it scored on the test text.

    Args:
        name: "kneser_ney".
        nats: (number of test sequences,) summed -ln p of each: what an interval is drawn from.
        metrics: see `kerasllm.metrics.classification.language_metrics`.
        seconds: wall time of training and scoring.
        settings: order and smoothing.
    """

    name: str
    nats: np.ndarray
    metrics: dict
    seconds: float
    settings: dict = field(default_factory=dict)


def kneser_ney(
    train: Sequence[Sequence[int]],
    test: Sequence[Sequence[int]],
    vocabulary_size: int,
    order: int = 5,
    modified: bool = True,
    characters: int | None = None,
    bytes: int | None = None,
) -> LanguageBaseline:
    """Interpolated Kneser-Ney n-gram model over token ids.

    Args:
        train: one sequence of ids a text, or one (T,) array; without a begin-of-sequence id.
        test: likewise. The same tokens that the network predicts, so that losses compare.
        vocabulary_size: V of the tokenizer.
        order: longest n-gram.
        modified: three discounts an order instead of one.
        characters: length of the test text, for bits per character.
        bytes: length of the test text, for bits per byte.

    Returns:
        `LanguageBaseline`.

    Example:
        >>> baseline = kneser_ney([[0, 1, 0, 1, 0, 1]], [[0, 1, 0]], vocabulary_size=2, order=2)
        >>> baseline.metrics["tokens"], baseline.metrics["perplexity"] < 2
        (3, True)
    """
    start = time.perf_counter()
    model = KneserNey(vocabulary_size, order, modified).fit(train)
    nats = model.sequence_nats(test)
    tokens = len(test) if np.ndim(test[0]) == 0 else sum(len(sequence) for sequence in test)
    metrics = language_metrics(float(nats.sum()), tokens, characters, bytes)
    settings = {"order": order, "modified": modified}
    return LanguageBaseline("kneser_ney", nats, metrics, time.perf_counter() - start, settings)
