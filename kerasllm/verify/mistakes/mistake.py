"""What a known mistake is, and how to plant one in the library.

    @mistake("softmax")
    def softmax_over_the_first_axis(x, axis=-1):
        '''The probabilities sum to 1 over the first axis instead of the last.'''
        return reference.softmax(x, axis=0)

The name of the function names the mistake, and its docstring ends the sentence "This is what you
get when …"; `chinese.toml` says the same in Chinese. The function takes and returns what the right
one does; most call the right one with other arguments, or change what it returns.
"""

import re
import tomllib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from kerasllm import reference


@dataclass(frozen=True)
class Mistake:
    """A known mistake: `wrong` stands in for `reference.<function>`.

    Example:
        >>> from kerasllm.verify.mistakes.catalogue import find_mistake
        >>> print(find_mistake("lstm_step_input_and_forget_swapped"))
        This is what you get when the input gate and the forget gate are swapped.
    """

    name: str
    function: str
    explanation: str
    wrong: Callable

    @property
    def chinese(self):
        """The explanation in Chinese, from `chinese.toml`."""
        return _in_chinese()[self.name]

    def __str__(self):
        return f"This is what you get when {self.explanation}."


@cache
def _in_chinese():
    return tomllib.loads(Path(__file__).with_name("chinese.toml").read_text("utf-8"))


def mistake(function):
    """Turn a wrong version of `reference.<function>` into a `Mistake`.

    Args:
        function: name of the function that it is a wrong version of.

    Returns:
        A decorator.

    Raises:
        ValueError: `kerasllm.reference` has no function of that name.
    """
    if function not in reference.__all__:
        raise ValueError(f"expected a function of kerasllm.reference, received {function!r}")

    def decorate(wrong):
        sentence = " ".join(wrong.__doc__.split()).rstrip(".")
        symbol = re.match(r"[B-Z]\b", sentence)  # such as Z; "A" is an article
        explanation = sentence if symbol else sentence[0].lower() + sentence[1:]
        return Mistake(wrong.__name__, function, explanation, wrong)

    return decorate


@contextmanager
def planted(mistake):
    """Plant a mistake in the library, for as long as the `with` block lasts.

    The function object stays and only its code is exchanged, so that everybody who holds it is
    affected: other modules, tables, partial functions.

    Args:
        mistake: a `Mistake`.

    Example:
        >>> import numpy as np
        >>> from kerasllm.verify.mistakes.catalogue import find_mistake
        >>> with planted(find_mistake("causal_mask_of_the_future")):
        ...     print(reference.causal_mask(2).astype(int))
        [[1 1]
         [0 1]]
        >>> reference.causal_mask(2).astype(int)
        array([[1, 0],
               [1, 1]])
    """
    function = getattr(reference, mistake.function)
    right = (function.__code__, function.__kwdefaults__)

    def wrong(*args, **kwargs):
        _exchange(function, right)  # a mistake may call the right function
        try:
            return mistake.wrong(*args, **kwargs)
        finally:
            _exchange(function, stand_in)

    stand_in = (_stand_in.__code__, {"_wrong": wrong})
    _exchange(function, stand_in)
    try:
        yield
    finally:
        _exchange(function, right)


# The wrong formulas of a mistake, while another of the same function is planted beneath it.
_WAITING = {}


def with_formulas(function, formulas, compute, *arguments, **settings):
    """Return `compute(formulas, *arguments, **settings)`.

    The formulas of a mistake that is planted beneath count too, so that two mistakes in different
    lines of one function can be planted at once.
    """
    formulas = formulas | _WAITING.pop(function, {})
    beneath = getattr(reference, function)
    if beneath.__code__ is not _stand_in.__code__:
        return compute(formulas, *arguments, **settings)
    _WAITING[function] = formulas
    try:
        return beneath(*arguments, **settings)
    finally:
        _WAITING.pop(function, None)


def symbols_of(right, formulas):
    """Return {symbol: value} of formulas, each of which is given what was computed before."""
    values = {}
    for symbol, formula in (right | formulas).items():
        values[symbol] = formula(values)
    return values


def gates(array, order):
    """Return the blocks of the last axis, one a gate, in another order."""
    blocks = np.split(np.asarray(array), len(order), axis=-1)
    return np.concatenate([blocks[k] for k in order], axis=-1)


def with_part(function, part, wrong, *args, **kwargs):
    """Call `function` while `wrong` stands in for `reference.<part>`."""
    with planted(Mistake(wrong.__name__, part, "", wrong)):
        return function(*args, **kwargs)


def cut(name, fields, d_output, trace, d_state):
    """Go back through a layer whose steps send nothing on by some of their gradients."""
    right = getattr(reference, f"{name}_step_backward")

    def silent(d_step, step):
        grads = right(d_step, step)
        return grads._replace(**{field: 0 * getattr(grads, field) for field in fields})

    backward, part = getattr(reference, f"{name}_backward"), f"{name}_step_backward"
    return with_part(backward, part, silent, d_output, trace, d_state)


def overwritten(grads, trace):
    """Return a layer's gradients with those of its weights as the step visited last has them."""
    x = trace.x[:, -1 if trace.walk.go_backwards else 0]  # visited last is the first step in time
    d = grads.d_projected[:, 0]
    return grads._replace(d_kernel=x.T @ d, d_recurrent_kernel=trace.initial_state[0].T @ d)


def _stand_in(*args, _wrong, **kwargs):
    return _wrong(*args, **kwargs)


def _exchange(function, parts):
    function.__code__, function.__kwdefaults__ = parts
