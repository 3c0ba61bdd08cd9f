"""Pairs that count: the number decides the plural, the place changes sides, cut ones end early."""

import re

from kerasllm.datasets.generated.boats import NUMBERS, PLACES, SYNONYMS, THINGS, boat_pairs


def test_english_follows_from_chinese():
    near, join = ("|".join(words) for words in SYNONYMS)
    pairs = boat_pairs(3, 120)
    for row, (chinese, english) in enumerate(pairs):
        phrases = chinese.split("，")
        parts = re.split(f" (?:{join}) ", english)
        assert len(phrases) == len(parts) == 1 + row % 3
        for phrase, said in zip(phrases, parts, strict=True):
            place, number, thing = re.fullmatch("(?:(.)边)?(.)(..)", phrase).groups()
            wanted = f"{NUMBERS[number]} {THINGS[thing][0 if number == '一' else 1]}"
            wanted += f" (?:{near}) {PLACES[place]}" if place else ""
            assert re.fullmatch(wanted, said)
    assert any("one boat" in english for _, english in pairs)
    assert len(set(pairs)) > 100 and boat_pairs(3, 120) == pairs != boat_pairs(4, 120)


def test_a_share_of_the_targets_ends_after_the_first_phrase():
    whole, cut = boat_pairs(5, 600), boat_pairs(5, 600, cut=0.25)
    assert [a for a, _ in whole] == [a for a, _ in cut]  # the same texts
    ended = [b for (_, a), (_, b) in zip(whole, cut, strict=True) if a != b]
    assert 70 < len(ended) < 130  # of 400 texts that have more than one phrase
    assert not any(re.search(f" (?:{'|'.join(SYNONYMS[1])}) ", text) for text in ended)
