"""Scores of written answers against references, with intervals, and what a network has to beat.

- BLEU and chrF are sacrebleu's, lower-cased, Chinese by its own tokenizer; ROUGE is rouge-score's,
  Chinese by characters.
- All scores but the loss lie between 0 and 100.
"""

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval
from kerasllm.text.tokenizers.special import is_cjk

ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


def scores(answers, references, names=("bleu", "chrf", "rouge_1", "rouge_2", "rouge_l")):
    """Return {name: score} of answers, and always "exact_match".

    Args:
        answers: R texts.
        references: R texts, what each answer should be.
        names: of "bleu", "chrf", "rouge_1", "rouge_2" and "rouge_l".

    Example:
        >>> found = scores(["the cat sat down", "no"], ["The cat sat down", "yes"], ["bleu"])
        >>> round(found["exact_match"]), 50 < found["bleu"] < 100
        (0, True)
    """
    answers, references = list(answers), list(references)
    result = {}
    if "bleu" in names:
        result["bleu"] = _bleu(references).corpus_score(answers, [references]).score
    if "chrf" in names:
        result["chrf"] = _chrf().corpus_score(answers, [references]).score
    wanted = [name for name in names if name in ROUGE]
    if wanted:
        result |= dict(zip(wanted, _rouge(answers, references, wanted).mean(axis=0), strict=True))
    result["exact_match"] = 100 * exact(answers, references).mean()
    return {name: float(score) for name, score in result.items()}


def exact(answers, references):
    """Return which answers (R,) are their references, but for white space between words."""
    pairs = zip(answers, references, strict=True)
    return np.array([a.split() == b.split() for a, b in pairs], dtype=float)


def intervals(answers, references, seed=0):
    """Return the 95 % bootstrap intervals of BLEU, ROUGE-L and the exact matches.

    Args:
        answers: R texts.
        references: R texts.
        seed: of the draws.
    """
    answers, references = list(answers), list(references)
    metric = _bleu(references, effective_order=True)  # which sentences of under 4 words need
    parts = [metric.sentence_score(*pair) for pair in _each(answers, references)]
    counts, totals = np.array([p.counts for p in parts]), np.array([p.totals for p in parts])
    lengths = np.array([(p.sys_len, p.ref_len) for p in parts])

    def bleu(counts, totals, lengths):
        sums = counts.sum(axis=0).tolist(), totals.sum(axis=0).tolist()
        return metric.compute_bleu(*sums, *lengths.sum(axis=0).tolist()).score

    rouge = _rouge(answers, references, ["rouge_l"])[:, 0]
    return {
        "bleu": bootstrap_interval(bleu, counts, totals, lengths, seed=seed),
        "rouge_l": bootstrap_interval(np.mean, rouge, seed=seed),
        "exact_match": bootstrap_interval(np.mean, 100 * exact(answers, references), seed=seed),
    }


def is_chinese(texts):
    """Return whether a third of the characters of these texts stand for words.

    Example:
        >>> is_chinese(["今天天气很好。"]), is_chinese(["a fine day"])
        (True, False)
    """
    text = "".join(texts[:: max(1, len(texts) // 1000)])
    return 3 * sum(map(is_cjk, text)) >= max(1, len(text))


def _bleu(references, **options):
    from sacrebleu.metrics import BLEU

    return BLEU(lowercase=True, tokenize="zh" if is_chinese(references) else "13a", **options)


def _chrf():
    from sacrebleu.metrics import CHRF

    return CHRF(lowercase=True)


def _each(answers, references):
    return ((answer, [reference]) for answer, reference in zip(answers, references, strict=True))


class _Characters:
    """The tokenizer of ROUGE for Chinese."""

    def tokenize(self, text):
        return [character for character in text.lower() if not character.isspace()]


def _rouge(answers, references, names):
    """Return the F-measures (R, names), 0 to 100."""
    from rouge_score.rouge_scorer import RougeScorer

    options = {"tokenizer": _Characters()} if is_chinese(references) else {"use_stemmer": True}
    scorer = RougeScorer([ROUGE[name] for name in names], **options)
    found = (scorer.score(r, a) for a, r in zip(answers, references, strict=True))
    return 100 * np.array([[one[ROUGE[name]].fmeasure for name in names] for one in found])
