r"""What a pipeline of the `tokenizers` library may hold, so that it neither hangs nor unfolds.

It may be a stranger's. Its regular expressions go back and try again: `a*b*a*$` takes the third
power of a text's length, and `(a+)+$` gives up in a panic. Parts of it panic by themselves, or take
all memory. So known parts alone are let in, and of patterns those whose time can be told:

- alternatives of characters and classes, `x`, `\s`, `\p{L}`, `[^\r\n]`, each with `?`, `*`, `+` or
  `{1,3}`; groups without `*` and `+`; `(?!\S)` and `(?=x)`.
- What is repeated without a limit, and may have to be given back because something must follow, is
  of blanks, letters or digits, and only once an alternative: time grows with the square of the
  longest run of these, which in texts are words.

So are the patterns of GPT-2, GPT-4, GPT-4o, CLIP, Llama 3 and Qwen.
"""

import contextlib
import math
import re

MODELS = ("BPE", "WordPiece")
# Lists of parts stand under these names.
PARTS = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
}
KNOWN = {
    "normalizer": (
        "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Prepend",
        "Replace", "Strip", "StripAccents",
    ),
    "pre_tokenizer": (
        "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace",
        "Punctuation", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit",
    ),
}  # fmt: skip
MOST_PARTS = 32
MOST_GROWTH = 64  # times that a text may become longer
LONGEST_PATTERN = 2000  # characters
LONGEST_WORD = 1000  # characters; WordPiece takes the square of it
MOST_TRIES = 1000  # of a pattern at one place

_CLASS = r"\[\^?\]?(?:\\[pP]\{\^?\w+\}|\\[^pP]|[^\]\[\\&])+\]"
_ATOM = rf"(?:\\[pP]\{{\^?\w+\}}|\\[sSdDwWhHrntfv]|\\[^a-zA-Z0-9]|{_CLASS}|[^\\\[\](){{}}*+?|^$])"
_ITEM = re.compile(
    rf"""(?P<look>\(\?[=!]{_ATOM}\))
    | (?: (?P<group>\((?:\?i?:)?(?P<inner>(?:\\.|{_CLASS}|[^()\[\]\\])*)\)) | (?P<atom>{_ATOM}) )
      (?: (?P<many>[*+?])[+?]? | \{{(?P<least>\d{{0,2}})(?P<to>,?)(?P<most>\d{{0,2}})\}} )?""",
    re.VERBOSE | re.DOTALL,
)
_BLANK, _LETTER = r"\\[srntfv]", r"(?:\\[dwh]|\\p\{[LMN]\w?\})"  # both would be whole texts
_WORDS_OR_BLANKS = re.compile(rf"{_BLANK}|\[{_BLANK}+\]|{_LETTER}|\[{_LETTER}+\]")


class PipelineError(ValueError):
    """A pipeline holds what may not end; the message says what."""


