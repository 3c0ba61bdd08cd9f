"""The layout holds: who imports whom, and what importing the package loads."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"keras", "tensorflow", "jax", "torch", "matplotlib", "sklearn", "nltk"}


def test_import_rules():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


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
