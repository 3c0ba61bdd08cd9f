"""What the settings of all commands share, and how they are resolved and checked.

A command's settings are one frozen dataclass, whose fields are its flags. The settings of a shape
of task also say how it is trained (`task.py`).
"""

import dataclasses
import math
import typing
from dataclasses import dataclass, field


def flag(default, text, *, minimum=0, maximum=None, above=None, choices=None):
    """Return a dataclass field with the help text and the bounds that the command line knows.

    Args:
        default: its value where none is given.
        text: for the help page.
        minimum: the smallest number; None: any sign.
        maximum: the largest number.
        above: numbers must be larger than this.
        choices: the values that there are.
    """
    bounds = {"minimum": minimum, "maximum": maximum, "above": above, "choices": choices}
    return field(default=default, metadata={"help": text, **bounds})


def share(default, text, **bounds):
    """Return a field for a share, from 0 to 1."""
    return flag(default, text, maximum=1, **bounds)


@dataclass(frozen=True)
class OptimizerSettings:
    """How weights are updated, in every training command."""

    learning_rate: float | None = flag(
        None,
        "highest learning rate, reached after the warm-up; None: what an imported run advises "
        "where its weights move, else 1e-3",
        above=0,
    )
    warmup: float = share(0.05, "share of the steps in which the rate rises from 0")
    final_rate: float = share(0.1, "share of the highest rate that cosine decay ends at")
    weight_decay: float = flag(0.01, "decoupled weight decay (AdamW)")
    clip: float = flag(1.0, "largest global norm of the gradients; 0 switches clipping off")
    beta_2: float = share(0.99, "Adam's decay of the second moment")
    batch_size: int = flag(32, "texts a step", above=0)
    seed: int = flag(0, "seed of every random draw")
    mixed_precision: bool = flag(False, "compute in 16 bits where that is safe (GPU)")
    xla: bool | None = flag(None, "compile with XLA (TensorFlow); None: where lengths are fixed")
    tensorboard: bool = flag(
        False, "write TensorBoard logs into the run folder (extra `tensorboard`)"
    )


def resolve(kind, settings=None, **overrides):
    """Return settings of `kind` with overrides applied; unknown names raise with a suggestion.

    Raises:
        TypeError: an unknown setting, or one of a wrong type.
        ValueError: a value out of range, or not among the choices.
    """
    from kerasllm.utils.errors import nearest  # loads NumPy, which `kerasllm --help` can do without

    if settings is not None and not isinstance(settings, kind):
        raise TypeError(
            f"expected settings of the kind {kind.__name__}, which this data is for, received "
            f"{type(settings).__name__}."
        )
    known = {f.name for f in dataclasses.fields(kind)}
    for name in overrides:
        if name not in known:
            raise TypeError(
                f"expected a setting among {sorted(known)}, received {name!r}."
                + nearest(name, known)
            )
    resolved = dataclasses.replace(settings or kind(), **overrides)
    for entry in dataclasses.fields(kind):
        _check(entry, getattr(resolved, entry.name))
    return resolved


def _check(entry, value):
    """Raise unless the value is of the field's type and within its bounds."""
    kinds = typing.get_args(entry.type) or (entry.type,)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type(value) not in kinds and not (float in kinds and number):
        names = " or ".join(kind.__name__ for kind in kinds).replace("NoneType", "None")
        raise TypeError(f"{entry.name} must be {names}, received {value!r}.")
    bounds = entry.metadata
    if number and (not math.isfinite(value) or _below(value, bounds["minimum"])):
        least = bounds["minimum"]
        wanted = "a finite number" if least is None else f"{least} or more"
        raise ValueError(f"{entry.name} must be {wanted}, received {value!r}.")
    if number and bounds["above"] is not None and value <= bounds["above"]:
        raise ValueError(f"{entry.name} must be above {bounds['above']}, received {value!r}.")
    if number and bounds["maximum"] is not None and value > bounds["maximum"]:
        raise ValueError(
            f"{entry.name} is a share, from 0 to {bounds['maximum']}, received {value!r}."
        )
    if bounds["choices"] and value is not None:
        from kerasllm.utils.errors import check_choice

        check_choice(entry.name, value, bounds["choices"])


def _below(value, minimum):
    return minimum is not None and value < minimum
