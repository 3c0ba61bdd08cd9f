"""The settings of each command: one frozen dataclass each, whose fields are the command's flags."""

import dataclasses
import math
import typing
from dataclasses import dataclass, field

_ABOVE_0 = {
    "steps", "batch_size", "length", "epochs", "learning_rate", "vocabulary_size",
    "mask_share", "discriminative", "contrast_batch", "temperature", "min_frequency",
    "max_question", "max_answer", "stride", "validation_rows",
}  # fmt: skip
_SHARES = {
    "warmup", "final_rate", "mask_share", "beta_2", "dropout", "output_dropout", "word_dropout",
    "held_out", "empty_windows",
}  # fmt: skip

_ANY_SIGN = {"layer", "null_threshold"}


def flag(default, text):
    """Return a dataclass field with the help text that the command line shows."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class OptimizerSettings:
    """How weights are updated, in every training command."""

    learning_rate: float = flag(1e-3, "highest learning rate, reached after the warm-up")
    warmup: float = flag(0.05, "share of the steps in which the rate rises from 0")
    final_rate: float = flag(0.1, "share of the highest rate that cosine decay ends at")
    weight_decay: float = flag(0.01, "decoupled weight decay (AdamW)")
    clip: float = flag(1.0, "largest global norm of the gradients; 0 switches clipping off")
    beta_2: float = flag(0.99, "Adam's decay of the second moment")
    batch_size: int = flag(32, "texts a step")
    seed: int = flag(0, "seed of every random draw")
    mixed_precision: bool = flag(False, "compute in 16 bits where that is safe (GPU)")
    xla: bool | None = flag(None, "compile with XLA (TensorFlow); None: where lengths are fixed")
    tensorboard: bool = flag(
        False, "write TensorBoard logs into the run folder (extra `tensorboard`)"
    )


def resolve(kind, settings=None, **overrides):
    """Return settings of `kind` with overrides applied; unknown names raise with a suggestion."""
    from kerasllm.utils.errors import nearest  # loads NumPy, which `kerasllm --help` can do without

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
    """Raise unless the value is of the field's type and in its range."""
    kinds = typing.get_args(entry.type) or (entry.type,)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type(value) not in kinds and not (float in kinds and number):
        names = " or ".join(kind.__name__ for kind in kinds).replace("NoneType", "None")
        raise TypeError(f"{entry.name} must be {names}, received {value!r}.")
    if number and not (math.isfinite(value) and (value >= 0 or entry.name in _ANY_SIGN)):
        raise ValueError(f"{entry.name} must be 0 or more, received {value!r}.")
    if entry.name in _ABOVE_0 and value == 0:
        raise ValueError(f"{entry.name} must be above 0, received {value!r}.")
    if entry.name in _SHARES and number and value > 1:
        raise ValueError(f"{entry.name} is a share, from 0 to 1, received {value!r}.")
