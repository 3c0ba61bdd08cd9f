"""A rehearsal: an imaginary class hands in every known mistake, and pytest says what it was.

Each learner of this class has one wrong function an exercise, as long as there are mistakes; the
first has none. They work in kits as `kit.py` writes them, and a process of pytest grades each: what
is counted is what a learner would read.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path

from kerasllm.exercises.catalogue import EXERCISES, find
from kerasllm.exercises.teaching.kit import ADAPTERS, write_kit
from kerasllm.utils.tables import Shown, Table
from kerasllm.verify.mistakes.catalogue import mistakes_of

_PLANTED = "from kerasllm.verify.mistakes.catalogue import find_mistake\n\n"


@dataclass(frozen=True, repr=False)
class Rehearsal(Shown):
    """What came of it.

    Attributes:
        right: how many right answers passed.
        wrong: names of right answers that did not pass.
        planted: how many mistakes were handed in.
        passed: names of the mistakes that passed.
        unnamed: names of those that failed under another name or none.
    """

    right: int
    wrong: tuple
    planted: int
    passed: tuple
    unnamed: tuple

    @property
    def named(self):
        """The share of the mistakes whose own sentence was the failure's message."""
        return 1 - (len(self.passed) + len(self.unnamed)) / max(self.planted, 1)

    @property
    def table(self):
        """The counts as a `Table`."""
        missed = len(self.passed)
        rows = [
            ("right answers that pass", f"{self.right} of {self.right + len(self.wrong)}"),
            ("known mistakes that fail", f"{self.planted - missed} of {self.planted}"),
            ("called by their name", f"{self.named:.1%}"),
            *(("passed", name) for name in self.passed),
            *(("not named", name) for name in self.unnamed),
            *(("right and failed", name) for name in self.wrong),
        ]
        return Table((), rows)


def rehearse(names=(), learners=None):
    """Let an imaginary class hand in the known mistakes, and return what pytest said.

    Args:
        names: of the exercises; all of them if left out.
        learners: how many, the one without a mistake included; as many as there are mistakes to
            hand in if left out.

    Returns:
        A `Rehearsal`: it prints itself.

    Raises:
        ModuleNotFoundError: pytest is not installed.
        ValueError: there is no such exercise.
    """
    if find_spec("pytest") is None:
        raise ModuleNotFoundError(
            "the kit needs pytest, which is not installed: pip install pytest"
        )
    names = [find(name).name for name in names] or list(EXERCISES)
    rounds = list(zip_longest(*map(mistakes_of, names)))[
        : None if learners is None else learners - 1
    ]
    right, wrong, planted, passed, unnamed = 0, [], 0, [], []
    with tempfile.TemporaryDirectory() as folder:
        solved = _graded(Path(folder, "0"), {name: f"reference.{name}" for name in names})
        for name, said in solved.items():
            right += said is None
            wrong += [] if said is None else [name]
        for number, mistakes in enumerate(rounds, 1):
            mine = {name: m for name, m in zip(names, mistakes, strict=True) if m is not None}
            code = {name: f'find_mistake("{m.name}").wrong' for name, m in mine.items()}
            for name, said in _graded(Path(folder, str(number)), code).items():
                planted += 1
                passed += [mine[name].name] if said is None else []
                unnamed += [mine[name].name] if said and f"[{mine[name].name}]" not in said else []
    return Rehearsal(right, tuple(wrong), planted, tuple(passed), tuple(unnamed))


def _graded(folder, code):
    """Return {exercise: what pytest said of it, None where it passed} of a learner's functions."""
    write_kit(folder, code, language="en")
    lines = [f"{name} = {function}" for name, function in code.items()]
    (folder / ADAPTERS).write_text(
        "from kerasllm import reference\n" + _PLANTED + "\n".join(lines), "utf-8"
    )
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
               "--rootdir", ".", f"--junitxml={report}"]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if not report.is_file():
        raise RuntimeError(f"pytest did not run: {done.stdout[-500:]} {done.stderr[-500:]}")
    said = {}
    for case in ElementTree.parse(report).iter("testcase"):
        found = [*case.iter("failure"), *case.iter("error"), *case.iter("skipped")]
        name = case.get("name").partition("[")[2].rstrip("]")
        said[name] = f"{found[0].get('message')}\n{found[0].text}" if found else None
    return said
