"""Takes out of a text every name that would tell which library it comes from.

- Library names and their aliases (`np`, `plt`), dotted names (`np.linalg.norm`), names of
  parameters and classes (`n_samples`, `LinearSVC`, `int32`) all become `NAME`: none is English.
- So do the names of a library's own modules, where they are not ordinary words as well.
"""

import re
from collections import Counter

_LIBRARY = re.compile(
    r"tensorflow|tflite|keras|numpy|scipy|sklearn|scikit|nltk|matplotlib|pyplot|pylab|python"
    r"|^(?:np|plt|sk|sp|tnp|py)$|^tf|^mpl"
)
_TOKEN = re.compile(r"((?:(?<!\w)\.)?\w+(?:[.-]\w{2,})*(?:\(\))?)")
_IDENTIFIER = re.compile(r"\w*_\w*|\w*[a-z][A-Z]\w*|[A-Za-z]+\d\w*")
_REPEATED = re.compile(r"NAME(?:[ -]+NAME)+\b|[Nn]atural [Ll]anguage [Tt]oolkit")
_WORD = re.compile(r"\w+")


class NameMask(dict):
    """Replaces library names and all other code names by NAME; a table that fills as it is used.

    Args:
        names: further words to mask, in lower case.

    Example:
        >>> NameMask()("Like NumPy's np.linalg.norm, but for a tf.Tensor or TFRecord.")
        "Like NAME's NAME, but for a NAME or NAME."
    """

    def __init__(self, names=()):
        super().__init__()
        self.names = frozenset(names)

    def __missing__(self, token):
        low = token.lower().strip("()")
        if self._tells(token, low):
            self[token] = "NAME"
        elif "-" in token:
            self[token] = "-".join(self[part] for part in token.split("-"))
        else:
            self[token] = token
        return self[token]

    def _tells(self, token, low):
        dotted = "." in token and not token.strip(".")[0].isdigit()
        identifier = _IDENTIFIER.fullmatch(token.strip("()"))
        return dotted or identifier or low in self.names or _LIBRARY.search(low)

    def __call__(self, text):
        """Return the text with NAME for every name, one for several in a row."""
        parts = _TOKEN.split(text)  # separators at even places, tokens at odd ones
        parts[1::2] = map(self.__getitem__, parts[1::2])
        return _REPEATED.sub("NAME", "".join(parts))


def telling_names(rows, modules, share=0.9):
    """Return the module names that nearly only their own library uses: these give it away.

    Names such as `stats` or `random`, which other libraries use as words, stay.

    Args:
        rows: list of (library, text).
        modules: dict from library to the set of its modules' names, in lower case.
        share: of the texts with a name, how many come from its library at least.

    Returns:
        set of str.

    Example:
        >>> rows = [("a", "call asyncio"), ("a", "random walk"), ("b", "a random word")]
        >>> telling_names(rows, {"a": {"asyncio", "random"}, "b": set()})
        {'asyncio'}
    """
    used = {library: Counter() for library in modules}
    every = set().union(*modules.values())
    for library, text in rows:
        used[library].update(every.intersection(_WORD.findall(text.lower())))
    total = sum(used.values(), Counter())
    return {
        name
        for library, names in modules.items()
        for name in names
        if total[name] and used[library][name] >= share * total[name]
    }
