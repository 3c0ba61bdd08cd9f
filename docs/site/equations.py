"""Equations as docstrings write them, set as mathematics.

    c = f · c_previous + i · g                      cell

A docstring writes an equation in characters: names of the code, Greek letters, `·`, `@`, `Σ_t`,
`√`, `ᵀ`. Here one becomes MathML, which browsers draw themselves. Nothing is rearranged: a quotient
becomes a fraction only where it is all that stands on its side.

A line has up to four parts: a label (`norm="pre"`), the left side, the rest, and a note.
"""

import ast
import html
import re
import textwrap
from typing import NamedTuple

GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "epsilon": "ε", "rho": "ρ"}
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀᵗᵏⁿ", "0123456789-Ttkn", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉ᵢⱼₜ", "0123456789ijt", strict=True))
OPERATORS = {
    "<=": "≤", ">=": "≥", "!=": "≠", "+=": "+=", "-": "−", "*": "⊙", "~": "∼", "@": "", "·": "·",
}  # fmt: skip
RELATIONS = {"=", "←", "≈", "~", "+="}
_TOKENS = re.compile(
    r"""(?P<space>\s+)
    | (?P<code>`[^`]+` | "[^"]*")
    | (?P<word>[A-Za-z]{2,}(?:'s\b | s'(?=\s) | (?:-[A-Za-z]{2,})+(?!_)))
    | (?P<name>[→←]?(?:[^\W\d_ΣΠRAISED]\u0303?)(?:[A-Za-z0-9]\u0303?)*(?:_[A-Za-z0-9]+)*)
    | (?P<number>\d+(?:,\d{3})*(?:\.\d+)?|½)
    | (?P<operator>//|<=|>=|!=|\+=|.)""".replace("RAISED", "".join([*RAISED, *LOWERED])),
    re.VERBOSE,
)
_CLOSING = {"(": ")", "[": "]", "{": "}", "⌊": "⌋"}
_BARS = "‖|"
_BAR = '<mo stretchy="false" lspace="0" rspace="0">{}</mo>'
_LABEL = re.compile(r'[\w-]+(="\w+"|:)?')


class Line(NamedTuple):
    """One line of a block; each part is text as the docstring has it, and may be empty."""

    label: str
    left: str
    rest: str
    note: str


def lines(block):
    """Return the `Line`s of a block of equations.

    Example:
        >>> lines("h = o · tanh(c)      what the others see")[0]
        Line(label='', left='h', rest='= o · tanh(c)', note='what the others see')
    """
    return [_line(line) for line in block.splitlines() if line.strip()]


def _line(line):
    line = re.sub(r" +(=|←|≈|~|\+|\*) +", r" \1 ", line.strip())
    line = re.sub(r" {2,}(?=of \()", " ", line)
    first, *others = _parts(line)
    label = ""
    if others and _LABEL.fullmatch(first) and _relation(others[0]) is not None:
        label, first, others = first, others[0], others[1:]
    at = _relation(first)
    left, rest = ("", first) if at is None else (first[:at].strip(), first[at:])
    return Line(label, left, rest, "  ".join(others))


def _parts(line):
    """Return what wide gaps outside of brackets divide a line into."""
    parts = [""]
    for part in re.split(r"( {2,})", line):
        inside = sum(map(parts[-1].count, "([{")) > sum(map(parts[-1].count, ")]}"))
        if inside:
            parts[-1] += part
        elif not part.isspace():
            parts[-1] = part
        else:
            parts.append("")
    return [part for part in parts if part]


def _relation(text):
    """Return where the first relation outside of brackets stands, or None."""
    depth = 0
    for found in _TOKENS.finditer(text):
        depth += (found[0] in _CLOSING) - (found[0] in _CLOSING.values())
        if found[0] in RELATIONS and not depth:
            return found.start()
    return None


def is_equations(block):
    """Whether an indented block of a docstring holds equations, and no code, table or sentence.

    Example:
        >>> is_equations("h = o · tanh(c)"), is_equations("model.fit(texts, epochs=3)")
        (True, False)
    """
    if re.search(r">>>|^\s*(pip|kerasllm|python) | # ", block, re.M) or _is_code(block):
        return False
    return any(re.search(r" [=←≈~^·@/≤] |[Σ√∂]|_t\b", line) for line in block.splitlines())


def _is_code(block):
    """Whether a block is Python of which no equation would be made."""
    try:
        tree = ast.parse(textwrap.dedent(block))
    except SyntaxError:
        return False
    kinds = (ast.For, ast.With, ast.Import, ast.ImportFrom, ast.keyword, ast.Attribute)
    return any(isinstance(node, kinds) for node in ast.walk(tree))


