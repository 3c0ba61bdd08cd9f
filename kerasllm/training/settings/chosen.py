"""What a classifier from scratch begins with where nothing else is said: chosen by its data.

No set is looked at by name. What counts is how many rows there are, how long they are, and whether
their words are divided by spaces. The numbers were found on validation rows of five sets, and then
tried on four others; `benchmarks/defaults.md` has both, and what else was tried.

- The vectors of tokens, their mean and their maximum over the text, a linear layer (Shen et al.
  2018): on 600 rows the LSTMs that were tried did no better, and took three times as long.
- Chinese is read by character, and by pair of neighbours: without pairs 0.776 of THUCNews' titles
  are right after 3,000 rows, with them 0.814; after 600 rows 0.688 and 0.697 (the trial
  "no_pairs", three seeds). Of words pairs were better on two sets of three with 3,000 rows, and
  worse on one (one seed).
- The vectors begin small, and half of what they say is hidden at each step.
- The rate is high, and falls; the last weights are kept: those of the best validation were no
  better, and on one set of three worse (the trials "accuracy" and "epochs 12 last", one seed).
  Where minutes decide how many passes there are, the best are kept, for there may be far too many.
"""

import dataclasses
import itertools
import math
import statistics

from kerasllm.training.settings.rates import rate_for

RATE = 3e-3  # of vectors of tokens
VOCABULARY = 30_000  # words at most
MANY = 2000  # rows, from which pairs of words come often enough to be learned
SHORT = 40  # characters: of so few the maximum says less than it disturbs
_IMPLIED = {
    "recurrent": ("cell", "units", "residual", "num_layers"),
    "transformer": ("num_heads", "positions"),
}


def chosen(settings, train):
    """Return the settings with what is None filled, and lines that give the reasons.

    Args:
        settings: `ClassificationSettings` of a training from scratch.
        train: the training `Dataset`.

    Returns:
        (settings, [line]).
    """
    from kerasllm.baselines.features import has_spaces
    from kerasllm.models.classification.preprocessor import texts_read

    texts, told = texts_read(train), []
    spaces = has_spaces(texts)
    length = _usual_length(texts, spaces)
    size = f"{len(texts):,} rows of about {length} {'words' if spaces else 'characters'}"
    for choices in (
        lambda s: _backbone(s),
        lambda s: _of_reading(s, spaces, length),
        lambda s: _of_learning(s, len(texts), length, size),
        lambda s: {"pairs": _pairs(s, texts, spaces)},
    ):
        found = {n: v for n, v in choices(settings).items() if getattr(settings, n) is None}
        told += [f"{n} {value}: {why}" for n, (value, why) in found.items() if why]
        settings = dataclasses.replace(settings, **{n: value for n, (value, _) in found.items()})
    return settings, told


def _backbone(settings):
    """Return the backbone that the settings of one imply, and why."""
    for backbone, names in _IMPLIED.items():
        given = [name for name in names if getattr(settings, name) is not None]
        if given:
            return {"backbone": (backbone, f"{given[0]} is given")}
    return {"backbone": ("embedding", "from scratch")}


def _of_reading(settings, spaces, length):
    """Return how texts are read and made one vector: {setting: (value, reason)}."""
    pieces = settings.tokenizer in ("bpe", "wordpiece")
    few = not spaces and length < SHORT and settings.backbone == "embedding"
    return {
        "tokenizer": ("word", "") if spaces else ("character", "no spaces between words"),
        "vocabulary_size": (VOCABULARY, ""),
        "min_frequency": (2 if pieces else 1, ""),
        "lowercase": (True, ""),
        "word_dropout": (0.1 if spaces else 0.0, ""),
        "pooling": ("mean", f"texts of about {length} characters") if few else ("mean_max", ""),
    }


def _of_learning(settings, rows, length, size):
    """Return how it is learned: {setting: (value, reason)}."""
    vectors = settings.backbone == "embedding"
    dropout = 0.5 if vectors else 0.2
    return {
        "learning_rate": (RATE if vectors else rate_for(settings.width(), 1), size),
        "epochs": (epochs(rows, length), "" if settings.minutes else size),
        "dropout": (dropout, ""),
        "backbone_dropout": (dropout, ""),
        "keep_best": (bool(settings.metric or settings.patience or settings.minutes), ""),
    }


def _pairs(settings, texts, spaces):
    """Return the rows of the table of pairs, and why."""
    if settings.backbone != "embedding" or (spaces and len(texts) < MANY):
        return 0, ""
    units = [text.split() if spaces else text for text in texts]
    return _rows_of_pairs(units), f"pairs of neighbouring {'words' if spaces else 'characters'}"


def epochs(rows, length=0):
    """Return how many passes suit so many rows of a length: of more and longer ones fewer.

        40 rows^-0.2 · √(40 / length)          the root for more than 40 tokens, 0.4 at least

    Args:
        rows: to train on.
        length: of a usual one, in words or characters.

    Example:
        >>> [epochs(rows) for rows in (10, 600, 3000, 12_000, 100_000)]
        [20.0, 11.0, 8.0, 6.0, 4.0]
        >>> epochs(600, 90), epochs(600, 5000)
        (7.0, 4.0)
    """
    passes = min(20, 40 * rows**-0.2) * max(0.4, min(1, (40 / max(length, 1)) ** 0.5))
    return float(max(2, round(passes)))


def _usual_length(texts, spaces):
    """Return the median length in words, or in characters."""
    lengths = [len(text.split()) if spaces else len(text) for text in texts]
    return round(statistics.median(lengths))


def _rows_of_pairs(rows):
    """Return a power of two above the number of pairs in the rows, from 2 ** 10 to 2 ** 16."""
    pairs = {pair for row in rows for pair in itertools.pairwise(row)}
    return 2 ** min(16, max(10, math.ceil(math.log2(max(len(pairs), 1)))))
