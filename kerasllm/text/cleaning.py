r"""Cleaning of raw text: each step can be switched off, and says what it changed.

Steps, in this order:

1. `html`: entities become characters: `&amp;` gives `&`.
2. `control`: invisible characters vanish (control codes, zero-width spaces, byte order marks,
   direction marks, halves of surrogate pairs); line ends become `\n`; tabs stay.
3. `nfkc`: Unicode NFKC: one code for one character (`ﬁ` gives `fi`, full-width `Ａ` gives `A`).
   It also makes the Chinese comma `，` an ASCII `,`: switch it off where that matters.
4. `whitespace`: rows of spaces become one, at most one empty line, none at the ends.
5. `lowercase`: off by default.
"""

import html
import re
import unicodedata
from dataclasses import dataclass, field

from kerasllm.text.tokenizers.special import check_texts

# U+200D joins emoji and U+200C separates Persian letters: these two stay.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u2069\ufeff\ud800-\udfff]"
)
_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


def speechless(text, name="text"):
    """Return what has to be said of a text that holds no word, None of any other.

    Example:
        >>> speechless("😀 !")
        'the text holds neither a letter nor a digit: an answer says little about it'
        >>> speechless("5 😀") is None
        True
    """
    if any(character.isalnum() for character in text):
        return None
    if not _INVISIBLE.sub("", text).strip():
        return f"the {name} is blank: there is nothing in it to read"
    return f"the {name} holds neither a letter nor a digit: an answer says little about it"


def _control(text):
    return _INVISIBLE.sub("", _LINE_END.sub("\n", text))


def _nfkc(text):
    return unicodedata.normalize("NFKC", text)


def _whitespace(text):
    text = _SPACES.sub(" ", text).replace(" \n", "\n").replace("\n ", "\n")
    return _EMPTY_LINES.sub("\n\n", text).strip()


_STEPS = {
    "html": html.unescape,
    "control": _control,
    "nfkc": _nfkc,
    "whitespace": _whitespace,
    "lowercase": str.lower,
}


@dataclass(frozen=True)
class CleaningReport:
    """What each step of a `Cleaner` did to a list of texts.

    Attributes:
        texts: number of texts.
        changed: for each step that was on, how many texts it changed.
        examples: for each step that changed something, the first place: (before, after).
        emptied: number of texts of which nothing is left.
    """

    texts: int
    changed: dict[str, int]
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)
    emptied: int = 0

    def __str__(self):
        lines = [f"Cleaning of {self.texts:,} texts"]
        for step, count in self.changed.items():
            share = count / max(self.texts, 1)
            example = "  {!r} -> {!r}".format(*self.examples[step]) if count else ""
            lines.append(f"  {step:<10} changed {count:>8,} ({share:6.1%}){example}")
        if self.emptied:
            lines.append(f"  {self.emptied:,} texts are empty now: drop them before training")
        return "\n".join(lines)


@dataclass(frozen=True)
class Cleaner:
    r"""Cleans text in the steps that are switched on; see the head of this file.

    Args:
        nfkc: Unicode normal form NFKC.
        control: remove invisible characters, unify line ends.
        html: replace HTML entities.
        whitespace: squeeze white space.
        lowercase: write everything in lower case.

    Example:
        >>> Cleaner()("caf&eacute;\u200b  &amp;\r\nﬁne ")
        'café &\nfine'
        >>> texts, report = Cleaner(nfkc=False).clean_all(["a  b", "c"])
        >>> report.changed
        {'html': 0, 'control': 0, 'whitespace': 1}
    """

    nfkc: bool = True
    control: bool = True
    html: bool = True
    whitespace: bool = True
    lowercase: bool = False

    @property
    def steps(self):
        """Names of the steps that are on, in the order in which they run."""
        return tuple(name for name in _STEPS if getattr(self, name))

    def __call__(self, text):
        """Return the clean text."""
        for name in self.steps:
            text = _STEPS[name](text)
        return text

    def clean_all(self, texts):
        """Clean many texts and report what each step changed.

        Args:
            texts: an iterable of strings.

        Returns:
            The clean texts, in the same number and order, and a `CleaningReport`.

        Raises:
            TypeError: `texts` is one str.
        """
        check_texts(texts)
        changed, examples, clean = dict.fromkeys(self.steps, 0), {}, []
        for text in texts:
            for name in self.steps:
                before, text = text, _STEPS[name](text)
                if text != before:
                    changed[name] += 1
                    examples.setdefault(name, _around_change(before, text))
            clean.append(text)
        emptied = sum(not text for text in clean)
        return clean, CleaningReport(len(clean), changed, examples, emptied)


def _around_change(before, after, width=24):
    pairs = enumerate(zip(before, after, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(before), len(after)))
    start = max(at - width // 2, 0)
    return before[start : start + width], after[start : start + width]
