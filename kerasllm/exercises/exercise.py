"""What an exercise is."""

from collections.abc import Callable
from dataclasses import dataclass

LEVELS = ("one line", "a few lines", "a whole layer", "a backward pass")


@dataclass(frozen=True, repr=False)
class Exercise:
    """A function of `kerasllm.reference` to be written by the learner.

    Attributes:
        name: name of that function.
        level: one of `LEVELS`.
        task: one sentence.
        statement: equation, arguments with shapes, what to return.
        hint: what to think of.
        outputs: names of the arrays that are compared.
        trials: called with a random generator; returns a list of `Trial`.
        time_axis: for outputs that have one, the axis of time.
        parts: functions inside of this one, whose mistakes are tried too.
        run: how the function is called; as `function(*args, **kwargs)` if left out.
    """

    name: str
    level: str
    task: str
    statement: str
    hint: str
    outputs: tuple[str, ...]
    trials: Callable
    time_axis: dict | None = None
    parts: tuple[str, ...] = ()
    run: Callable | None = None

    def __repr__(self):
        return f"<exercise {self.name} ({self.level}): {self.task}>"

    @property
    def backward(self):
        """Whether it is a backward pass, which goes through time from the end."""
        return self.name.endswith("_backward")

    def call(self, function, trial, args=None):
        """Return what a function makes of a trial (with `args` in the place of its arguments)."""
        args, kwargs = (trial.args, trial.kwargs) if args is None else args
        if self.run is None:
            return function(*args, **kwargs)
        return self.run(function, *args, **kwargs)
