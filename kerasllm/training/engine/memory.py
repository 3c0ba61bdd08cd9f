"""What a training needs at least, before it is tried: memory that ran out may end the machine.

Both figures are lower bounds, so that nothing is refused that would run.
"""

import os

_FLOAT = 4  # bytes
# Weights, their gradients, and the two moments of Adam; features, and their gradients.
_OF_A_WEIGHT, _OF_A_FEATURE = 4 * _FLOAT, 2 * _FLOAT


def memory():
    """Return the bytes of memory of this machine; None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def check_weights(settings):
    """Raise for a model whose weights alone do not fit into the memory.

    Raises:
        ValueError: names the settings that are too large.
    """
    for name in ("hidden_dim", "units", "inner_dim", "word_dim"):
        width = getattr(settings, name, None) or 0
        square = name == "units" or (name == "hidden_dim" and _is_transformer(settings))
        _check(f"{name}={width}", width * (width if square else 1) * _OF_A_WEIGHT, "weights", name)


def _is_transformer(settings):
    return "transformer" in (getattr(settings, n, None) for n in ("backbone", "architecture"))


def check_step(task, batches, batch_size, parts=1):
    """Raise for batches whose features alone do not fit into the memory.

    Args:
        task: a `Task`.
        batches: its `Batches`.
        batch_size: texts a step.
        parts: that are computed one after the other, or elsewhere.

    Raises:
        ValueError: names the batch size.
    """
    width = getattr(getattr(task.backbone, "settings", None), "hidden_dim", 0)
    batches = getattr(batches, "stream_batches", getattr(batches, "batches", batches))
    lengths = getattr(batches, "lengths", None)
    if lengths is not None:
        tokens = int(sum(sorted(lengths)[:batch_size]))
    else:
        tokens = batch_size * getattr(batches, "length", 0)
    what = f"features of a step of batch_size={batch_size}"
    needed = tokens * width * _OF_A_FEATURE // parts
    _check(f"batch_size={batch_size}", needed, what, "batch_size", ", or raise --accumulate")


def _check(given, needed, what, name, otherwise=""):
    there = memory()
    if there and needed > there:
        flag = name.replace("_", "-")
        raise ValueError(
            f"{given} is too much for this machine: the {what} take {needed / 1e9:,.0f} GB at "
            f"least, and it has {there / 1e9:,.0f} GB of memory: lower --{flag}{otherwise}."
        )
