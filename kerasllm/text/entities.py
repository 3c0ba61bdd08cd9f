"""Entities written as one tag a token, and read by the rules of conlleval.

    iob1    I-PER I-PER O; B- only where an entity follows another of its type
    bio     B-PER I-PER O
    bioes   B-PER E-PER O, and S-LOC for an entity of one token
    bmes    M- for I-;   bilou: L- for E- and U- for S-;   bmewo: M- for I- and W- for S-

Every row of tags has entities: where tags break their scheme, one begins (`find_spans`).
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from kerasllm.utils.errors import check_choice

SCHEMES = ("bio", "bioes", "iob1")
# How a scheme writes the begin of an entity, its inside and its end, and one of a single token.
ALPHABETS = {
    "bio": "BI", "iob1": "BI", "bioes": "BIES", "bmes": "BMES", "bilou": "BILU", "bmewo": "BMEW",
}  # fmt: skip
_LETTERS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
_NAMED = re.compile(r"([BIMELSUW])[-_](.+)", re.DOTALL)


def scheme_of(sentences):
    """Return the scheme, one of `tag_schemes.SCHEMES`, in which the tags of sentences are written.

    It is the scheme that the fewest tags break. Only where most tags, apart from O and the most
    frequent one, have no letter of any scheme, it is "none".

    Args:
        sentences: list of sequences of tags.

    Example:
        >>> scheme_of([["O", "I-LOC", "B-LOC"]]), scheme_of([["O", "B-LOC", "I-LOC"]])
        ('iob1', 'bio')
        >>> scheme_of([["S-LOC"]]), scheme_of([["B-LOC", "M-LOC", "E-LOC"]]), scheme_of([["NN"]])
        ('bioes', 'bmes', 'none')
    """
    counts = Counter(tag for sentence in sentences for tag in sentence)
    if not _mostly_named(counts):
        return "none"
    found = {}
    for scheme in ALPHABETS:
        broken = sum(1 for tags in sentences for _ in breaks(tags, scheme))
        if not broken:
            return scheme
        foreign = sum(n for tag, n in counts.items() if not role_of(tag, scheme)[0])
        found[scheme] = broken, foreign
    return min(found, key=found.get)


def _mostly_named(counts):
    """Return whether most tags that are not O, or stand for it, have the letter of a scheme."""
    named = sum(n for tag, n in counts.items() if _NAMED.fullmatch(tag.upper()))
    others = [n for tag, n in counts.items() if not _NAMED.fullmatch(tag.upper()) and tag != "O"]
    return named > 0 and named > sum(others) - max(others, default=0)


def breaks(tags, scheme):
    """Yield (position, advice) wherever tags break a scheme: what would be right there.

    Args:
        tags: tags of one sentence.
        scheme: a name in `ALPHABETS`.

    The position after the last token is that of the end.

    Example:
        >>> list(breaks(["O", "I-LOC"], "bio"))
        [(1, "I-LOC follows O; a name begins with B-: expected 'B-LOC'")]
        >>> list(breaks(["B-LOC", "L-LOC"], "bilou"))
        []
    """
    closes, last = len(ALPHABETS[scheme]) > 2, "O"
    before, before_kind = "O", ""
    for position, tag in enumerate([*tags, "O"]):
        role, kind = role_of(tag, scheme)
        inside, goes_on = role in ("I", "E"), before in ("B", "I") and kind == before_kind
        if not role:
            yield position, _no_tag(tag, scheme)
        elif scheme == "iob1" and role == "B" and not goes_on:
            yield position, f"{tag} follows {last}; in IOB1 this name begins with 'I-{kind}'"
        elif scheme != "iob1" and inside and not goes_on:
            yield position, f"{tag} follows {last}; a name begins with {_first(tag, scheme)}"
        elif closes and before in ("B", "I") and not inside:
            yield position, f"{last} is not ended: expected {_last(last, scheme)} as its last tag"
        before, before_kind = (role, kind) if role else parts_of(tag)
        last = tag


@lru_cache(4096)
def role_of(tag, scheme):
    """Return what a tag says in a scheme, of B, I, E, S and O, and its type; "" for no tag."""
    if tag == "O":
        return "O", ""
    found = _NAMED.fullmatch(tag)
    place = ALPHABETS[scheme].find(found[1]) if found else -1
    return ("BIES"[place], found[2]) if place >= 0 else ("", tag)


def _no_tag(tag, scheme):
    letters = ", ".join(f"{letter}-" for letter in ALPHABETS[scheme])
    return f"{tag!r} is no tag of {scheme.upper()}: expected O or {letters} and the kind of a name"


def _first(tag, scheme):
    begins = ALPHABETS[scheme][::3]  # B, and the letter of an entity of one token
    expected = " or ".join(repr(letter + tag[1:]) for letter in begins)
    return f"{'- or '.join(begins)}-: expected {expected}"


def _last(tag, scheme):
    return repr(ALPHABETS[scheme][2] + tag[1:])


def parts_of(tag):
    """Return the letter of a tag and its type; the letter is "" for a tag of no scheme.

    Example:
        >>> parts_of("B-PER"), parts_of("M-city-name"), parts_of("O"), parts_of("NN")
        (('B', 'PER'), ('I', 'city-name'), ('O', ''), ('', 'NN'))
        >>> parts_of("U_LOC")
        ('S', 'LOC')
    """
    if tag == "O":
        return "O", ""
    found = _NAMED.fullmatch(tag)
    return (_LETTERS[found[1]], found[2]) if found else ("", tag)


def find_spans(tags):
    """Return the entities (type, start, end) in a row of tags, end not included.

    By the rules of conlleval: an entity begins at B and S, after O, E and S, and where the type
    changes; it ends where another begins, at O, and behind E and S. So no tag but O is lost.

    Example:
        >>> find_spans(["B-PER", "I-PER", "O", "I-LOC", "I-ORG"])
        [('PER', 0, 2), ('LOC', 3, 4), ('ORG', 4, 5)]

    Source: conlleval, the scorer of the CoNLL-2000 shared task.
    """
    spans, before, open_type, start = [], "O", None, 0
    for place, tag in enumerate([*tags, "O"]):
        letter, kind = parts_of(tag)
        begins = letter in ("B", "S") or before in ("O", "E", "S") or kind != open_type
        if open_type is not None and (letter == "O" or begins):
            spans.append((open_type, start, place))
            open_type = None
        if letter != "O" and begins:
            open_type, start = kind, place
        before = letter
    return spans


def write_tags(spans, length, scheme="bio"):
    """Return the row of tags that stands for entities.

    Args:
        spans: (type, start, end) of each entity.
        length: tokens in the row.
        scheme: "bio", "bioes" or "iob1".

    Example:
        >>> write_tags([("PER", 0, 2), ("LOC", 3, 4)], 4, "bioes")
        ['B-PER', 'E-PER', 'O', 'S-LOC']
    """
    check_choice("scheme", scheme, SCHEMES)
    tags, last = ["O"] * length, (None, None)
    for kind, start, end in spans:
        tags[start:end] = [f"I-{kind}"] * (end - start)
        if scheme != "iob1" or last == (kind, start):
            tags[start] = f"B-{kind}"
        if scheme == "bioes":
            tags[end - 1] = f"E-{kind}" if end - start > 1 else f"S-{kind}"
        last = kind, end
    return tags


def convert_tags(tags, scheme="bio"):
    """Return the same entities in another scheme; tags that break their own are mended.

    Example:
        >>> convert_tags(["I-PER", "I-PER", "O", "I-LOC"], "bio")
        ['B-PER', 'I-PER', 'O', 'B-LOC']
    """
    return write_tags(find_spans(tags), len(tags), scheme)


@dataclass(frozen=True)
class TagReport:
    """How rows of tags are written.

    Attributes:
        scheme: "bio", "bioes" or "iob1".
        broken: rows that break it.
        example: the first of them: (row, position, tags, mended tags); None where there is none.
    """

    scheme: str
    broken: int = 0
    example: tuple | None = None

    def __str__(self):
        if not self.broken:
            return f"tags in {self.scheme}, none of them breaks it"
        row, place, tags, mended = self.example
        return (
            f"{self.broken} sentences break {self.scheme} and are read as conlleval does: the "
            f"first is sentence {row}, where {tags[place]!r} at position {place} is read as "
            f"{mended[place]!r}"
        )


def check_tags(rows, scheme=None):
    """Return a `TagReport` of rows of tags.

    Args:
        rows: lists of tags.
        scheme: the one that they should be in; the one that they seem to be in when None.

    Example:
        >>> print(check_tags([["B-PER", "O"], ["O", "I-LOC"], ["B-LOC", "I-LOC"]]))
        1 sentences break bio and are read as conlleval does: the first is sentence 1, where ...
    """
    rows = [list(tags) for tags in rows]
    scheme = scheme or scheme_of(rows)
    scheme = scheme if scheme in SCHEMES else "bioes"  # of other letters
    broken, example = 0, None
    for number, tags in enumerate(rows):
        mended = convert_tags(tags, scheme)
        plain = ["-".join(filter(None, parts_of(tag))) for tag in tags]  # M as I
        if mended != plain:
            place = next(
                i for i, pair in enumerate(zip(mended, plain, strict=True)) if len({*pair}) > 1
            )
            broken, example = broken + 1, example or (number, place, tags, mended)
    return TagReport(scheme, broken, example)


def forbidden_pairs(labels):
    """Return the pairs (from, to) of tags that cannot follow each other in their scheme.

    The number len(labels) stands for the edge of the sentence, as in `kerasllm.layers.CRF`.

    Example:
        >>> forbidden_pairs(["B-X", "I-X", "O"])  # O I-X, and I-X at the beginning
        [(2, 1), (3, 1)]
    """
    parts = [*map(parts_of, labels), ("O", "")]
    closes = any(letter in ("E", "S") for letter, _ in parts)
    pairs = []
    for i, (before, kind_before) in enumerate(parts):
        for j, (after, kind) in enumerate(parts):
            inside, is_open = after in ("I", "E"), before in ("B", "I")
            fits = is_open and kind == kind_before
            if (inside and not fits) or (closes and is_open and not (inside and fits)):
                pairs.append((i, j))
    return pairs
