"""How the tags of a sentence mark the names in it, and one form for all of them.

- `bio` (IOB2): B- begins every name, I- goes on, O is outside.
- `iob1`: I- begins a name too; B- stands only between two names of one kind that touch.
- `bioes`: S- is a name of one token, E- ends a longer one. `bmes` writes M- for I-, `bilou` L- for
  E- and U- for S-, `bmewo` M- for I- and W- for S-.
- `none`: tags that mark no names, such as parts of speech.

Data sets hold BIO or BIOES: IOB1 is turned into BIO, the others into BIOES; B_PER becomes B-PER.
Letters alone, as for the words of a Chinese text (B M E S), get the kind `BARE`.
"""

from collections import Counter

from kerasllm.text.entities import ALPHABETS, breaks, convert_tags, parts_of, role_of, scheme_of
from kerasllm.utils.errors import check_choice

SCHEMES = (*ALPHABETS, "none")
BARE = "SPAN"
_MOST = 0.9  # of tags that are letters alone: parts of speech may be called B or S too


def bio_from_iob1(tags):
    """Return tags in BIO: a name that begins with I- now begins with B-.

    This is also how conlleval reads a BIO sequence that is broken.

    Example:
        >>> bio_from_iob1(["I-LOC", "I-LOC", "B-LOC", "O", "I-PER"])
        ('B-LOC', 'I-LOC', 'B-LOC', 'O', 'B-PER')
    """
    return tuple(convert_tags(tags, "bio"))


def mended_bmes(tags):
    """Return tags in BMES whose names all begin with B- (or S-) and end with E- (or S-).

    Example:
        >>> mended_bmes(["B-ORG", "M-ORG", "O", "M-LOC", "M-LOC", "E-LOC", "E-LOC", "B-PER"])
        ('B-ORG', 'E-ORG', 'O', 'B-LOC', 'M-LOC', 'E-LOC', 'S-LOC', 'S-PER')
    """
    mended = convert_tags(tags, "bioes")
    return tuple("M" + tag[1:] if tag[0] == "I" else tag for tag in mended)


def unified(sentences, scheme="auto"):
    """Return the tags of sentences in BIO or BIOES, after a check.

    Args:
        sentences: list of sequences of tags.
        scheme: one of `SCHEMES`, in which they are written; or "auto".

    Returns:
        A pair: list of tuples of tags, and a dict with "scheme" and, if tags were changed,
        "tags_converted".

    Raises:
        ValueError: for an unknown scheme.
        BrokenTagsError: for tags that break it.

    Example:
        >>> unified([["O", "I-LOC"]])
        ([('O', 'B-LOC')], {'scheme': 'bio', 'tags_converted': 'iob1 to bio'})
        >>> unified([["B", "E", "S"], ["B", "M", "E"]])[0]
        [('B-SPAN', 'E-SPAN', 'S-SPAN'), ('B-SPAN', 'I-SPAN', 'E-SPAN')]
        >>> unified([["B_LOC", "L_LOC"]])
        ([('B-LOC', 'E-LOC')], {'scheme': 'bioes', 'tags_converted': 'bilou with _ to bioes'})
    """
    check_choice("scheme", scheme, ("auto", *SCHEMES))
    written = sentences if scheme == "none" else _with_kinds(sentences)
    found = scheme_of(written) if scheme == "auto" else scheme
    if found == "none":
        return [tuple(tags) for tags in sentences], {"scheme": "none"}
    sign = _separator(written)
    _check(written, found, sign, tolerant=scheme == "iob1")
    target = "bio" if found in ("bio", "iob1") else "bioes"
    form = found + (" of letters alone" if written is not sentences else "")
    form += f" with {sign}" if sign != "-" else ""
    if form == target:
        return [tuple(tags) for tags in sentences], {"scheme": target}
    tags = [tuple(convert_tags(tags, target)) for tags in written]
    return tags, {"scheme": target, "tags_converted": f"{form} to {target}"}


def _with_kinds(sentences):
    """Return the tags as they are, or with a kind where they are letters of a scheme alone."""
    counts = Counter(tag for tags in sentences for tag in tags)
    letters = max(ALPHABETS.values(), key=lambda alphabet: sum(counts[c] for c in alphabet))
    bare = sum(counts[letter] for letter in (*letters, "O"))
    if not (counts["B"] and counts[letters[1]] and bare >= _MOST * counts.total()):
        return sentences
    kinds = {letter: f"{letter}-{BARE}" for letter in letters}
    return [[kinds.get(tag, tag) for tag in tags] for tags in sentences]


class BrokenTagsError(ValueError):
    """Tags that break their scheme: `sentence` and `position` say where, `advice` what to do."""

    def __init__(self, sentence, position, advice):
        advice = advice.replace(f"-{BARE}", "")  # as they are written
        super().__init__(f"sentence {sentence + 1}, token {position + 1}: {advice}.")
        self.sentence, self.position, self.advice = sentence, position, advice


def _separator(sentences):
    """Return the sign between letter and kind in most tags."""
    signs = Counter(tag[1:2] for tags in sentences for tag in tags if parts_of(tag)[1])
    return max("-_", key=signs.__getitem__)


def _check(sentences, scheme, sign, tolerant):
    """Raise for the first tag that breaks the scheme; a tolerant check allows any order of tags."""
    for number, tags in enumerate(sentences):
        for position, advice in breaks(tags, scheme):
            if not tolerant or not role_of((*tags, "O")[position], scheme)[0]:
                raise BrokenTagsError(number, position, advice)
        for position, tag in enumerate(tags):
            if tag != "O" and tag[1] != sign:
                right = f"{tag[0]}{sign}{tag[2:]}"
                advice = f"{tag!r} is written otherwise than most tags are: expected {right!r}"
                raise BrokenTagsError(number, position, advice)