@contextlib.contextmanager
def without_panic():
    """Raise an error where the library panics, which is no `Exception` and passes all handlers.

    Raises:
        PipelineError: it did.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise PipelineError(
            f"the tokenizers library fails with this tokenizer ({error!s:.100}): use another"
        ) from None


def check_pipeline(library):
    """Raise unless a pipeline holds only what is known to end soon.

    Args:
        library: its json, a dict.

    Raises:
        PipelineError: it holds something else; the message says what.
    """
    model = library["model"]
    if model.get("type") not in MODELS:
        raise PipelineError(
            f"expected a model of {' or '.join(MODELS)}, received {model.get('type')!r:.40}"
        )
    longest = model.get("max_input_chars_per_word", 0)
    if not isinstance(longest, int) or longest > LONGEST_WORD:
        raise PipelineError(
            f"expected words of {LONGEST_WORD} characters at most, received "
            f"max_input_chars_per_word={longest!r:.40}"
        )
    others = ("padding", "truncation", "post_processor")
    if given := [name for name in others if library.get(name)]:
        raise PipelineError(f"expected no {given[0]} in the tokenizer: the model sees to it")
    parts = [(kind, part) for kind in PARTS for part in _parts(library.get(kind), PARTS[kind])]
    if len(parts) > MOST_PARTS:
        raise PipelineError(f"expected {MOST_PARTS} parts at most, received {len(parts)}")
    growth = math.prod(_growth(kind, part) for kind, part in parts)
    if growth > MOST_GROWTH:
        raise PipelineError(
            f"expected texts to become {MOST_GROWTH} times as long at most, these replacements "
            f"make them {growth:.3g} times as long"
        )


def _parts(part, name):
    """Return the parts of a sequence, or the part."""
    if not part:
        return []
    if part.get("type") != "Sequence":
        return [part]
    waiting, found = [part], []
    while waiting:  # not by recursion: sequences may stand in sequences, thousands deep
        part = waiting.pop()
        inner = part[name] if part.get("type") == "Sequence" else ()
        found += [part] if part.get("type") != "Sequence" else []
        waiting += inner
    return found


def _growth(kind, part):
    """Return how many times as long a text may become, after a check of the part."""
    name = part.get("type")
    if name not in KNOWN[kind]:
        raise PipelineError(f"expected a {kind} of {', '.join(KNOWN[kind])}, received {name!r:.40}")
    pattern = part.get("pattern")
    shortest = 1
    if isinstance(pattern, dict) and "Regex" in pattern:
        check_pattern(pattern["Regex"])
    elif pattern is not None:
        text = pattern["String"] if isinstance(pattern, dict) else pattern
        if not text:
            raise PipelineError(f"expected text in the pattern of {name}, received an empty one")
        shortest = len(text)
    if name == "Replace":
        return max(1, len(part["content"]) / shortest)
    if name == "Prepend" and not 0 < len(part["prepend"]) <= MOST_GROWTH:  # of none it panics
        raise PipelineError(f"expected 1 to {MOST_GROWTH} characters to be put before a text")
    return 2 if name == "ByteLevel" else 1  # bytes above 127 are written as two


def check_pattern(pattern):
    r"""Raise unless the time of a regular expression can be told; see the head of the file.

    Example:
        >>> check_pattern(r"'s|'t| ?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+")
        >>> check_pattern("(a+)+$")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        PipelineError: the regular expression '(a+)+$' may take for ever: ...
    """
    tries = _tries(pattern) if len(pattern) <= LONGEST_PATTERN else math.inf
    if tries > MOST_TRIES:
        raise PipelineError(
            f"the regular expression {pattern!r:.60} may take for ever: known are alternatives of "
            "characters and classes, in which only what ends an alternative, and blanks, letters "
            "and digits, are repeated by * or +"
        )


def _tries(pattern, in_group=False):
    """Return how often a pattern is tried at one place, at most; inf where that is not known."""
    place, total, alternative = 0, 0, []
    while place < len(pattern):
        if pattern[place] == "|":
            total, alternative, place = total + _tries_of(alternative, in_group), [], place + 1
            continue
        if not (found := _ITEM.match(pattern, place)):
            return math.inf
        alternative.append(found)
        place = found.end()
    return total + _tries_of(alternative, in_group)


def _tries_of(items, in_group):
    """Return how often an alternative is tried: a product over what may be given back."""
    tries, given_back, must_follow = 1, 0, in_group
    for item in reversed(items):
        least, most = _counts(item)
        if most is None:
            if in_group or item["group"]:
                return math.inf
            given_back += must_follow
            if must_follow and not _WORDS_OR_BLANKS.fullmatch(item["atom"]):
                return math.inf
        else:
            tries *= max(1, most - least + 1)
        if item["group"]:
            tries *= _tries(item["inner"], in_group=True) ** max(1, most or 0)
        must_follow = must_follow or least > 0
    return tries if given_back <= 1 else math.inf


def _counts(item):
    """Return (least, most) of how often an item comes; None without a limit."""
    least, comma, most = item["least"], item["to"], item["most"]
    if not (least or most):  # without a number braces are characters, which must follow
        plain = (1, 1)
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(item["many"], plain)
    if comma and not most:
        return int(least), None
    return tuple(sorted((int(least or 0), int(most or least))))
