"""Scores of written answers against references, with their intervals.

- BLEU and chrF are sacrebleu's, lower-cased; ROUGE is rouge-score's. How texts are cut into words
  follows their writing, and the signature of a score says it:

      BLEU     13a · Chinese zh · other writing without spaces char
      ROUGE    English: a to z and 0 to 9, Porter's stems · other words as they are, without marks ·
               writing without spaces: characters
- A row may have several references. BLEU counts the n-grams of all of them and takes the length of
  the nearest; of chrF, ROUGE and the exact match the best over them counts.
- All scores lie between 0 and 100.
"""

import unicodedata
from importlib.metadata import version
from itertools import zip_longest

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval
from kerasllm.metrics.counts import check_rows
from kerasllm.metrics.writing import WITHOUT_SPACES, writing_of

ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
SCORES = ("bleu", "chrf", *ROUGE)


def generation_metrics(true, predicted, names=SCORES):
    """Score written answers.

    Args:
        true: R texts, what each answer should be; of several references a list of texts.
        predicted: R texts.
        names: of "bleu", "chrf", "rouge_1", "rouge_2" and "rouge_l".

    Returns:
        {name: score}, and always "exact_match", the share of answers that are their references
        but for white space.

    Raises:
        ValueError: no rows, or unequal lengths.

    Example:
        >>> found = generation_metrics(["The cat sat down", "yes"], ["the cat sat down", "no"])
        >>> round(found["exact_match"]), 50 < found["bleu"] < 100
        (0, True)
        >>> generation_metrics([("yes", "yes please")], ["yes please"])["exact_match"]
        100.0

    Source: Papineni et al. 2002 (BLEU) and Post 2018 (sacrebleu); Popović 2015 (chrF); Lin 2004
    (ROUGE).
    """
    true, predicted = _references(true), list(predicted)
    check_rows(true, predicted)
    result = {}
    if "bleu" in names:
        result["bleu"] = _bleu(true).corpus_score(predicted, _streams(true)).score
    if "chrf" in names:
        result["chrf"] = _chrf().corpus_score(predicted, _streams(true)).score
    wanted = [name for name in names if name in ROUGE]
    if wanted:
        result |= dict(zip(wanted, _rouge(true, predicted, wanted).mean(axis=0), strict=True))
    result["exact_match"] = 100 * exact_matches(true, predicted).mean()
    return {name: float(score) for name, score in result.items()}


def generation_intervals(true, predicted, **options):
    """Return the bootstrap intervals of BLEU, ROUGE-L and the exact matches.

    Args:
        true: R texts, what each answer should be; of several references a list of texts. Rows are
            drawn, each with all its references.
        predicted: R texts.
        **options: samples, confidence and seed of `bootstrap_interval`.

    Returns:
        {name: (low, high)}; BLEU is that of all answers drawn, from the counts of each.

    Raises:
        ValueError: no rows, or unequal lengths.

    Example:
        >>> generation_intervals(["a fine day", "yes"], ["a fine day", "yes"])["exact_match"]
        (100.0, 100.0)
    """
    true, predicted = _references(true), list(predicted)
    check_rows(true, predicted)
    rouge = _rouge(true, predicted, ["rouge_l"])[:, 0]
    return {
        "bleu": bootstrap_interval(*_bleu_of_draws(true, predicted), **options),
        "rouge_l": bootstrap_interval(np.mean, rouge, **options),
        "exact_match": bootstrap_interval(np.mean, 100 * exact_matches(true, predicted), **options),
    }


def exact_matches(true, predicted):
    """Return which answers (R,) are one of their references, but for white space between words.

    Args:
        true: R texts, what each answer should be; of several references a list of texts.
        predicted: R texts.

    Example:
        >>> exact_matches(["a b", "a b"], ["a  b ", "A b"])
        array([1., 0.])
    """
    pairs = zip(_references(true), predicted, strict=True)
    found = [answer.split() in [text.split() for text in own] for own, answer in pairs]
    return np.array(found, dtype=float)


