"""Which recipes there are, and how one of them is called."""

import ast
import importlib
import pkgutil
import sys
from pathlib import Path

from kerasllm.utils.errors import check_choice

OLD = ("classification", "pairs")  # names of several recipes together, which still work


def recipes():
    """Return {name: its first line} of all recipes; nothing of them is loaded."""
    found = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        path = Path(__file__).parent / f"{module.name}.py"
        tree = ast.parse(path.read_text("utf-8"))
        makes = any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)
        if makes and module.name not in OLD:
            found[module.name] = ast.get_docstring(tree).splitlines()[0]
    return found


def main_of(name, words):
    """Return the function of a recipe that its command calls.

    Args:
        name: of the recipe.
        words: behind it on the command line; the row of the recipe shows them.

    Raises:
        ValueError: there is no such recipe.
    """
    check_choice("recipe", name, (*recipes(), *OLD))
    module = importlib.import_module(f"kerasllm.recipes.{name}")
    sys.argv = [module.__file__, *words]
    return module.main