def block(text):
    """Return a block of equations as HTML: a grid of label and left side, rest, and note."""
    cells = []
    for line in lines(text):
        label = f'<span class="label">{html.escape(line.label)}</span> ' if line.label else ""
        cells.append(f"<div>{label}{math(line.left)}</div><div>{math(line.rest)}</div>"
                     f'<div class="note">{_note(line.note)}</div>')  # fmt: skip
    return f'<div class="equations" tabindex="0">{"".join(cells)}</div>'


def _note(text):
    """Return a note: parts that are equations themselves as such, all else as words."""
    parts = [part for part in text.split("  ") if part.strip()]
    return "&emsp;".join(
        math(p) if re.match(r"(\S+|\[[^]]*\]) = ", p) else _words(p) for p in parts
    )


def _words(text):
    parts = re.split(r"`([^`]+)`", text)
    return "".join(f"<code>{html.escape(p)}</code>" if n % 2 else html.escape(p)
                   for n, p in enumerate(parts))  # fmt: skip


def math(text):
    """Return an expression as MathML; "" of an empty one.

    Example:
        >>> math("x²")
        '<math displaystyle="true"><msup><mi>x</mi><mn>2</mn></msup></math>'
    """
    if not text.strip():
        return ""
    reader = _Reader(text.strip())
    return f'<math displaystyle="true">{reader.row()}</math>'


class _Atom(NamedTuple):
    """What a script or a fraction takes hold of; `bare` is without its brackets."""

    markup: str
    bare: str
    wide: bool = False


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text):
        text = re.sub(r" *\^ *", "^", text)
        self.tokens = [(kind, found[0]) for found in _TOKENS.finditer(text)
                       if (kind := found.lastgroup)]  # fmt: skip
        self.at = 0

    @staticmethod
    def _again(text):
        return _Reader(text).tokens

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def row(self, closing=None):
        """Read until a closing bracket and return the markup; outside of all, with fractions."""
        parts, side, whole = [], [], closing is None
        while self.peek()[0] != "end" and self.peek()[1] != closing:
            kind, text = self.peek()
            if kind == "operator" and (text in RELATIONS or text in ",;:" or text in "≤<∈"):
                parts += [*_side(side, whole), _operator(self.take()[1])]
                side = []
            elif kind == "space":
                self.take()
                side.append(" ")
            else:
                side.append(self.item())
        return "".join([*parts, *_side(side, whole)])

    def item(self):
        """Read an atom with its scripts, or an operator."""
        kind, text = self.take()
        if kind == "number":
            return self.scripts(_Atom(f"<mn>{text}</mn>", f"<mn>{text}</mn>"))
        if kind in ("code", "word"):
            words = f"<mtext>{_words(text)}</mtext>"
            return _Atom(words, words, wide=True)
        if kind == "name":
            return self.scripts(self.called(_name(text)))
        if text in "ΣΠ∫":
            sign = f'<mo largeop="true">{ {"Σ": "∑", "Π": "∏"}.get(text, text) }</mo>'
            return self.scripts(_Atom(sign, sign, wide=True))
        if text == "√":
            inner = self.item()
            root = f"<msqrt>{inner.bare}</msqrt>"
            return self.scripts(_Atom(root, root))
        if text in _CLOSING:
            return self.scripts(self.bracket(text))
        if text in _BARS and self.begins_bars(text):
            return self.scripts(self.barred(text))
        return _operator(text)

    def begins_bars(self, bar):
        """Whether a bar that was read has another that closes it: a norm, and no condition."""
        again = any(text == bar for _, text in self.tokens[self.at :])
        return again and (bar == "‖" or self.peek()[0] != "space")

    def barred(self, bar):
        inner = self.row(bar)
        self.take()
        whole = f"<mrow>{_BAR.format(bar)}{inner}{_BAR.format(bar)}</mrow>"
        return _Atom(whole, whole)

    def bracket(self, opening):
        inner = self.row(_CLOSING[opening])
        closing = self.take()[1] if self.peek()[0] != "end" else ""
        return _Atom(f"<mrow>{_operator(opening)}{inner}{_operator(closing)}</mrow>", inner)

    def called(self, name):
        """Read the arguments or indices that follow a name at once."""
        primes = ""
        while self.peek()[1] == "'":
            primes += self.take()[1]
        if primes:
            marked = f"<msup>{name.markup}<mo>{'′' * len(primes)}</mo></msup>"
            name = _Atom(marked, marked, name.wide)
        while self.peek()[1] in ("(", "[") and self.peek()[0] == "operator":
            name = self.scripts(name)
            whole = f"<mrow>{name.markup}{self.bracket(self.take()[1]).markup}</mrow>"
            name = _Atom(whole, whole, name.wide)
        return name

    def scripts(self, atom):
        """Read what stands below and above an atom, and what it is called with after that."""
        below, above = self.marks()
        if not below and not above:
            return atom
        whole = _scripted(atom.markup, below, above)
        whole = _Atom(whole, whole, atom.wide)
        following = self.peek()
        return self.called(whole) if following[1] in ("(", "[") else whole

    def marks(self):
        """Read all scripts that follow and return what stands below, and above."""
        below, above = [], []
        while True:
            kind, text = self.peek()
            if text == "_":
                self.take()
                below.append(self.script())
            elif text == "^":
                self.take()
                above.append(self.script())
            elif kind == "operator" and text in RAISED:
                above.append(_plain(RAISED[self.take()[1]]))
            elif kind == "operator" and text in LOWERED:
                below.append(_plain(LOWERED[self.take()[1]]))
            elif text == "'" and not below and not above:
                self.take()
                above.append("<mo>′</mo>")
            else:
                return "".join(below), "".join(above)

    def script(self):
        """Read one script: a bracket without its brackets, a sign and a name, or a name."""
        kind, text = self.take()
        if kind == "name" and text[1:2] == "_":  # h^l_t: t stands below h
            self.at -= 1
            self.tokens[self.at : self.at + 1] = [("name", text[0]), ("operator", "_"),
                                                  *self._again(text[2:])]  # fmt: skip
            kind, text = self.take()
        if text in _CLOSING:
            return f"<mrow>{self.bracket(text).bare}</mrow>"
        return _name(text).markup if kind == "name" else _plain(text)


