"""Which recipes there are, and how one of them is called."""

import ast
import contextlib
import importlib
import sys
from pathlib import Path

from kerasllm.utils.errors import check_choice

FOLDER = Path(__file__).parent.parent


def recipes():
    """Return {name: its first line} of all recipes; nothing of them is loaded."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = ast.get_docstring(tree).splitlines()[0]
    return found


@contextlib.contextmanager
def called(name, words):
    """Give the function of a recipe, while the command line is that of its module.

    Args:
        name: of the recipe.
        words: behind it on the command line; the row of the recipe shows them.

    Raises:
        ValueError: there is no such recipe.
    """
    check_choice("recipe", name, recipes())
    module = importlib.import_module(f"kerasllm.recipes.{name}")
    before, sys.argv = sys.argv, [module.__file__, *words]
    try:
        yield module.main
    finally:
        sys.argv = before
