"""How the tags of a sentence mark the names in it, and one form for all of them.

- `bio` (IOB2): B- begins every name, I- goes on, O is outside.
- `iob1`: I- begins a name too; B- stands only between two names of one kind that touch.
- `bioes`: S- is a name of one token, E- ends a longer one. `bmes` writes M- for I-.
- `none`: tags that mark no names, such as parts of speech.

Data sets hold BIO or BIOES: IOB1 is turned into BIO, BMES into BIOES.
"""

from kerasllm.text.entities import convert_tags, is_named, scheme_of
from kerasllm.utils.errors import check_choice

SCHEMES = ("bio", "iob1", "bioes", "bmes", "none")


def bio_from_iob1(tags):
    """Return tags in BIO: a name that begins with I- now begins with B-.

    This is also how conlleval reads a BIO sequence that is broken.

    Example:
        >>> bio_from_iob1(["I-LOC", "I-LOC", "B-LOC", "O", "I-PER"])
        ('B-LOC', 'I-LOC', 'B-LOC', 'O', 'B-PER')
    """
    return tuple(convert_tags(tags, "bio"))


def bioes_from_bmes(tags):
    """Return tags in BIOES: M- becomes I-.

    Example:
        >>> bioes_from_bmes(["B-ORG", "M-ORG", "E-ORG", "S-LOC", "O"])
        ('B-ORG', 'I-ORG', 'E-ORG', 'S-LOC', 'O')
    """
    return tuple("I" + tag[1:] if tag[0] == "M" else tag for tag in tags)


def mended_bmes(tags):
    """Return tags in BMES whose names all begin with B- (or S-) and end with E- (or S-).

    Example:
        >>> mended_bmes(["B-ORG", "M-ORG", "O", "M-LOC", "M-LOC", "E-LOC", "E-LOC", "B-PER"])
        ('B-ORG', 'E-ORG', 'O', 'B-LOC', 'M-LOC', 'E-LOC', 'S-LOC', 'S-PER')
    """
    mended = convert_tags(tags, "bioes")
    return tuple("M" + tag[1:] if tag[0] == "I" else tag for tag in mended)


def first_break(tags, scheme):
    """Return where tags break a scheme, and what would be right there, or None.

    Args:
        tags: tags of one sentence.
        scheme: "bio" or "bioes".

    Returns:
        A pair (position, advice), or None; the position after the last token is that of the end.

    Example:
        >>> first_break(["O", "I-LOC"], "bio")
        (1, "I-LOC follows O; a name begins with B-: expected 'B-LOC'")
        >>> first_break(["B-LOC", "E-LOC"], "bioes") is None
        True
    """
    begins, goes_on = ("B", "I") if scheme == "bio" else ("BS", "IE")
    before = "O"
    for position, tag in enumerate([*tags, "O"]):
        is_open = scheme == "bioes" and before[0] in "BI"
        if tag[0] in goes_on and (before[2:] != tag[2:] or before[0] in "ES"):
            return position, f"{tag} follows {before}; a name begins with {_first(tag, begins)}"
        if is_open and tag[0] not in goes_on:
            return position, f"{before} is not ended: expected 'E-{before[2:]}' as its last tag"
        before = tag
    return None


def _first(tag, begins):
    expected = " or ".join(repr(f"{prefix}-{tag[2:]}") for prefix in begins)
    return f"{'- or '.join(begins)}-: expected {expected}"


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
    """
    check_choice("scheme", scheme, ("auto", *SCHEMES))
    found = scheme_of(sentences) if scheme == "auto" else scheme
    convert = {"iob1": bio_from_iob1, "bmes": bioes_from_bmes}.get(found, tuple)
    target = {"iob1": "bio", "bmes": "bioes"}.get(found, found)
    tags = [convert(sentence) for sentence in sentences]
    if target != "none":
        _check(sentences, tags, target)
    facts = {"scheme": target}
    if target != found:
        facts["tags_converted"] = f"{found} to {target}"
    return tags, facts


class BrokenTagsError(ValueError):
    """Tags that break their scheme: `sentence` and `position` say where, `advice` what to do."""

    def __init__(self, sentence, position, advice):
        super().__init__(f"sentence {sentence + 1}, token {position + 1}: {advice}.")
        self.sentence, self.position, self.advice = sentence, position, advice


def _check(written, sentences, scheme):
    for number, tags in enumerate(sentences):
        for position, tag in enumerate(tags):
            if not is_named(tag) or (scheme == "bio" and tag[0] in "ES"):
                letters = "B-, I-" if scheme == "bio" else "B-, I-, E-, S-"
                raise BrokenTagsError(
                    number,
                    position,
                    f"{written[number][position]!r} is no tag of {scheme.upper()}: expected O or "
                    f"{letters} and the kind of the name",
                )
        if found := first_break(tags, scheme):
            raise BrokenTagsError(number, *found)