def _side(items, whole):
    """Return the markup of what stands between two relations: of all, a quotient as a fraction."""
    items = list(items)
    while items and items[0] == " ":
        items.pop(0)
    while items and items[-1] == " ":
        items.pop()
    solid = [item for item in items if item != " "]
    if whole and len(solid) == 3 and solid[1] == _operator("/") and all(
        isinstance(item, _Atom) and "largeop" not in item.markup for item in solid[::2]
    ):  # fmt: skip
        above, below = (f"<mrow>{item.bare}</mrow>" for item in solid[::2])
        return [f"<mfrac>{above}{below}</mfrac>"]
    if items and items[0] == _operator("-"):
        items[0] = '<mo form="prefix">−</mo>'
    return [_spaced(items, n) for n in range(len(items))]


def _spaced(items, n):
    """Return an item, or the gap between two factors; around operators browsers leave it alone."""
    if items[n] != " ":
        return items[n].markup if isinstance(items[n], _Atom) else items[n]
    around = (items[n - 1], items[n + 1])
    if all(isinstance(item, _Atom) for item in around):
        wide = any(item.wide for item in around)
        return f'<mspace width="{"0.33em" if wide else "0.17em"}"></mspace>'
    return ""


def _name(text):
    """Return a name: one letter is slanted, and what follows it stands below."""
    arrow = text[0] if text[0] in "→←" else ""
    first, *others = text.lstrip("→←").split("_")
    tilde, first = "\u0303" in first, first.replace("\u0303", "")
    first = GREEK.get(first, first)
    if len(first) == 1 or (len(others) == 1 and len(others[0]) == 1 and first != "log"):
        below = "_".join(others)
    elif len(others) > 1 and len(others[-1]) == 1:
        first, below = "_".join([first, *others[:-1]]), others[-1]
    else:
        first, below = "_".join([first, *others]), ""
    base = _plain(first)
    if tilde:
        base = f'<mover accent="true">{base}<mo>~</mo></mover>'
    if arrow:
        base = f'<mover accent="true">{base}<mo stretchy="false">{arrow}</mo></mover>'
    if below:
        base = _scripted(base, _name(below).markup, "")
    return _Atom(base, base, wide=len(first) > 1)


def _plain(text):
    tag = "mn" if text.replace(".", "").isdigit() or text == "½" else "mi"
    return f"<{tag}>{html.escape(text)}</{tag}>" if text[:1].isalnum() else _operator(text)


def _operator(text):
    shown = OPERATORS.get(text, text)
    if text == "@":
        return '<mspace width="0.25em"></mspace>'
    if text in "()[]{}|‖⌊⌋":
        return f'<mo stretchy="false">{text}</mo>'
    return f"<mo>{html.escape(shown)}</mo>"


def _scripted(base, below, above):
    if below and above:
        return f"<msubsup>{base}{_row(below)}{_row(above)}</msubsup>"
    tag, script = ("msub", below) if below else ("msup", above)
    return f"<{tag}>{base}{_row(script)}</{tag}>"


def _row(markup):
    """Return markup as one element."""
    one = re.fullmatch(r"<(m\w+)[^>]*>[^<]*</\1>", markup)
    return markup if one else f"<mrow>{markup}</mrow>"
