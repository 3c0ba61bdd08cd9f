"""What `check` has to say: a verdict for each output, the first difference, the known mistake."""

import textwrap
from dataclasses import dataclass, field
from typing import NamedTuple

from kerasllm.exercises.words import say, speaking, spoken, spoken_label
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


def _digits(verdict):
    return "" if verdict.verdict == "exact" else say("digits", digits=verdict.digits)


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
        language: "en" or "zh".
    """

    name: str
    verdicts: tuple = ()
    trials: dict = field(default_factory=dict)
    problem: str = ""
    matches: tuple = ()
    together: bool = False
    notes: tuple = ()
    printed: str = ""
    language: str = "en"

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
        which = "all_right" if self.ok else "not_yet_of" if self.trials else "not_yet"
        counts = {"count": len(self.trials), "right": sum(self.trials.values())}
        with speaking(self.language):
            return say(which, name=self.name, **counts)

    def messages(self):
        """Return what there is to say besides the verdicts, one paragraph each."""
        with speaking(self.language):
            return list(self._messages())

    def _messages(self):
        if self.problem:
            yield self.problem
        wrong = [spoken_label(label) for label, right in self.trials.items() if not right]
        if 0 < len(wrong) < len(self.trials):
            yield say("wrong_with", labels=say("between_labels").join(wrong))
        yield from self._recognized()
        yield from self.notes
        if self.printed:
            yield say("printed", text=self.printed)
        if not self.ok:
            yield say("hint", name=self.name)

    def _recognized(self):
        if not self.together:
            for m in self.matches:
                yield f"{say('mistake', explanation=spoken(m))}  [{m.name}]"
            return
        yield say("two_mistakes")
        yield from (f"- {spoken(m)}  [{m.name}]" for m in self.matches)

    @property
    def table(self):
        """The verdicts as a `Table`."""
        with speaking(self.language):
            rows = [(v.output, say(v.verdict), _digits(v), v.note) for v in self.verdicts]
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