def generation_signatures(true):
    """Return how answers are scored: {name of a score: its signature}.

    Args:
        true: R texts, what each answer should be, or a list of texts of each; their writing
            decides.

    Example:
        >>> found = generation_signatures(["Ein schöner Tag"])
        >>> found["bleu"].split("|version")[0], found["rouge"].split("|version")[0]
        ('nrefs:1|case:lc|eff:no|tok:13a|smooth:exp', 'case:lc|tok:words|stem:no')
    """
    true = _references(true)
    scored = {"bleu": _bleu(true), "chrf": _chrf()}
    counts = sorted(set(map(len, true)))
    for metric in scored.values():  # before a first score there is no signature
        metric.corpus_score(["a"] * len(counts), _streams([("a",) * count for count in counts]))
    writing = writing_of(_all(true))
    cut = "characters" if writing in WITHOUT_SPACES else "a-z0-9" if writing == "en" else "words"
    stem = "porter" if writing == "en" else "no"
    rouge = f"case:lc|tok:{cut}|stem:{stem}|version:{version('rouge-score')}"
    return {**{name: str(m.get_signature()) for name, m in scored.items()}, "rouge": rouge}


def _references(true):
    """Return the references of each row, as tuples of texts."""
    found = [tuple(own) if isinstance(own, list | tuple) else (own,) for own in true]
    for row, own in enumerate(found):
        if not own or not all(isinstance(text, str) for text in own):
            raise ValueError(
                f"expected a text or a list of texts as the references of a row, row {row} has "
                f"{own!r:.80}: give it one reference at least, or leave it out"
            )
    return found


def _streams(true):
    """Return the references as sacrebleu wants them: the first of all rows, the second, ..."""
    return [list(stream) for stream in zip_longest(*true)]


def _all(true):
    return [text for own in true for text in own]


def _bleu(true):
    from sacrebleu.metrics import BLEU

    writing = writing_of(_all(true))
    cut = "zh" if writing == "zh" else "char" if writing in WITHOUT_SPACES else "13a"
    return BLEU(lowercase=True, tokenize=cut)


def _bleu_of_draws(true, predicted):
    """Return a statistic and its arrays: the counts of each sentence, which BLEU adds up."""
    metric = _bleu(true)
    parts = [
        metric.corpus_score([answer], _streams([own]))
        for answer, own in zip(predicted, true, strict=True)
    ]
    counts = [(*p.counts, *p.totals, p.sys_len, p.ref_len) for p in parts]  # 4, 4, 1, 1

    def bleu(counts):
        *ngrams, length, wanted = counts.sum(axis=0).tolist()
        right, found = ngrams[:4], ngrams[4:]
        return metric.compute_bleu(right, found, length, wanted, metric.smooth_method).score

    return bleu, np.array(counts)


def _chrf():
    from sacrebleu.metrics import CHRF

    return CHRF(lowercase=True)


class _Characters:
    """The tokenizer of ROUGE for writing without spaces."""

    def tokenize(self, text):
        return [character for character in text.lower() if not character.isspace()]


class _Words:
    """The tokenizer of ROUGE for words that are not English: marks part them."""

    def tokenize(self, text):
        parts = (" " if unicodedata.category(c)[0] in "PS" else c for c in text.lower())
        return "".join(parts).split()


def _rouge(true, predicted, names):
    """Return the F-measures (R, names), 0 to 100."""
    from rouge_score.rouge_scorer import RougeScorer

    writing, options = writing_of(_all(true)), {"use_stemmer": True}
    if writing != "en":
        options = {"tokenizer": _Characters() if writing in WITHOUT_SPACES else _Words()}
    scorer = RougeScorer([ROUGE[name] for name in names], **options)
    found = [scorer.score_multi(*pair) for pair in zip(true, predicted, strict=True)]
    return 100 * np.array([[one[ROUGE[name]].fmeasure for name in names] for one in found])
