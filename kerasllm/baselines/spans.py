"""What span extraction has to beat, without any training: the words that the question repeats."""

import math
import re
from collections import Counter
from itertools import pairwise

from kerasllm.baselines.baseline import Baseline
from kerasllm.metrics.spans import span_metrics
from kerasllm.text import split_words
from kerasllm.text.tokenizers.special import is_cjk, is_word_character

LONGEST = 4  # words of an answer at most; of Chinese characters twice as many
# Words too frequent to answer anything, or to find an answer by.
_COMMON = frozenset(
    """a an and are as at be been by did do does for from had has have he her his how i in is it its
    of on or s she that the their they this to was were what when where which who whom whose why
    will with 的 了 是 在 和 与 有 为 于 中 什 么 吗 哪 谁 何""".split()  # noqa: SIM905
)
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|[。！？]|$)", re.DOTALL)


def first_sentence(_train, test):
    """Answer each question with the first sentence of its context; nothing is learned.

    Args:
        _train: ignored; here for the shape that all baselines have.
        test: span `Dataset`.

    Returns:
        `Baseline`, whose predictions are texts.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Span
        >>> rows = [Span("Ada is a poet. Bob was ill.", "Who was ill?", (("Bob", 15),))]
        >>> first_sentence(None, Dataset(rows, name="x", split="test", task="span")).predicted
        ['Ada is a poet.']
    """
    answers = [opening(example.context) for example in test]
    return Baseline("first_sentence", answers, span_metrics(test, answers))


def sliding_window(_train, test):
    """Answer each question with the words that stand nearest to its own; nothing is learned.

    Args:
        _train: ignored; here for the shape that all baselines have.
        test: span `Dataset`.

    Returns:
        `Baseline`, whose predictions are texts; see `nearest_words`.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Span
        >>> rows = [Span("Ada is a poet. Bob was ill.", "Who was ill?", (("Bob", 15),))]
        >>> sliding_window(None, Dataset(rows, name="x", split="test", task="span")).predicted
        ['Bob']
    """
    answers = [nearest_words(example.question, example.context) for example in test]
    return Baseline("sliding_window", answers, span_metrics(test, answers))


def opening(text):
    """Return the first sentence of a text.

    Example:
        >>> opening(" Ada is a poet. Bob was ill.")
        'Ada is a poet.'
    """
    start, end = sentences(text)[0]
    return text[start:end]


def sentences(text):
    """Return (start, end) of the sentences of a text, without white space at the edges.

    Example:
        >>> text = "It was 3.5 m. Was it? 是的。好！"
        >>> [text[a:b] for a, b in sentences(text)]
        ['It was 3.5 m.', 'Was it?', '是的。', '好！']
    """
    found = []
    for match in _SENTENCE.finditer(text):
        if match[0].strip():
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            found.append((start, start + len(match[0].strip())))
    return found or [(0, len(text))]


def words(text):
    """Return (start, end) of the words of a text; a Chinese character is a word.

    Example:
        >>> text = "In 1999, 北京"
        >>> [text[a:b] for a, b in words(text)]
        ['In', '1999', ',', '北', '京']
    """
    spans = []
    for start, end in split_words(text):
        cut = start
        for i in range(start, end):
            if is_cjk(text[i]):
                spans += [(cut, i), (i, i + 1)]
                cut = i + 1
        spans.append((cut, end))
    return [(start, end) for start, end in spans if start < end]


def nearest_words(question, context):
    """Return the words of the likeliest sentence that stand nearest to those of the question.

        sentence  = argmax |unigrams and bigrams of the question in it|
        answer    = argmax over its runs A of new words of  max_j Σ_{k < w} IC(word_{j+k})
                    over words in the question or A,  w = |question| + |A|
        IC(word)  = ln(1 + 1 / count of the word in the context)

    Args:
        question: text.
        context: text.

    Differences from the paper: runs of words without marks, common words and words of the question
    stand in for the constituents of a parser.

    Source: Rajpurkar et al. 2016, section 5.1; Richardson et al. 2013, algorithm 1.

    Example:
        >>> context = "Ada is a poet. Ada was born in London in 1815. Bob was ill."
        >>> nearest_words("When was Ada born in London?", context)
        '1815'
    """
    asked = _forms(question, words(question))
    spans = [words(context[a:b]) for a, b in sentences(context)]
    spans = [[(a + p, a + q) for p, q in part] for (a, _), part in
             zip(sentences(context), spans, strict=True)]  # fmt: skip
    count = Counter(form for part in spans for form in _forms(context, part))
    best = max(spans, key=lambda part: _repeated(asked, _forms(context, part)))
    forms = _forms(context, best)
    content = set(asked) - _COMMON
    runs = list(_runs(context, best, forms, set(asked)))
    if not runs:
        return context[best[0][0] : best[-1][1]] if best else ""
    first, last = max(runs, key=lambda run: _near(forms, run, content, len(asked), count))
    return context[best[first][0] : best[last][1]]


def _forms(text, spans):
    return [text[start:end].lower() for start, end in spans]


def _repeated(asked, forms):
    """Return how many content words and pairs of words of the question a sentence holds."""
    single = (set(asked) - _COMMON) & set(forms)
    pairs = set(pairwise(asked)) & set(pairwise(forms))
    return len(single) + len(pairs)


def _runs(text, spans, forms, asked):
    """Yield (first, last) of the longest runs of new words, cut to `LONGEST`."""
    new = [form not in asked and form not in _COMMON and is_word_like(form) for form in forms]
    start = 0
    while start < len(new):
        if not new[start]:
            start += 1
            continue
        longest = 2 * LONGEST if is_cjk(text[spans[start][0]]) else LONGEST
        stop = start
        while stop < len(new) and new[stop] and stop - start < longest:
            stop += 1
        yield start, stop - 1
        start = stop


def is_word_like(form):
    """Tell whether a form begins with a letter, a digit or a Chinese character."""
    return is_word_character(form[0]) or is_cjk(form[0])


def _near(forms, run, asked, length, count):
    """Return the weight of the best window of words that holds the run."""
    first, last = run
    weight = [
        math.log(1 + 1 / count[form]) if form in asked or first <= i <= last else 0.0
        for i, form in enumerate(forms)
    ]
    width = length + last - first + 1
    begins = range(max(0, last - width + 1), first + 1)
    return max(sum(weight[j : j + width]) for j in begins)
