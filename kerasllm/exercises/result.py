"""What `check` has to say: a verdict for each output, the first difference, the known mistake."""

import textwrap
from dataclasses import dataclass, field
from typing import NamedTuple

from kerasllm.utils.pages import AS_WRITTEN, element
from kerasllm.utils.tables import Shown, Table

EXACT, CLOSE = 1e-9, 1e-3  # norm-relative
_MARKS = {"exact": "good", "close": "close", "wrong": "bad"}


class Verdict(NamedTuple):
    """One output or gradient: "exact", "close" or "wrong", and where it first differs."""

    output: str
    verdict: str
    digits: float
    note: str = ""
    step: int | None = None


@dataclass(frozen=True, repr=False)
class Result(Shown):
    """The answer to one attempt.

    Attributes:
        name: name of the exercise.
        verdicts: one `Verdict` an output; empty if nothing could be compared.
        trials: whether each trial was right, by its label.
        problem: why the function could not be run or compared, "" if it could.
        matches: the known mistakes that give these very numbers (`kerasllm.verify.Mistake`).
        together: whether it takes both of them at once.
        notes: further observations.
        printed: what the function printed in its first trial.
    """

    name: str
    verdicts: tuple = ()
    trials: dict = field(default_factory=dict)
    problem: str = ""
    matches: tuple = ()
    together: bool = False
    notes: tuple = ()
    printed: str = ""

    @property
    def ok(self):
        """Whether everything is exact."""
        return (
            not self.problem
            and bool(self.verdicts)
            and all(verdict.verdict == "exact" for verdict in self.verdicts)
        )

    @property
    def first_wrong_step(self):
        """The time step at which the first difference arises, or None."""
        steps = [verdict.step for verdict in self.verdicts if verdict.step is not None]
        return steps[0] if steps else None

    @property
    def mistake(self):
        """The known mistake that it is, or None."""
        return self.matches[0] if self.matches else None

    def headline(self):
        """Return the result in one line."""
        if self.ok:
            return f"{self.name}: exact, in all of {len(self.trials)} trials."
        right = sum(self.trials.values())
        count = f" ({right} of {len(self.trials)} trials are right)" if self.trials else ""
        return f"{self.name}: not yet{count}."

    def messages(self):
        """Return what there is to say besides the verdicts, one paragraph each."""
        said = [self.problem] if self.problem else []
        wrong = [label for label, right in self.trials.items() if not right]
        if 0 < len(wrong) < len(self.trials):
            said.append("Wrong with: " + "; ".join(wrong) + ". Right with the others.")
        said += self._recognized()
        said += self.notes
        if self.printed:
            said.append("It printed:\n" + self.printed)
        if not self.ok:
            said.append(f'A hint: kerasllm.exercises.hint("{self.name}")')
        return said

    def _recognized(self):
        if not self.together:
            return [f"{mistake}  [{mistake.name}]" for mistake in self.matches]
        return [
            "Two mistakes at once give these very numbers:",
            *(f"- {m.explanation}  [{m.name}]" for m in self.matches),
        ]

    @property
    def table(self):
        """The verdicts as a `Table`."""
        rows = [
            (v.output, v.verdict, "" if v.verdict == "exact" else f"{v.digits:.1f} digits", v.note)
            for v in self.verdicts
        ]
        return Table((), rows, marks=[_MARKS[v.verdict] for v in self.verdicts])

    def __str__(self):
        if self.ok and not self.printed:
            return self.headline()
        rows = [textwrap.indent(str(self.table), "  ")] if self.verdicts else []
        lines = "\n".join([self.headline(), *rows, *self.messages()]).split("\n")
        return "\n".join(map(str.rstrip, lines))

    def _repr_html_(self):
        style = {"style": "white-space:pre-wrap", "class_": AS_WRITTEN}
        said = (element("p", m, **style) for m in self.messages())
        headline = element("p", element("b", self.headline()), class_=AS_WRITTEN)
        return "".join([headline, self.table._repr_html_(), *said])
