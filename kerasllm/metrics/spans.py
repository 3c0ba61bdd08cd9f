"""Scores of answers that stand in a context: SQuAD's rules, and CMRC's for Chinese.

No kept library has these rules: they are those of the scripts published with the sets. Scores of
a set are in percent, as these scripts print them.
"""

import re
import string
import unicodedata
from collections import Counter
from difflib import SequenceMatcher
from functools import partial

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval, pooled_mean
from kerasllm.metrics.counts import check_rows
from kerasllm.metrics.writing import WITHOUT_SPACES, writing_of
from kerasllm.text import split_words

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_MARKS = str.maketrans("", "", string.punctuation)
_HAN = re.compile("[\u4e00-\u9fa5]")
# The marks that CMRC's rules name; a full stop between Latin words is not among them.
_CMRC_MARKS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_WITHOUT_CMRC_MARKS = str.maketrans("", "", _CMRC_MARKS)


def normal_answer(text, writing="en"):
    """Return an answer in small letters, without marks, spare white space and English articles.

    Args:
        text: the answer.
        writing: of `writing_of`. Articles are English words, and elsewhere stay; elsewhere all of
            Unicode's marks are left out.

    Example:
        >>> normal_answer("The  U.S.A., an idea"), normal_answer("«an» der Oder", "other")
        ('usa idea', 'an der oder')
    """
    if writing != "en":
        marks = (c for c in text.lower() if unicodedata.category(c)[0] not in "PS")
        return " ".join("".join(marks).split())
    text = text.lower().translate(_WITHOUT_MARKS)
    return " ".join(_ARTICLES.sub(" ", text).split())


def squad_score(answer, references, writing="en"):
    """Return (exact match, F1) of an answer, each the best over the references.

        F1 = 2 P R / (P + R),  P = common words / words of the answer,  R = … / of the reference

    Args:
        answer: text, "" for none.
        references: list of texts; an empty list where the context holds no answer.
        writing: of `writing_of`; where it has no spaces, characters are compared for words.

    Returns:
        Two floats from 0 to 1. References of which nothing is left (such as "the") do not count;
        where none is left, no answer is right: both are 1 for an answer of which nothing is left
        either, else 0.

    Source: Rajpurkar et al. 2016, section 6.1; Rajpurkar et al. 2018 (no answer), and the script
    published with it.

    Example:
        >>> squad_score("the Eiffel Tower", ["Eiffel tower", "Paris"]), squad_score("in Paris", [])
        ((1.0, 1.0), (0.0, 0.0))
        >>> squad_score("in Paris", ["Paris"])[1]
        0.6666666666666666
    """
    mine, *plain = (normal_answer(text, writing) for text in (answer, *references))
    plain, cut = [text for text in plain if text] or [""], str.split
    if writing in WITHOUT_SPACES:
        cut = _characters
    return float(mine in plain), max(_overlap(cut(mine), cut(text)) for text in plain)


def _characters(text):
    return [character for character in text if not character.isspace()]


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


def span_scores(true, predicted):
    """Score the answer to each question.

    Args:
        true: span `Dataset` of R questions; in Chinese it is scored by CMRC's rules, else by
            SQuAD's, whose articles are left out in English alone.
        predicted: R texts, "" for none.

    Returns:
        {"exact": (R,), "f1": (R,)} in percent.

    Raises:
        ValueError: no questions, or not an answer for each.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Span
        >>> rows = [Span("Ada came.", "Who came?", (("Ada", 0),))]
        >>> span_scores(Dataset(rows, name="own", split="test", task="span"), ["ada!"])
        {'exact': array([100.]), 'f1': array([100.])}
    """
    check_rows(true, predicted)
    writing = _writing(true)
    score = cmrc_score if writing == "zh" else partial(squad_score, writing=writing)
    rows = [
        score(answer, [text for text, _ in example.answers])
        for example, answer in zip(true, predicted, strict=True)
    ]
    return dict(zip(("exact", "f1"), 100 * np.array(rows).T, strict=True))


def _writing(dataset):
    """Return the writing of a span `Dataset`: what its language says, else how it looks."""
    if dataset.language.startswith("zh"):
        return "zh"
    if dataset.language.split("-")[0] not in ("en", ""):
        found = writing_of(dataset.texts)
        return found if found in WITHOUT_SPACES else "other"
    return writing_of(dataset.texts)


def span_signature(true):
    """Return how the answers to the questions of a span `Dataset` are scored.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Span
        >>> rows = [Span("Ada kam.", "Wer kam?", (("Ada", 0),))]
        >>> span_signature(Dataset(rows, name="x", split="test", task="span", language="de"))
        'rules:squad|case:lc|articles:kept|marks:unicode|units:words'
    """
    writing = _writing(true)
    if writing == "zh":
        return "rules:cmrc|case:lc|marks:cmrc|units:characters"
    english = writing == "en"
    units = "characters" if writing in WITHOUT_SPACES else "words"
    articles, marks = ("english", "ascii") if english else ("kept", "unicode")
    return f"rules:squad|case:lc|articles:{articles}|marks:{marks}|units:{units}"


def span_metrics(true, predicted):
    """Score answers to questions.

    Args:
        true: span `Dataset` of R questions.
        predicted: R texts, "" for none.

    Returns:
        {"exact", "f1"} in percent; where some questions have no answer also "no_answer", the share
        of the questions on which it was right whether there is an answer.

    Raises:
        ValueError: no questions, or not an answer for each.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Span
        >>> rows = [Span("Ada came.", "Who came?", (("Ada", 0),)), Span("Ada came.", "Why?", ())]
        >>> data = Dataset(rows, name="own", split="test", task="span")
        >>> span_metrics(data, ["Ada", "She came"])
        {'exact': 50.0, 'f1': 50.0, 'no_answer': 50.0}
    """
    metrics = {name: float(rows.mean()) for name, rows in span_scores(true, predicted).items()}
    answered = [bool(_counted(true, example)) for example in true]
    if not all(answered):
        right = np.array(answered) == [bool(answer) for answer in predicted]
        metrics["no_answer"] = 100 * float(right.mean())
    return metrics


def _counted(true, example):
    """Return the references of a question that count: in English those of which words are left."""
    texts = [text for text, _ in example.answers]
    return texts if true.language.startswith("zh") else [t for t in texts if normal_answer(t)]


def span_intervals(true, predicted, **options):
    """Return the bootstrap intervals of "exact" and "f1" in percent.

    Contexts are drawn with all their questions, which depend on each other.

    Args:
        true: span `Dataset` of R questions.
        predicted: R texts, "" for none.
        **options: samples, confidence and seed of `bootstrap_interval`.

    Returns:
        {name: (low, high)}.

    Raises:
        ValueError: no questions, or not an answer for each.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Span
        >>> rows = [Span("Ada came.", "Who came?", (("Ada", 0),))]
        >>> span_intervals(Dataset(rows, name="own", split="test", task="span"), ["Ada"])["f1"]
        (100.0, 100.0)
    """
    numbers = {context: number for number, context in enumerate(dict.fromkeys(true.texts))}
    context = np.array([numbers[text] for text in true.texts])  # (R,)
    return {
        name: bootstrap_interval(
            pooled_mean, np.bincount(context, scores), np.bincount(context), **options
        )
        for name, scores in span_scores(true, predicted).items()
    }
