"""Does the proof notice? Plant a known mistake and look for the first row that goes red.

    for mistake in MISTAKES:
        print(mistake.name, first_red_row(mistake))

The checks of the cases that cover the function are tried first, the cheapest before the others;
then the examples in its docstring. The search ends at the first red row.
"""

import doctest
import importlib
import math

from kerasllm import reference
from kerasllm.verify.comparison.report import Row
from kerasllm.verify.mistakes.mistake import planted
from kerasllm.verify.proofs.cases.trajectories import TRAJECTORIES
from kerasllm.verify.proofs.checks import check_backward, check_forward, check_gradients
from kerasllm.verify.proofs.equations import CASES
from kerasllm.verify.proofs.training import check_training

# Functions whose cases leave something to those of a function that calls them.
_CALLED_BY = {
    "causal_mask": "transformer_decoder",
    "sinusoidal_table": "sinusoidal_positions",
    "scaled_dot_product_attention": "transformer_encoder",  # as many queries as keys
}


def first_red_row(mistake):
    """Plant a mistake, run the checks that concern it, and return the first failed row.

    Args:
        mistake: a `Mistake`.

    Returns:
        A `Row` that is not ok, or None if no check noticed.
    """
    for check in _checks(mistake.function.removesuffix("_backward")):
        with planted(mistake):
            rows = _rows(check, mistake)
        for row in rows:
            if not row.ok:
                return row
    return None


def _checks(function):
    """Return functions that take nothing and return rows, the cheapest first."""
    names = {function, _CALLED_BY.get(function, function)}
    covering = [case for case in CASES if names.intersection(case.covers)]
    checks = [lambda case=case: check_backward(case) for case in covering if case.backward]
    checks += [lambda case=case: check_forward(case) for case in covering if case.keras]
    checks += [
        lambda case=case: check_gradients(case) for case in covering if case.keras and case.backward
    ]
    checks.append(lambda: _examples(function))
    return checks + [
        lambda t=trajectory: check_training(t)
        for trajectory in TRAJECTORIES
        if function in trajectory.covers
    ]


def _rows(check, mistake):
    """Run a check; that it cannot even be run is a failure too."""
    try:
        return check()
    except Exception as error:
        note = f"{type(error).__name__}: {error}"
        return [Row(mistake.name, "raises", math.inf, math.inf, 0.0, 0.0, False, note)]


def _examples(function):
    """Run the examples in a docstring as a check."""
    found = getattr(reference, function)
    module = importlib.import_module(found.__module__)
    runner = doctest.DocTestRunner(
        verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    for test in doctest.DocTestFinder(recurse=False).find(found, function, module):
        runner.run(test, out=lambda _: None)
    failed = runner.failures
    note = f"{failed} examples fail" if failed else ""
    return [Row(f"example of {function}", "output", failed, failed, 0.0, 0.0, not failed, note)]
