"""Trials: the random inputs that a learner's function and the library's are both given."""

from typing import NamedTuple

import numpy as np

from kerasllm import reference


class Trial(NamedTuple):
    """One call of the learner's function."""

    label: str
    args: tuple
    kwargs: dict = {}  # noqa: RUF012 - never changed


def arrays(rng, *shapes):
    """Return a normal random array for each shape."""
    return tuple(rng.standard_normal(shape) for shape in shapes)


def backward_of(name, forward):
    """Return trials of a backward pass: a random gradient, and the trace of each forward trial.

    Args:
        name: of the function whose way back it is.
        forward: trials of that function, called with a random generator.
    """

    def trials(rng):
        made = []
        for trial in forward(rng):
            output, trace = getattr(reference, name)(*trial.args, **trial.kwargs)
            shapes = [np.shape(a) for a in (output if isinstance(output, tuple) else (output,))]
            d_output = arrays(rng, *shapes)
            d_output = d_output if isinstance(output, tuple) else d_output[0]
            made.append(Trial(trial.label, (d_output, trace)))
        return made

    return trials
