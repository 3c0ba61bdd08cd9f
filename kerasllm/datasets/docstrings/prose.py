"""A docstring in, its English sentences out.

- Code, tables, formulas, links and version notes are dropped: they are not English.
- Marks of one documentation style (`Parameters` underlined, `Args:`, `:param x:`) are dropped too:
  each library keeps to one style, so that the style would give the library away.
"""

import inspect
import re
import string

_DOCTEST = re.compile(r"^[ \t]*>>>.*(?:\n(?![ \t]*$).*)*", re.MULTILINE)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
# A directive such as `.. plot::`, or what follows "::", with the indented lines below it.
_BLOCK = re.compile(
    r"^([ \t]*)(?:\.\. .*|(.*:):[ \t]*)(?:\n(?:\1[ \t]+.*|[ \t]*(?=\n)))*", re.MULTILINE
)
_NOTE = re.compile(r"^[ \t]*\.\. (?:note|warning|tip|seealso|admonition)::", re.MULTILINE)
_HEADING = re.compile(r"^.*\n[ \t]*([-=~^*#])\1{2,}[ \t]*$", re.MULTILINE)
_SECTION = re.compile(r"^[ \t]*(?:#+ .*|@?[A-Z][a-z]+(?: [a-zA-Z]+)?:)[ \t]*$", re.MULTILINE)
_FIELD = re.compile(
    r"[:@](?<!\S.)(?:param|type|arg|keyword|ivar|cvar|var|returns?|rtype|raises?|note|see|todo)\b"
    r"([^:\n]*):"
)
_LINK = re.compile(r"\[([^\]\n]*)\]\([^)]*\)")
_URL = re.compile(r"<?(?:https?|ftp|doi|DOI|arXiv):\S+|www\.\S+|\b\w[\w.]*@\w+\.\w[\w.]*")
_ROLE = re.compile(r":[a-z]+(?::[a-z]+)?:(?=`)")
_CITATION = re.compile(r"\[[\w+-]+\]_?|%\([^)]*\)\w?|\$[^$\n]*\$|\\[a-zA-Z]+")
_MARKUP = str.maketrans("", "", "`*|<>~{}\\")
_LEGAL = re.compile(r"^.*(?:[Cc]opyright|[Ll]icensed).*$", re.MULTILINE)
_VERSION = re.compile(r"[Vv]ersion \d[\w.]*|\bv?\d+\.\d+\.\w+|\bv\d+\.\d+")
_NO_LETTERS = str.maketrans("", "", string.ascii_letters)
# Searching for a link where no "//" stands would take most of the time.
_WHERE = (
    (_LEGAL, "opyright"), (_LEGAL, "icensed"), (_URL, "://"), (_URL, "@"), (_ROLE, ":`"),
    (_CITATION, ""), (_VERSION, "."),
)  # fmt: skip


def _keep_line(line):
    """Keep a line that is mostly letters; drop tables, formulas and drawings."""
    dense = line.replace(" ", "")
    return len(dense.translate(_NO_LETTERS)) <= 0.4 * len(dense)


def prose(docstring):
    """Return the sentences of a docstring, a paragraph a line, without code and markup.

    Args:
        docstring: str, as it stands in the source.

    Returns:
        str: white space is single, empty if nothing is left.

    Example:
        >>> print(prose('''Add two numbers.
        ...
        ...     Args:
        ...         x: the `first` number.
        ...
        ...     >>> add(1, 2)
        ...     3
        ... '''))
        Add two numbers.
        x: the first number.
    """
    text = inspect.cleandoc(docstring)
    for pattern in (_DOCTEST, _FENCE):
        text = pattern.sub("", text)
    text = _BLOCK.sub(r"\2", _NOTE.sub("", text))
    for pattern in (_HEADING, _SECTION):
        text = pattern.sub("\n", text)
    text = _FIELD.sub(r" \1: ", text)
    text = _LINK.sub(r"\1 ", text)
    for pattern, mark in _WHERE:
        if mark in text:
            text = pattern.sub(" ", text)
    text = text.translate(_MARKUP).replace(" : ", ": ")
    kept = "\n".join(line for line in text.split("\n") if _keep_line(line))
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", kept))
    return "\n".join(part for part in paragraphs if part)
