"""The suite in an environment of the lowest versions that setup.cfg allows.

python -m tests.long lowest [pytest options]
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FIGURES = Path(__file__).parent / "figures" / "lowest.json"
# What torch asks for and its build for the CPU does not.
LEFT_OUT = re.compile(r"(cuda|nvidia|triton)")


def environment(folder):
    """Make the environment, and return its Python and {package: version}."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python, lowest = str(folder / "bin" / "python"), folder / "lowest.txt"
    subprocess.run([python, "-m", "pip", "install", "-q", "uv"], check=True)
    resolve = ["setup.cfg", "--extra", "test", "--resolution", "lowest-direct", "--no-annotate"]
    compiled = subprocess.run(
        [python, "-m", "uv", "pip", "compile", "-q", "--no-header", *resolve],
        cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    rows = [row for row in compiled.splitlines() if not LEFT_OUT.match(row)]
    lowest.write_text("\n".join(rows))
    install = ["install", "-q", "-c", str(lowest), "-e", ".[test]"]
    subprocess.run([python, "-m", "pip", *install], check=True, cwd=ROOT)
    return python, dict(row.split("==") for row in rows if "==" in row)


def main(arguments):
    """Make the environment, run the suite in it, and write what it said."""
    with tempfile.TemporaryDirectory() as folder:
        python, versions = environment(Path(folder))
        # An old library may use what a newer one below it calls deprecated.
        command = [python, "-m", "pytest", "-q", "-W", "ignore::DeprecationWarning", *arguments]
        run = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE)
    print(run.stdout[-5000:])
    if "passed" not in run.stdout:
        return run.returncode  # pytest has said why
    summary = run.stdout.strip().splitlines()[-1]
    named = ("tensorflow", "keras", "numpy", "jax", "torch", "scikit-learn", "tokenizers")
    found = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped)", summary)}
    found |= {"versions": {name: versions[name] for name in named}}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return run.returncode
