"""Small sets made by code, for tagging, spans and pairs: offline, in a second, without a licence.

- `dates`, `dates_zh`: a date as people write it, and its ISO form; no date stands in two splits.
- `places_en`: sentences with people, places and firms. The same made-up words name all three, and
  each sentence of validation and test holds one that training never shows: only context tells.
- `facts_en`: three people in a paragraph, and a question on one of them.
"""

import datetime
import re

import numpy as np

from kerasllm.datasets.examples import Dataset, Pair, Span, Tagged
from kerasllm.datasets.splits import SPLIT_NAMES
from kerasllm.utils.errors import check_choice

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_NUMERALS = "〇一二三四五六七八九"
_FIRST_DAY, _DAYS = datetime.date(1900, 1, 1).toordinal(), 73_049  # to the end of 2099


def english_date(date, form):
    """Write a date in one of four English forms.

    Example:
        >>> [english_date(datetime.date(1999, 5, 3), form) for form in range(4)]
        ['3 May 1999', 'May 3, 1999', 'Monday, 3rd of May 1999', '3 May 99']
    """
    day, month, weekday = date.day, _MONTHS[date.month - 1], f"{date:%A}"
    ending = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return (
        f"{day} {month} {date.year}",
        f"{month} {day}, {date.year}",
        f"{weekday}, {day}{ending} of {month} {date.year}",
        f"{day} {month} {date.year % 100:02d}"
        if 1950 <= date.year < 2050
        else f"{day} {month} {date.year}",
    )[form]


def chinese_date(date, form):
    """Write a date in one of three Chinese forms.

    Example:
        >>> [chinese_date(datetime.date(1999, 5, 23), form) for form in range(3)]
        ['1999年5月23日', '一九九九年五月二十三日', '99年5月23号']
    """
    year = "".join(_NUMERALS[int(digit)] for digit in str(date.year))
    short = f"{date.year % 100:02d}" if 1950 <= date.year < 2050 else str(date.year)
    return (
        f"{date.year}年{date.month}月{date.day}日",
        f"{year}年{_spoken(date.month)}月{_spoken(date.day)}日",
        f"{short}年{date.month}月{date.day}号",
    )[form]


def _spoken(number):
    """Return a number below 100 in Chinese numerals."""
    tens, ones = divmod(number, 10)
    head = "" if tens == 0 else ("" if tens == 1 else _NUMERALS[tens]) + "十"
    return head + (_NUMERALS[ones] if ones else "")


