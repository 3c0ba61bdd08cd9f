"""What the settings of all commands share, and how they are resolved and checked.

A command's settings are one frozen dataclass, whose fields are its flags. The settings of a shape
of task also say how it is trained (`task.py`).
"""

import dataclasses
import math
import typing
from dataclasses import dataclass, field

MOST = 2**20  # of what takes memory: no machine has more, and a typing error often does
LAST_SEED = 2**32 - 1  # that every generator takes


def flag(default, text, *, minimum=0, maximum=None, above=None, below=None, choices=None):
    """Return a dataclass field with the help text and the bounds that the command line knows.

    Args:
        default: its value where none is given.
        text: for the help page.
        minimum: the smallest number; None: any sign.
        maximum: the largest number.
        above: numbers must be larger than this.
        below: numbers must be smaller than this.
        choices: the values that there are.
    """
    bounds = {"minimum": minimum, "maximum": maximum, "above": above, "below": below}
    return field(default=default, metadata={"help": text, **bounds, "choices": choices})


def share(default, text, **bounds):
    """Return a field for a share, from 0 to 1."""
    return flag(default, text, **{"maximum": 1, **bounds})


def fraction(default, text, **bounds):
    """Return a field for a share that leaves something: from 0 to below 1."""
    return flag(default, text, **{"below": 1, **bounds})


def amount(default, text, **bounds):
    """Return a field for how many there are of something that takes memory, from 1."""
    return flag(default, text, **{"minimum": 1, "maximum": MOST, **bounds})


def rate(default, text):
    """Return a field for a learning rate, of a size that 32 bits can tell from 0."""
    return flag(default, text, minimum=1e-12, maximum=100)


@dataclass(frozen=True)
class OptimizerSettings:
    """How weights are updated, in every training command."""

    learning_rate: float | None = rate(
        None,
        "highest learning rate, reached after the warm-up; None: what an imported run advises "
        "where its weights move, else 1e-3",
    )
    warmup: float = share(0.05, "share of the steps in which the rate rises from 0")
    final_rate: float = share(0.1, "share of the highest rate that cosine decay ends at")
    weight_decay: float = flag(0.01, "decoupled weight decay (AdamW)", maximum=100)
    clip: float = flag(
        1.0, "largest global norm of the gradients; 0 switches clipping off", maximum=10**9
    )
    beta_2: float = fraction(0.99, "Adam's decay of the second moment")
    batch_size: int = amount(32, "texts a step")
    accumulate: int = amount(
        1, "parts that a batch is computed in, one after the other: less memory, the same step"
    )
    private_noise: float = flag(
        0.0,
        "private training (DP-SGD): noise, as a multiple of --private-clip, which bounds what a "
        "single text can change (ε); 0: not private",
        maximum=10**6,
    )
    private_clip: float = flag(
        1.0, "private training: longest gradient of one text", minimum=1e-6, maximum=10**6
    )
    seed: int = flag(0, "seed of every random draw", maximum=LAST_SEED)
    mixed_precision: bool = flag(False, "compute in 16 bits where that is safe (GPU)")
    xla: bool | None = flag(None, "compile with XLA (TensorFlow); None: where lengths are fixed")
    tensorboard: bool = flag(
        False, "write TensorBoard logs into the run folder (extra `tensorboard`)"
    )
    profile: bool = flag(
        False, "write a profile of a few steps into the run folder, for TensorBoard or Perfetto"
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
    if number and not _is_within(value, bounds):
        raise ValueError(f"{entry.name} must be {_range(bounds)}, received {value!r}.")
    if bounds["choices"] and value is not None:
        from kerasllm.utils.errors import check_choice

        check_choice(entry.name, value, bounds["choices"])


def _is_within(value, bounds):
    """Return whether a number is finite and keeps the bounds of a field."""
    return math.isfinite(value) and not (
        (bounds["minimum"] is not None and value < bounds["minimum"])
        or (bounds["above"] is not None and value <= bounds["above"])
        or (bounds["maximum"] is not None and value > bounds["maximum"])
        or (bounds["below"] is not None and value >= bounds["below"])
    )


def _range(bounds):
    """Return the bounds of a field in words.

    Example:
        >>> _range(flag(0, "", above=0, below=1).metadata), _range(flag(0, "", minimum=1).metadata)
        ('above 0 and below 1', '1 or more')
    """
    least = [] if bounds["minimum"] is None else [f"{bounds['minimum']:,} or more"]
    least = least if bounds["above"] is None else [f"above {bounds['above']:,}"]
    most = [] if bounds["maximum"] is None else [f"at most {bounds['maximum']:,}"]
    most += [] if bounds["below"] is None else [f"below {bounds['below']:,}"]
    return " and ".join(least + most) or "a finite number"
