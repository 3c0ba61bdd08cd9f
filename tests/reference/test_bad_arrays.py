"""Every array of every function: integers and NaN are refused, and never computed with."""

import numpy as np
import pytest

from kerasllm.verify.proofs import equations

# The first case of each function; schedules have no arrays.
DIFFERENTIABLE = [case for case in reversed(equations.CASES) if case.covers and case.backward]
CASES = {case.covers[0]: case for case in DIFFERENTIABLE}


def spoiled(case):
    """Yield (name of the argument, the arguments with that one made unusable, the error)."""
    for name, array in case.arguments.items():
        if np.issubdtype(np.asarray(array).dtype, np.floating):
            broken = np.array(array)
            broken.flat[-1] = np.nan
            yield name, case.arguments | {name: broken}, (ValueError, "expected finite numbers in")
            integers = np.asarray(array).astype(int)
            yield name, case.arguments | {name: integers}, (TypeError, "of a float dtype")


@pytest.mark.parametrize("name", CASES)
def test_integers_and_nan_are_refused(name):
    for argument, arguments, (error, words) in spoiled(CASES[name]):
        with pytest.raises(error, match=words):
            CASES[name].forward(**arguments)
            pytest.fail(f"accepted {argument}")
