"""Scores of answers: SQuAD's rules, and CMRC's for Chinese."""

import re
import string
from collections import Counter
from difflib import SequenceMatcher

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval, mean_loss
from kerasllm.text import split_words

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_MARKS = str.maketrans("", "", string.punctuation)
_HAN = re.compile("[\u4e00-\u9fa5]")
# The marks that CMRC's rules name; a full stop between Latin words is not among them.
_CMRC_MARKS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_WITHOUT_CMRC_MARKS = str.maketrans("", "", _CMRC_MARKS)


def normal_answer(text):
    """Return an English answer in small letters, without marks, articles and spare white space.

    Example:
        >>> normal_answer("The  U.S.A., an idea")
        'usa idea'
    """
    text = text.lower().translate(_WITHOUT_MARKS)
    return " ".join(_ARTICLES.sub(" ", text).split())


def squad_score(answer, references):
    """Return (exact match, F1) of an answer, each the best over the references.

        F1 = 2 P R / (P + R),  P = common words / words of the answer,  R = … / of the reference

    Args:
        answer: text, "" for none.
        references: list of texts; an empty list where the context holds no answer.

    Returns:
        Two floats from 0 to 1. Where nothing is left of the answer or of the reference, both are 1
        if nothing is left of either, else 0.

    Source: Rajpurkar et al. 2016, section 6.1; Rajpurkar et al. 2018 (no answer).

    Example:
        >>> squad_score("the Eiffel Tower", ["Eiffel tower", "Paris"]), squad_score("in Paris", [])
        ((1.0, 1.0), (0.0, 0.0))
        >>> squad_score("in Paris", ["Paris"])[1]
        0.6666666666666666
    """
    pairs = [(normal_answer(answer), normal_answer(text)) for text in references or [""]]
    exact = max(float(mine == theirs) for mine, theirs in pairs)
    return exact, max(_overlap(mine.split(), theirs.split()) for mine, theirs in pairs)


def _overlap(mine, theirs):
    if not mine or not theirs:
        return float(mine == theirs)
    return _f1((Counter(mine) & Counter(theirs)).total(), mine, theirs)


def _f1(common, mine, theirs):
    return 2 * common / (len(mine) + len(theirs))  # = 2 P R / (P + R)


def cmrc_units(text):
    """Return the units of a Chinese answer: characters, and words of other scripts; no marks.

    Example:
        >>> cmrc_units("《我爱GPT-4 models》。")
        ['我', '爱', 'gpt4', 'models']
    """
    text = text.lower().strip().translate(_WITHOUT_CMRC_MARKS)
    units, rest = [], 0
    for match in _HAN.finditer(text):
        units += [*_words(text[rest : match.start()]), match[0]]
        rest = match.end()
    return units + _words(text[rest:])


def _words(text):
    return [text[start:end] for start, end in split_words(text)]


def cmrc_score(answer, references):
    """Return (exact match, F1) of a Chinese answer, each the best over the references.

        F1 = 2 P R / (P + R),  P = longest common run of units / units of the answer,  R = …

    Args:
        answer: text, "" for none.
        references: list of texts; an empty list where the context holds no answer.

    Source: Cui et al. 2019, and the script published with the set: the common part is one unbroken
    run.

    Example:
        >>> cmrc_score("在北京。", ["北京", "上海"])
        (0.0, 0.8)
    """
    references = references or [""]
    plain = [text.lower().strip().translate(_WITHOUT_CMRC_MARKS) for text in [answer, *references]]
    exact = float(plain[0] in plain[1:])
    mine = cmrc_units(answer)
    return exact, max(_common_run(mine, cmrc_units(text)) for text in references)


def _common_run(mine, theirs):
    if not mine or not theirs:
        return float(mine == theirs)
    match = SequenceMatcher(None, mine, theirs, autojunk=False).find_longest_match()
    return _f1(match.size, mine, theirs)


def span_scores(answers, dataset):
    """Return {"exact": (R,), "f1": (R,)}, the scores of the answers to each question in percent.

    Args:
        answers: R texts, "" for none.
        dataset: span `Dataset`; in Chinese it is scored by CMRC's rules, else by SQuAD's.
    """
    score = cmrc_score if dataset.language.startswith("zh") else squad_score
    pairs = [
        score(answer, [text for text, _ in example.answers])
        for answer, example in zip(answers, dataset, strict=True)
    ]
    exact, f1 = 100 * np.array(pairs).reshape(-1, 2).T
    return {"exact": exact, "f1": f1}


def span_metrics(answers, dataset):
    """Return {"exact", "f1"} in percent, and where some questions have no answer "no_answer".

    "no_answer" is the share of the questions on which it was right whether there is an answer.
    """
    metrics = {name: float(rows.mean()) for name, rows in span_scores(answers, dataset).items()}
    if not all(example.answers for example in dataset):
        right = [bool(a) == bool(e.answers) for a, e in zip(answers, dataset, strict=True)]
        metrics["no_answer"] = 100 * float(np.mean(right))
    return metrics


def span_intervals(answers, dataset):
    """Return the intervals of "exact" and "f1": contexts are drawn with all their questions."""
    contexts = {example.context: number for number, example in enumerate(dataset)}
    numbers = np.array([contexts[example.context] for example in dataset])
    rows = np.bincount(numbers)
    held = rows > 0
    return {
        name: bootstrap_interval(mean_loss, np.bincount(numbers, scores)[held], rows[held])
        for name, scores in span_scores(answers, dataset).items()
    }
