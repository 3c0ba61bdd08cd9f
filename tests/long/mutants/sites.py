"""Where code can be broken by one small change, and how: the generator of mutants.

`sites(root, file)` reads a file of Python by `ast` and returns a `Site` for each change:

    operator   + ↔ -, * ↔ /, // → /, ** → *, & ↔ |, < ↔ <=, > ↔ >=, == ↔ !=, is ↔ is not,
               in ↔ not in, and ↔ or, max ↔ min, += ↔ -=; a sign, a `not` or a `~` is lost
    term       one side of a sum, product or condition is lost; one side of `a if c else b` is taken
    constant   n → n + 1, x → 2 x, True ↔ False
    axis       another axis
    transpose  .T, .swapaxes(…), transpose(x, …) are lost
    slice      a bound or a step of a slice is lost
    argument   an argument given by name is lost

Left alone is what holds no value of an equation: docstrings, annotations, texts, the messages of
errors, and `strict=`. A change is a splice of the source, so nothing else of the file moves.
"""

import ast
import hashlib
from typing import NamedTuple

SYMBOLS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Pow: "**",
    ast.BitAnd: "&", ast.BitOr: "|", ast.MatMult: "@", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">",
    ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is", ast.IsNot: "is not", ast.In: "in",
    ast.NotIn: "not in", ast.And: "and", ast.Or: "or",
}  # fmt: skip
_PAIRS = (("+", "-"), ("*", "/"), ("&", "|"), ("<", "<="), (">", ">="), ("==", "!="),
          ("is", "is not"), ("in", "not in"), ("and", "or"))  # fmt: skip
OTHER = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])} | {"//": "/", "**": "*"}
TURNS = ("swapaxes", "transpose", "moveaxis")
NO_VALUE = ("strict", "dtype", "name")  # arguments whose loss or change is no change of an equation


class Site(NamedTuple):
    """One change of one place.

    Attributes:
        file: path from the repository's root.
        function: the function around it, such as "Conv.call"; "" at the top of the file.
        inside: whether it is in the body of that function; else it runs when the file is imported.
        first, last: lines; a test covers the site if it runs one of them. They are those of the
            statement; of the function for a default, of the class or the file for what is outside.
        start, end: the bytes that are replaced.
        kind: which of the changes above.
        old, new: what stands there, and what will.
        key: the change by content, the same as long as the function around it is the same.
    """

    file: str
    function: str
    inside: bool
    first: int
    last: int
    start: int
    end: int
    kind: str
    old: str
    new: str
    key: str

    def planted(self, source):
        """Return the source, as bytes, with the change in it."""
        return source[: self.start] + self.new.encode() + source[self.end :]


def sites(root, file):
    """Return the sites of one file."""
    source = (root / file).read_bytes()
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    return [site for site in finder.found if _compiles(site, source)]


def draw(found, seed, count=None):
    """Return so many sites in an order that the seed draws; it outlives changes elsewhere."""
    return sorted(found, key=lambda s: hashlib.sha256(f"{seed} {s.key}".encode()).digest())[:count]


def _compiles(site, source):
    try:
        compile(site.planted(source), site.file, "exec")
    except SyntaxError:
        return False
    return True


