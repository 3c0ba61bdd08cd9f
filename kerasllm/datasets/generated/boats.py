"""Texts that count things, in Chinese and English: for lessons on translation.

    桥边两条船，一只羊        two boats near bridges and one sheep

- Chinese does not say the plural: it has to be found in the number.
- The place stands first in Chinese, last in English.
- Some English words have synonyms, drawn at random: a text has several right translations.
"""

import numpy as np

NUMBERS = {
    "一": "one", "两": "two", "三": "three", "四": "four", "五": "five", "六": "six", "七": "seven",
    "八": "eight", "九": "nine",
}  # fmt: skip
THINGS = {
    "条船": ("boat", "boats"), "个人": ("person", "people"), "只羊": ("sheep", "sheep"),
    "条鱼": ("fish", "fish"), "只鸟": ("bird", "birds"), "只猫": ("cat", "cats"),
    "匹马": ("horse", "horses"), "棵树": ("tree", "trees"), "本书": ("book", "books"),
    "扇门": ("door", "doors"),
}  # fmt: skip
PLACES = {"桥": "bridges", "山": "hills", "河": "rivers", "湖": "lakes", "海": "seas"}
SYNONYMS = (("near", "by", "beside"), ("and", "plus", "with"))


def boat_pairs(seed, count, cut=0.0):
    """Return texts of one, two, three phrases, one, two, ... as (Chinese, English).

    Args:
        seed: of every draw.
        count: how many texts.
        cut: share of the texts whose English ends after the first phrase.

    Example:
        >>> for pair in boat_pairs(0, 2):
        ...     print(*pair)
        八匹马 eight horses
        海边三个人，湖边六扇门 three people by seas with six doors by lakes
    """
    rng, pairs = np.random.default_rng(seed), []
    for row in range(count):
        chinese, english = zip(*(_phrase(rng) for _ in range(1 + row % 3)), strict=True)
        rest = [f" {rng.choice(SYNONYMS[1])} {phrase}" for phrase in english[1:]]
        whole = rng.random() >= cut
        pairs.append(("，".join(chinese), english[0] + ("".join(rest) if whole else "")))
    return pairs


def _phrase(rng):
    number, thing, place = (rng.choice(list(some)) for some in (NUMBERS, THINGS, PLACES))
    chinese = f"{number}{thing}"
    english = f"{NUMBERS[number]} {THINGS[thing][number != '一']}"
    if rng.random() < 0.5:
        return chinese, english
    return f"{place}边{chinese}", f"{english} {rng.choice(SYNONYMS[0])} {PLACES[place]}"
