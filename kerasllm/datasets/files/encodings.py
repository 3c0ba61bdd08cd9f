"""In which encoding bytes may be written: candidates, each with the text that it gives.

Bytes decode in many encodings, and only a reader sees which text is right: `Müller` as Windows
writes it is `M黮ler` in GB18030. So nothing is claimed; the likely encodings are offered, in the
order of a detector, beside what the first foreign word becomes in each.
"""

import logging
import re
import unicodedata

from kerasllm.datasets.options import option_to_pass

# What people have, the more usual first where the detector cannot tell.
_USUAL = (
    "utf_8", "gb18030", "cp1252", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r", "cp1250",
    "cp1253", "cp1254", "cp1255", "cp1256", "cp437", "mac_roman",
)  # fmt: skip
_ALWAYS = ("utf_8", "gb18030", "cp1252")  # offered wherever they give text
_OFFERED = 6
_WINDOW = 20_000  # bytes around the place that are looked at
_UNLIKELY = 0.25
_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16",
          b"\xfe\xff": "utf-16"}  # fmt: skip
_PARTS = re.compile(r"[A-Za-z](?=[^\W\d_a-zA-Z])|[^\W\d_a-zA-Z](?=[A-Za-z])")


def encoding_hint(data, start, path):
    """Return a sentence on how bytes that could not be decoded may be read.

    Args:
        data: bytes of the file.
        start: position of the first byte that is wrong.
        path: the file, for the advice.

    Example:
        >>> print(encoding_hint("Müller".encode("cp1252"), 1, "a.csv"))
        It reads 'Müller' with encoding='cp1252', 'Mⁿller' with encoding='cp437', ...
    """
    if damaged := _damaged(data):
        return damaged
    found = candidates(data, start)[:_OFFERED]
    if not found:
        return "It gives text in none of the usual encodings: is it a binary file?"
    shown = ", ".join(
        f"{text!r} with {option_to_pass(path, 'encoding', name.replace('_', '-'))}"
        for name, text in found
    )
    return (
        f"It reads {shown}. Pass the encoding whose text is right, or save the file as UTF-8 if "
        "none is."
    )


def _damaged(data):
    """Return what to do about a few wrong bytes in what is else UTF-8, or "" for other files."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    foreign = sum(character > "\x7f" for character in text) - broken
    if not broken or foreign < 10 * broken or b"\0" in data:
        return ""
    lines = [n for n, line in enumerate(text.split("\n"), 1) if "\ufffd" in line]
    shown = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
    return f"All but {broken} of its characters are UTF-8: mend line {shown}."


def candidates(data, start):
    """Return (encoding, text around the place) of likely encodings, the likeliest first."""
    marks = [name for mark, name in _MARKS.items() if data.startswith(mark)]
    if marks or b"\0" in data:
        names = marks or ["utf-16-le", "utf-16-be"] * (len(data) % 2 == 0)
        pairs = ((name, _excerpt(data[:_WINDOW], 0, name)) for name in names)
    else:
        low = data.rfind(b"\n", 0, max(0, start - _WINDOW)) + 1
        high = data.find(b"\n", start + _WINDOW)
        window = data[low : high if high >= 0 else len(data)]
        pairs = ((name, _excerpt(window, start - low, name)) for name in _ranked(window))
    texts = {}
    for name, text in pairs:
        if text:
            texts.setdefault(text, name)
    return [(name, text) for text, name in texts.items()]


def _ranked(window):
    """Return the names of encodings that give text, in the order of likelihood."""
    from charset_normalizer import from_bytes

    logging.getLogger("charset_normalizer").setLevel(logging.ERROR)
    matches = from_bytes(window, cp_isolation=list(_USUAL), threshold=_UNLIKELY)
    chaos = {name: match.chaos for match in matches for name in match.could_be_from_charset}
    keys = {}
    for place, name in enumerate(_USUAL):
        text = _decoded(window, name)
        if text and (name in chaos or name in _ALWAYS):
            certain = name == "utf_8"
            keys[name] = (not certain, _is_mixed(text), chaos.get(name, _UNLIKELY), place)
    return sorted(keys, key=keys.get)


def _is_mixed(text):
    """Return whether most letters of another script stand inside of Latin words."""
    foreign = [c for c in text if c > "\x7f" and c.isalpha()]
    latin = sum("LATIN" in unicodedata.name(c, "") for c in foreign)
    return len(foreign) > latin and len(_PARTS.findall(text)) > 0.5 * len(foreign)


def _decoded(data, name):
    """Return the text of bytes in an encoding, "" if it gives none."""
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        return ""
    odd = (c for c in text if unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs"))
    return "" if any(c not in "\t\n\r\v\f" for c in odd) else text


def _excerpt(data, place, name, reach=12):
    """Return the text of the line around a place, "" where the data is no text."""
    if name.startswith("utf-"):
        text = _decoded(data[: len(data) // 4 * 4], name)
        return text.removeprefix("\ufeff").split("\n")[0][: 2 * reach].strip()
    low = data.rfind(b"\n", 0, place) + 1
    high = data.find(b"\n", place)
    before = data[low:place].decode(name, "ignore")
    text = data[low : high if high >= 0 else len(data)].decode(name, "replace")
    return text[max(0, len(before) - reach) : len(before) + reach].strip()