def _dates(size, rng, split, write=english_date, forms=4):
    # A day belongs to a split by its number: the splits share no date.
    number = rng.choice(_DAYS // 5, size, replace=False) * 5
    number += {"train": rng.integers(0, 3, size), "validation": 3, "test": 4}[split]
    for days in number:
        date = datetime.date.fromordinal(_FIRST_DAY + int(days))
        yield Pair(write(date, rng.integers(forms)), date.isoformat())


_STARTS = (
    "Ash", "Bram", "Cald", "Dun", "Elm", "Fair", "Gos", "Hal", "Ire", "Kes", "Lang", "Mar", "Nor",
    "Oak", "Pem", "Quar", "Ros", "Stan", "Thorn", "Whit",
)  # fmt: skip
_ENDS = (
    "bridge", "bury", "by", "combe", "dale", "field", "ford", "ham", "ley", "mere", "stead", "ton",
    "wick", "worth",
)  # fmt: skip
_WORDS = tuple(start + end for end in _ENDS for start in _STARTS)
_GIVEN = (
    "Anna", "Ben", "Clara", "David", "Ella", "Frank", "Grace", "Henry", "Iris", "Jack", "Kate",
    "Leo", "Mary", "Nora", "Oscar", "Paul", "Ruth", "Sam", "Tess", "Will",
)  # fmt: skip
_PATTERNS = {
    "PER": ("{given} {word}", "Mr {word}", "Mrs {word}", "{word}"),
    "LOC": ("{word}", "{word} Street", "North {word}", "Lake {word}"),
    "ORG": ("{word}", "{word} and Sons", "{word} Bank", "Bank of {word}"),
}
_SENTENCES = (
    "<PER> moved from <LOC> to <LOC> last year .",
    "The train to <LOC> stops at <LOC> .",
    "<ORG> has sold its office in <LOC> to <ORG> .",
    "Yesterday <PER> met <PER> near <LOC> .",
    "Shares of <ORG> fell after <PER> resigned .",
    "<PER> was born in <LOC> and works for <ORG> .",
    "It rained all day in <LOC> .",
    "According to <PER> , <ORG> will hire forty people .",
    "We walked from <LOC> to the sea without a map .",
    "<PER> wrote a letter to <ORG> about the noise .",
    "Nobody in <LOC> has heard of <PER> .",
    "The director of <ORG> , <PER> , lives in <LOC> .",
    "The shop was closed , so they went home .",
    "Last week <ORG> opened a factory .",
)


_OWN_WORDS = {"train": (), "validation": _WORDS[::6], "test": _WORDS[3::6]}
_COMMON_WORDS = tuple(word for i, word in enumerate(_WORDS) if i % 3)


def _word(rng, split):
    """Return a made-up word: one of all splits, or one of this split's own."""
    words = _COMMON_WORDS + _OWN_WORDS[split]
    return words[rng.integers(len(words))]


def _places(size, rng, split):
    seen = set()
    while len(seen) < size:
        tokens, tags = [], []
        for piece in _SENTENCES[rng.integers(len(_SENTENCES))].split():
            kind = piece.strip("<>")
            name = _name(kind, rng, split).split() if kind in _PATTERNS else [piece]
            tokens += name
            tags += _bio(kind, len(name)) if kind in _PATTERNS else ["O"]
        example = Tagged(tuple(tokens), tuple(tags))
        if example not in seen and (split == "train" or set(tokens) & set(_OWN_WORDS[split])):
            seen.add(example)
            yield example


def _name(kind, rng, split):
    pattern = _PATTERNS[kind][rng.integers(4)]
    given = _GIVEN[rng.integers(len(_GIVEN))]
    return pattern.format(given=given, word=_word(rng, split))


def _bio(kind, length):
    return [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]


_JOBS = ("baker", "driver", "doctor", "farmer", "nurse", "painter", "teacher", "tailor", "pilot")
_FACTS = (
    ("{who} was born in {answer}.", "Where was {who} born?"),
    ("{who} works as a {job} in {answer}.", "Where does {who} work?"),
    ("In {answer} {who} bought a house.", "When did {who} buy a house?"),
    ("{who} is married to {answer}.", "Who is {who} married to?"),
    ("The best friend of {who} is called {answer}.", "Who is the best friend of {who}?"),
    ("{who} left school in {answer}.", "When did {who} leave school?"),
)


def _facts(size, rng, split):
    for _ in range(size):
        people = rng.choice(_GIVEN, 3, replace=False)
        told = [(who, *_FACTS[i]) for who in people for i in rng.choice(len(_FACTS), 2, False)]
        lines, answers = [], []
        for i in rng.permutation(len(told)):
            who, sentence, question = told[i]
            answer = _answer(question, rng, split)
            job = _JOBS[rng.integers(len(_JOBS))]
            lines.append(sentence.format(who=who, answer=answer, job=job))
            answers.append((question.format(who=who), answer))
        asked = rng.integers(len(lines))
        question, answer = answers[asked]
        start = sum(len(line) + 1 for line in lines[:asked])
        start += re.search(rf"\b{re.escape(answer)}\b", lines[asked]).start()
        yield Span(" ".join(lines), question, ((answer, start),))


def _answer(question, rng, split):
    if question.startswith("When"):
        return str(rng.integers(1950, 2020))
    word = _word(rng, split)
    return word if question.startswith("Where") else f"{_GIVEN[rng.integers(20)]} {word}"


def _chinese_dates(size, rng, split):
    return _dates(size, rng, split, chinese_date, 3)


_MADE = {
    "dates": ("seq2seq", "en", _dates),
    "dates_zh": ("seq2seq", "zh", _chinese_dates),
    "places_en": ("tagging", "en", _places),
    "facts_en": ("span", "en", _facts),
}
_SIZES = {"train": 3_200, "validation": 400, "test": 400}


def load_generated(name, split="train", *, size=None, seed=0):
    """Load one split of a generated set.

    Args:
        name: "dates", "dates_zh", "places_en" or "facts_en".
        split: "train", "validation" or "test".
        size: number of examples; left out: 3,200 for training, 400 for each other split.
        seed: int; the same seed gives the same examples.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: for a split or a size that there is not.

    Example:
        >>> load_generated("dates_zh", "test", size=1)[0].target[:2] in ("19", "20")
        True
    """
    check_choice("split", split, SPLIT_NAMES)
    size = _SIZES[split] if size is None else size
    if not 1 <= size <= 10_000:
        raise ValueError(f"size must be from 1 to 10,000, received {size!r}.")
    task, language, make = _MADE[name]
    rng = np.random.default_rng((seed, SPLIT_NAMES.index(split)))
    info = {"source": "generated", "how_split": f"generated with seed {seed}"}
    examples = make(size, rng, split)
    return Dataset(examples, name=name, split=split, task=task, language=language, info=info)
