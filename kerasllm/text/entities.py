"""Entities written as one tag a token, and read by the rules of conlleval.

    iob1    I-PER I-PER O; B- only where an entity follows another of its type
    bio     B-PER I-PER O
    bioes   B-PER E-PER O, and S-LOC for an entity of one token; BMES has M- for I-

Every row of tags has entities: where tags break their scheme, one begins (`find_spans`).
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from kerasllm.utils.errors import check_choice

SCHEMES = ("bio", "bioes", "iob1")
_NAMED = re.compile(r"[BIMES]-.+|O")


def is_named(tag):
    """Return whether a tag marks a name, or its absence: "O", or a letter and a type."""
    return _NAMED.fullmatch(tag) is not None


def scheme_of(sentences):
    """Return the scheme, one of `tag_schemes.SCHEMES`, in which the tags of sentences are written.

    Args:
        sentences: list of sequences of tags.

    Example:
        >>> scheme_of([["O", "I-LOC", "B-LOC"]]), scheme_of([["O", "B-LOC", "I-LOC"]])
        ('iob1', 'bio')
        >>> scheme_of([["S-LOC"]]), scheme_of([["B-LOC", "M-LOC", "E-LOC"]]), scheme_of([["NN"]])
        ('bioes', 'bmes', 'none')
    """
    tags = {tag for sentence in sentences for tag in sentence}
    if tags <= {"O"} or not all(map(is_named, tags)):
        return "none"
    prefixes = {tag[0] for tag in tags}
    if "M" in prefixes:
        return "bmes"
    if prefixes & {"E", "S"}:
        return "bioes"
    pairs = (pair for sentence in sentences for pair in pairwise(("O", *sentence)))
    begun = any(tag[0] == "B" and before[2:] != tag[2:] for before, tag in pairs)  # IOB1 writes I-
    return "bio" if begun or prefixes <= {"O", "B"} else "iob1"


def parts_of(tag):
    """Return the letter of a tag and its type; the letter is "" for a tag of no scheme.

    Example:
        >>> parts_of("B-PER"), parts_of("M-city-name"), parts_of("O"), parts_of("NN")
        (('B', 'PER'), ('I', 'city-name'), ('O', ''), ('', 'NN'))
    """
    if tag == "O":
        return "O", ""
    letter, _, kind = tag.partition("-")
    letter = "I" if letter == "M" else letter  # BMES
    return (letter, kind) if letter in ("B", "I", "E", "S") and kind else ("", tag)


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
    scheme = "bioes" if scheme == "bmes" else scheme
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
