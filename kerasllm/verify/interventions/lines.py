"""Put a line behind the line of an equation that computes a symbol.

The reference says `c = f * c_previous + i * g`. To set a cell is to go on with another one:

    c = f * c_previous + i * g
    c = do("c", c)

That second line is put there here, for as long as a model is computed. The equations know nothing
of it and keep their text: a function's code is exchanged, as `planted` does it with a mistake. This
is Pearl's do-operator taken at its word: the symbol no longer depends on what it was computed from,
and everything after it is computed as ever (Pearl, Causality (2000), section 3.2).
"""

import ast
import functools
import inspect
import textwrap
import threading
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def lines_behind(symbols, do):
    """Hand symbols over to `do` as soon as they are computed, while the `with` block lasts.

    Args:
        symbols: {function: names of its variables}, functions of a module.
        do: (name, value) -> the value to go on with.

    Example:
        >>> def area(width, height):
        ...     base = width
        ...     return base * height
        >>> with lines_behind({area: ("base",)}, lambda name, value: 10 * value):
        ...     area(2, 3)
        60
        >>> area(2, 3)
        6
    """
    with _ONE_AT_A_TIME:
        before = {function: (function.__code__, function.__kwdefaults__) for function in symbols}
        try:
            for function, names in symbols.items():
                code = _with_lines(function.__code__, tuple(names))
                function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), "do": do}
                function.__code__ = code
            yield
        finally:
            for function, (code, defaults) in before.items():
                function.__code__, function.__kwdefaults__ = code, defaults


class _Lines(ast.NodeTransformer):
    """Adds the line `name = do("name", name)` behind each line that computes one of the names."""

    def __init__(self, names):
        self.names = names

    def visit_Assign(self, node):
        parts = [part for target in node.targets for part in ast.walk(target)]
        stored = [p.id for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)]
        lines = (f"{name} = do({name!r}, {name})" for name in stored if name in self.names)
        made = [ast.parse(line).body[0] for line in lines]
        return [node, *(_at(node, line) for line in made)]


def _at(node, line):
    """Return a new line with the place of the one before it, for tracebacks."""
    for part in ast.walk(line):
        ast.copy_location(part, node)
    return line


@functools.cache
def _with_lines(code, names):
    """Return the code of a function with the lines in it, and `do` as one more argument."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    (function,) = tree.body
    function.decorator_list = []
    function.args.kwonlyargs.append(ast.arg("do"))
    function.args.kw_defaults.append(None)
    _Lines(names).visit(function)
    ast.increment_lineno(tree, code.co_firstlineno - 1)
    module = compile(ast.fix_missing_locations(tree), code.co_filename, "exec")
    return next(part for part in module.co_consts if inspect.iscode(part))