class _Finder(ast.NodeVisitor):
    """Walk a file and note its sites."""

    def __init__(self, file, source):
        self.file, self.source, self.found = file, source, []
        self.names, self.bodies, self.counts = [], [], {}
        lines = source.splitlines(keepends=True)
        self.lines = (1, len(lines))
        self.starts = [sum(map(len, lines[:k])) for k in range(len(lines))]

    def span(self, node):
        """Return the bytes that a node takes."""
        start = self.starts[node.lineno - 1] + node.col_offset
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node):
        """Return the source of a node."""
        start, end = self.span(node)
        return self.source[start:end].decode()

    def note(self, kind, node, new, span=None):
        """Note that the text of a node may become another."""
        start, end = span or self.span(node)
        old, function = self.source[start:end].decode(), ".".join(self.names)
        body = self.bodies[-1] if self.bodies else ""
        what = "\0".join((self.file, function, body, kind, old, new))
        self.counts[what] = self.counts.get(what, 0) + 1
        key = hashlib.sha256(f"{what}\0{self.counts[what]}".encode()).hexdigest()[:16]
        place = (self.file, function, bool(self.bodies), *self.lines)
        self.found.append(Site(*place, start, end, kind, old, new, key))

    def visit(self, node):
        """Visit a node; the innermost statement of a function is what a test has to run."""
        if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)):
            return
        kept = self.lines
        if isinstance(node, ast.stmt) and self.bodies:
            last = node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno
            self.lines = (node.lineno, max(node.lineno, last))
        super().visit(node)
        self.lines = kept

    def visit_FunctionDef(self, node):
        """Visit the defaults, which run outside, and the body."""
        kept = self.lines
        self.lines = (node.body[0].lineno, node.end_lineno)
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)
        self.lines = kept
        self.names.append(node.name)
        self.bodies.append(ast.dump(node))
        for statement in node.body:
            self.visit(statement)
        self.names.pop()
        self.bodies.pop()

    def visit_ClassDef(self, node):
        """Visit the body."""
        kept = self.lines
        self.lines = (node.lineno, node.end_lineno)
        self.names.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self.names.pop()
        self.lines = kept

    def visit_Assign(self, node):
        """Visit the value, not a list of public names."""
        if not any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            self.generic_visit(node)

    def visit_AnnAssign(self, node):
        """Visit the value, not the annotation."""
        if node.value:
            self.visit(node.value)

    def visit_AugAssign(self, node):
        """Change `+=` to `-=` and the like."""
        symbol = SYMBOLS.get(type(node.op))
        if symbol in OTHER and not _is_text(node.value):
            target, value = self.text(node.target), self.text(node.value)
            self.note("operator", node, f"{target} {OTHER[symbol]}= {value}")
        self.generic_visit(node)

    def visit_BinOp(self, node):
        """Change the operator, or lose a side."""
        symbol = SYMBOLS.get(type(node.op))
        if symbol and not _is_text(node.left) and not _is_text(node.right):
            left, right = f"({self.text(node.left)})", f"({self.text(node.right)})"
            if symbol in OTHER:
                self.note("operator", node, f"({left} {OTHER[symbol]} {right})")
            if symbol in "+-*/@&|":
                self.note("term", node, left)
            if symbol in "+*&|":
                self.note("term", node, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        """Change `and` to `or`, or lose a condition."""
        texts = [f"({self.text(value)})" for value in node.values]
        symbol = SYMBOLS[type(node.op)]
        self.note("operator", node, "(" + f" {OTHER[symbol]} ".join(texts) + ")")
        for k in range(len(texts)):
            rest = f" {symbol} ".join(texts[:k] + texts[k + 1 :])
            self.note("term", node, f"({rest})")
        self.generic_visit(node)

    def visit_Compare(self, node):
        """Change the first comparison."""
        symbol = SYMBOLS.get(type(node.ops[0]))
        if symbol in OTHER:
            left, right = self.text(node.left), self.text(node.comparators[0])
            span = self.span(node.left)[0], self.span(node.comparators[0])[1]
            self.note("operator", node, f"({left}) {OTHER[symbol]} ({right})", span)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        """Lose a sign, a `not` or a `~`."""
        self.note("operator", node, f"({self.text(node.operand)})")
        self.generic_visit(node)

    def visit_IfExp(self, node):
        """Take one side, whatever the condition."""
        self.note("term", node, f"({self.text(node.body)})")
        self.note("term", node, f"({self.text(node.orelse)})")
        self.generic_visit(node)

    def visit_Constant(self, node):
        """Change a number or a truth value."""
        if isinstance(node.value, bool):
            self.note("constant", node, str(not node.value))
        elif isinstance(node.value, int):
            self.note("constant", node, str(node.value + 1))
        elif isinstance(node.value, float):
            self.note("constant", node, str(2 * node.value) if node.value else "1.0")

    def visit_Attribute(self, node):
        """Lose a transpose."""
        if node.attr == "T":
            self.note("transpose", node, f"({self.text(node.value)})")
        self.generic_visit(node)

    def visit_Slice(self, node):
        """Lose a bound or a step."""
        parts = {name: getattr(node, name) for name in ("lower", "upper", "step")}
        for name in (name for name, part in parts.items() if part):
            lower, upper, step = (
                self.text(part) if part and key != name else "" for key, part in parts.items()
            )
            self.note("slice", node, f"{lower}:{upper}" + (f":{step}" if step else ""))
        self.generic_visit(node)

    def visit_Call(self, node):
        """Lose a transpose or an argument, take another axis, change max and min."""
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in TURNS:
            turned = _turned(node)
            if turned is not None:
                self.note("transpose", node, f"({self.text(turned)})")
        if name in ("max", "min", "maximum", "minimum"):
            other = name.replace("max", "MIN").replace("min", "max").lower()
            start = self.span(node.func)[1] - len(name)
            self.note("operator", node, other, (start, self.span(node.func)[1]))
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        self._arguments([k for k in node.keywords if k.arg not in NO_VALUE])

    def _arguments(self, keywords):
        for keyword in keywords:
            if keyword.arg is None:
                self.visit(keyword.value)
                continue
            start, end = self.span(keyword)
            comma = self.source[end:].lstrip()[:1] == b","
            upto = self.source.index(b",", end) + 1 if comma else end
            self.note("argument", keyword, "", (start, upto))
            axis = _number(keyword.value) if keyword.arg == "axis" else None
            if axis is None:
                self.visit(keyword.value)
            else:
                self.note("axis", keyword, f"axis={-1 if axis == 0 else 0}")


def _turned(call):
    """Return what a call of transpose or the like turns, or None."""
    if isinstance(call.func, ast.Attribute):
        value = call.func.value
        module = isinstance(value, ast.Name) and value.id in ("np", "ops")
        keras_ops = isinstance(value, ast.Attribute) and value.attr == "ops"
        return (call.args[0] if call.args else None) if module or keras_ops else value
    return call.args[0] if call.args else None


def _number(node):
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if type(value) is int else None


def _is_text(node):
    """Whether a term is a text or a display of a list: adding those is no arithmetic."""
    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return text or isinstance(node, (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp))
