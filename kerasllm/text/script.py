"""In which script Chinese is written: a model of the one reads the other badly.

A character is simplified alone if GB 2312 has it and Big5 has not, traditional alone the other way
round; most are both.
"""

import functools
from typing import NamedTuple

CLEAR = 5  # times as many of one script as of the other make a text be in that script
FEW = 0.01  # share of the Han characters that tell the scripts apart: with fewer, none is named


class Script(NamedTuple):
    """The script of Chinese texts.

    Attributes:
        name: "simplified", "traditional", "mixed"; "" without enough Chinese.
        simplified: share of the Han characters that are simplified alone.
        traditional: share that are traditional alone.
    """

    name: str
    simplified: float
    traditional: float

    def __str__(self):
        shares = f"{self.simplified:.0%} of the Han characters are simplified alone, "
        return f"{self.name} Chinese ({shares}{self.traditional:.0%} traditional alone)"


def script_of(texts):
    """Return the `Script` of texts.

    Args:
        texts: iterable of texts, or of tokens.

    Example:
        >>> script_of(["这是说话"]).name, script_of(["這是說話"]).name, script_of(["hi"]).name
        ('simplified', 'traditional', '')
    """
    kinds = [kind for text in texts for kind in map(_kind, text) if kind]
    if not kinds:
        return Script("", 0.0, 0.0)
    simple, old = (kinds.count(kind) / len(kinds) for kind in ("s", "t"))
    if simple + old < FEW:
        return Script("", simple, old)
    name = "mixed"
    if max(simple, old) > CLEAR * min(simple, old):
        name = "simplified" if simple > old else "traditional"
    return Script(name, simple, old)


@functools.cache
def _kind(sign):
    """Return "s" or "t" for a character of one script alone, "b" of both, "" of none."""
    if not "\u4e00" <= sign <= "\u9fff":
        return ""
    simple, old = _has(sign, "gb2312"), _has(sign, "big5")
    return "b" if simple == old else "s" if simple else "t"


def _has(sign, encoding):
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
