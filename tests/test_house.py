"""The layout holds: who imports whom, and what importing the package loads."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"keras", "tensorflow", "jax", "torch", "matplotlib", "sklearn", "nltk"}


def test_import_rules():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


# Packages that load their modules by name, when a name is asked for: kerasllm, which recipes import
# as a user's script does, and training, whose shapes ask their own package for its functions.
LAZY = {"kerasllm", "kerasllm.training"}


def imports_by_name(module):
    """Yield how the modules begin that a module imports by a name, such as f"{package}.{topic}"."""
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            written = ast.unparse(node.args[0]).strip("f'\"").replace("{__name__}", module)
            yield written.split("{")[0]


def import_graph():
    """Return which module of the package imports which, those inside of functions included.

    Left out is that importing a module imports the packages around it first: every package that
    names what its modules define would be a circle.
    """
    graph = grimp.build_graph("kerasllm", cache_dir=None)
    found = {name: set(graph.find_modules_directly_imported_by(name)) for name in graph.modules}
    for name in found.keys() - LAZY:
        starts = tuple(start for start in imports_by_name(name) if start.startswith("kerasllm"))
        found[name] |= {other for other in found if other != name and other.startswith(starts)}
    return found


def test_no_circle_of_imports():
    graph = import_graph()
    assert "kerasllm.verify.mistakes.lstm" in graph["kerasllm.verify.mistakes.catalogue"]
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", ["kerasllm", "kerasllm.reference", "kerasllm.cli"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_every_public_name_exists():
    code = "import kerasllm; [getattr(kerasllm, name) for name in kerasllm.__all__]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name_is_an_attribute_error():
    import kerasllm

    with pytest.raises(AttributeError, match="no attribute 'pretrian'"):
        kerasllm.pretrian  # noqa: B018


def test_dependencies_are_declared_in_setup_cfg_only():
    assert "dependencies" not in (ROOT / "pyproject.toml").read_text()


def test_the_help_page_lists_every_public_name():
    import kerasllm

    listed = {line.split()[0] for line in kerasllm.__doc__.splitlines() if line.startswith("    ")}
    assert set(kerasllm.__all__) - {"__version__"} <= listed
