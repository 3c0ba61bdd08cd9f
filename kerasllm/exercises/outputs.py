"""Find the output arrays in whatever form a function returns them."""

import numpy as np

from kerasllm.exercises.words import say


class Problem(Exception):
    """Why a function could not be run or compared, in a learner's words."""


def outputs_of(value, names):
    """Return the arrays by name.

    Args:
        value: an array; a tuple of arrays in the order of `names`; those and a trace, as in
            `output, trace`; or a dict or NamedTuple with the names as its fields.
        names: names of the expected outputs.

    Returns:
        Floating-point arrays by name.

    Raises:
        Problem: another number of outputs, None among them, or no numbers.

    Example:
        >>> outputs_of(([1.0, 2.0], "a trace"), ("output",))
        {'output': array([1., 2.])}
    """
    return {name: _array(name, item) for name, item in _named(value, names).items()}


def _named(value, names):
    fields = value._asdict() if hasattr(value, "_asdict") else value
    if isinstance(fields, dict):
        short = {name.removeprefix("d_"): item for name, item in fields.items()}
        missing = [n for n in names if n.removeprefix("d_") not in short]
        if missing:
            received = ", ".join(map(str, fields))
            raise Problem(say("other_names", names=", ".join(names), received=received))
        return {name: short[name.removeprefix("d_")] for name in names}
    if len(names) == 1 and not _holds_output(value):
        return {names[0]: value}
    items = value[0] if _holds_output(value) and _is_pair(value, names) else value
    if len(names) == 1:
        return {names[0]: items[0] if items is value and len(value) == 1 else items}
    if not isinstance(items, (tuple, list)) or len(items) != len(names):
        count = len(items) if isinstance(items, (tuple, list)) else 1
        expected = {"count": len(names), "names": ", ".join(names)}
        raise Problem(say("other_count", **expected, received=count))
    return dict(zip(names, items, strict=True))


def _holds_output(value):
    """Whether this is a tuple around an output rather than a list of numbers."""
    return isinstance(value, tuple) and (len(value) == 1 or _is_trace(value[-1]) or _arrays(value))


def _arrays(value):
    return any(np.ndim(item) > 0 for item in value)


def _is_trace(item):
    return item is None or isinstance(item, (str, dict)) or hasattr(item, "_asdict")


def _is_pair(value, names):
    """Whether the value is (output or outputs, trace)."""
    if len(value) != 2:
        return False
    if len(names) == 1:
        return True
    first_is_all = isinstance(value[0], (tuple, list)) and len(value[0]) == len(names)
    return first_is_all and (len(names) != 2 or isinstance(value[0], tuple) or _is_trace(value[1]))


def _array(name, item):
    if item is None:
        raise Problem(say("none_for", name=name))
    try:
        array = np.asarray(item)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        raise Problem(say("not_numbers", name=name, dtype=array.dtype))
    return array if array.dtype.kind == "f" else array.astype("float64")
