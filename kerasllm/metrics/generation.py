"""Scores of written answers against references, with their intervals.

- BLEU and chrF are sacrebleu's, lower-cased, Chinese by its own tokenizer; ROUGE is rouge-score's,
  Chinese by characters.
- All scores lie between 0 and 100.
"""

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval
from kerasllm.metrics.counts import check_rows
from kerasllm.text.tokenizers.special import is_cjk

ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
SCORES = ("bleu", "chrf", *ROUGE)


def generation_metrics(true, predicted, names=SCORES):
    """Score written answers.

    Args:
        true: R texts, what each answer should be.
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

    Source: Papineni et al. 2002 (BLEU) and Post 2018 (sacrebleu); Popović 2015 (chrF); Lin 2004
    (ROUGE).
    """
    true, predicted = list(true), list(predicted)
    check_rows(true, predicted)
    result = {}
    if "bleu" in names:
        result["bleu"] = _bleu(true).corpus_score(predicted, [true]).score
    if "chrf" in names:
        result["chrf"] = _chrf().corpus_score(predicted, [true]).score
    wanted = [name for name in names if name in ROUGE]
    if wanted:
        result |= dict(zip(wanted, _rouge(true, predicted, wanted).mean(axis=0), strict=True))
    result["exact_match"] = 100 * exact_matches(true, predicted).mean()
    return {name: float(score) for name, score in result.items()}


def generation_intervals(true, predicted, **options):
    """Return the bootstrap intervals of BLEU, ROUGE-L and the exact matches.

    Args:
        true: R texts, what each answer should be.
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
    true, predicted = list(true), list(predicted)
    check_rows(true, predicted)
    rouge = _rouge(true, predicted, ["rouge_l"])[:, 0]
    return {
        "bleu": bootstrap_interval(*_bleu_of_draws(true, predicted), **options),
        "rouge_l": bootstrap_interval(np.mean, rouge, **options),
        "exact_match": bootstrap_interval(np.mean, 100 * exact_matches(true, predicted), **options),
    }


def exact_matches(true, predicted):
    """Return which answers (R,) are their references, but for white space between words.

    Args:
        true: R texts, what each answer should be.
        predicted: R texts.

    Example:
        >>> exact_matches(["a b", "a b"], ["a  b ", "A b"])
        array([1., 0.])
    """
    pairs = zip(true, predicted, strict=True)
    return np.array([a.split() == b.split() for a, b in pairs], dtype=float)


def is_chinese(texts):
    """Return whether a third of the characters of these texts stand for words.

    Args:
        texts: list of texts; of a long one about a thousand are looked at.

    Example:
        >>> is_chinese(["今天天气很好。"]), is_chinese(["a fine day"])
        (True, False)
    """
    text = "".join(texts[:: max(1, len(texts) // 1000)])
    return 3 * sum(map(is_cjk, text)) >= max(1, len(text))


def _bleu(references):
    from sacrebleu.metrics import BLEU

    return BLEU(lowercase=True, tokenize="zh" if is_chinese(references) else "13a")


def _bleu_of_draws(true, predicted):
    """Return a statistic and its arrays: the counts of each sentence, which BLEU adds up."""
    metric = _bleu(true)
    parts = [
        metric.corpus_score([answer], [[reference]])
        for answer, reference in zip(predicted, true, strict=True)
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
    """The tokenizer of ROUGE for Chinese."""

    def tokenize(self, text):
        return [character for character in text.lower() if not character.isspace()]


def _rouge(true, predicted, names):
    """Return the F-measures (R, names), 0 to 100."""
    from rouge_score.rouge_scorer import RougeScorer

    options = {"tokenizer": _Characters()} if is_chinese(true) else {"use_stemmer": True}
    scorer = RougeScorer([ROUGE[name] for name in names], **options)
    found = [scorer.score(*pair) for pair in zip(true, predicted, strict=True)]
    return 100 * np.array([[one[ROUGE[name]].fmeasure for name in names] for one in found])
