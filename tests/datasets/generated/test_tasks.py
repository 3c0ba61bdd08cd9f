"""The sets made by code: right by construction, the same each time, no example in two splits."""

import datetime
import re

import pytest

from kerasllm.datasets import load
from kerasllm.datasets.generated.tasks import chinese_date, english_date
from kerasllm.text.entities import breaks

NAMES = ("dates", "dates_zh", "places_en", "facts_en")


@pytest.fixture(params=NAMES)
def parts(request):
    return [load(request.param, split) for split in ("train", "validation", "test")]


def test_sizes_and_no_example_in_two_splits(parts):
    assert [len(part) for part in parts] == [3_200, 400, 400]
    assert len({example for part in parts for example in part}) == 4_000


def test_the_same_seed_gives_the_same_set(parts):
    name = parts[0].name
    assert load(name).fingerprint == parts[0].fingerprint
    assert load(name, seed=1).fingerprint != parts[0].fingerprint
    assert len(load(name, "test", size=7)) == 7


def test_no_date_stands_in_two_splits():
    for name in ("dates", "dates_zh"):
        dates = [{pair.target for pair in load(name, s)} for s in ("train", "validation", "test")]
        assert len(set().union(*dates)) == 4_000


def test_dates_read_back():
    # strptime is the oracle for every form that it knows.
    forms = {r"\d+ \w+ \d{4}": "%d %B %Y", r"\w+ \d+, \d{4}": "%B %d, %Y"}
    checked = 0
    for pair in load("dates"):
        for form, pattern in forms.items():
            if re.fullmatch(form, pair.source):
                date = datetime.datetime.strptime(pair.source, pattern).date()
                assert date.isoformat() == pair.target
                checked += 1
    assert checked > 1_000


def test_chinese_dates_read_back():
    digits = {numeral: str(i) for i, numeral in enumerate("〇一二三四五六七八九")}

    def number(text):
        if text.isdigit():
            return int(text)
        tens, ten, ones = text.rpartition("十")
        return 10 * int(digits[tens] if tens else bool(ten)) + int(digits[ones] if ones else 0)

    for pair in load("dates_zh"):
        year, month, day = re.fullmatch("(.+)年(.+)月(.+)[日号]", pair.source).groups()
        assert (number(month), number(day)) == tuple(map(int, pair.target.split("-")[1:]))
        assert pair.target[:4].endswith("".join(digits.get(sign, sign) for sign in year))


@pytest.mark.parametrize(
    ("day", "ending"), [(1, "st"), (2, "nd"), (11, "th"), (13, "th"), (23, "rd")]
)
def test_ordinals(day, ending):
    date = datetime.date(2001, 7, day)
    assert f" {day}{ending} of July 2001" in english_date(date, 2)


def test_a_short_year_is_written_only_where_it_is_clear():
    assert english_date(datetime.date(1901, 2, 3), 3) == "3 February 1901"
    assert chinese_date(datetime.date(2051, 2, 3), 2) == "2051年2月3号"


def test_places_are_told_by_context_alone():
    train, _, test = (load("places_en", split) for split in ("train", "validation", "test"))
    assert train.labels == ("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O")
    assert all(not list(breaks(example.tags, "bio")) for part in (train, test) for example in part)
    kinds = {}
    for example in train:
        for token, tag in zip(example.tokens, example.tags, strict=True):
            kinds.setdefault(token, set()).add(tag[2:])
    assert sum(kinds[word] >= {"LOC", "ORG", "PER"} for word in kinds) > 150
    seen = set(kinds)
    assert all(set(example.tokens) - seen for example in test)


def test_answers_stand_where_they_are_said_to():
    for example in load("facts_en"):
        ((text, start),) = example.answers
        assert example.context[start : start + len(text)] == text
        who = next(name for name in re.findall(r"[A-Z][a-z]+", example.question)[1:])
        first = example.context.rfind(".", 0, start) + 1
        assert who in example.context[first : example.context.index(".", start)]


def test_splits_and_sizes_that_do_not_exist():
    with pytest.raises(ValueError, match="Did you mean 'test'"):
        load("dates", "tests")
    with pytest.raises(ValueError, match="size must be from 1 to 10,000, received 0"):
        load("places_en", size=0)
