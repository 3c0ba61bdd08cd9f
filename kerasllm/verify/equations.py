"""Every equation of `kerasllm.reference`, proven on the running backend.

A topic is a module `cases_<topic>.py` with two tables: `CASES` (see `kerasllm.verify.rungs`) and
`EXEMPT`, which maps a public function without a case to the reason why it needs none.
"""

import importlib
import inspect

import keras

from kerasllm import reference
from kerasllm.verify.report import Report
from kerasllm.verify.rungs import rung1, rung2, rung3
from kerasllm.verify.trajectories import TRAJECTORIES, rung4

TOPICS = (
    "elementary", "recurrent", "losses", "optimizers", "attention", "transformer", "sequence",
)  # fmt: skip
_MODULES = [importlib.import_module(f"kerasllm.verify.cases_{topic}") for topic in TOPICS]

CASES = tuple(case for module in _MODULES for case in module.CASES)
EXEMPT = {name: why for module in _MODULES for name, why in module.EXEMPT.items()}


def precisions():
    """Return the dtypes that rungs 2 and 3 use here: float64 only on TensorFlow.

    Keras on JAX and torch computes some operations in float32 whatever it is given.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return ("float64", "float32") if on_tensorflow else ("float32",)


def prove(case):
    """Return the rows of rungs 1 to 3 for one case, on the running backend."""
    rows = rung1(case) if case.backward else []
    if case.keras and keras.backend.backend() not in case.skip:
        for dtype in precisions():
            rows += rung2(case, dtype)
            rows += rung3(case, dtype) if case.backward else []
    return rows


def public_functions():
    """Return the names of the public functions of `kerasllm.reference`."""
    return tuple(n for n in reference.__all__ if inspect.isfunction(getattr(reference, n)))


def uncovered():
    """Return the public functions that neither a case covers nor `EXEMPT` excuses.

    A backward function `f_backward` counts as covered where a case of `f` differentiates.
    """
    covered = set(EXEMPT)
    for case in (*CASES, *TRAJECTORIES):
        covered.update(case.covers)
        if getattr(case, "backward", None):
            covered.update(f"{name}_backward" for name in case.covers)
    return tuple(name for name in public_functions() if name not in covered)


def verify_equations(backend=None, *, trajectories=True):
    """Prove every equation of the package and return a report.

    Args:
        backend: "tensorflow", "jax" or "torch": the backend that you expect to run. Keras chooses
            its backend when it is imported and cannot change it afterwards.
        trajectories: whether to run the 300 training steps of rung 4 too.

    Returns:
        A `Report` with rows for every rung of every case.

    Raises:
        ValueError: Keras runs on another backend than `backend`.
    """
    running = keras.backend.backend()
    if backend not in (None, running):
        raise ValueError(
            f"expected Keras on {backend!r}, but it runs on {running!r}; start Python again with "
            f"the environment variable KERAS_BACKEND={backend}"
        )
    rows = [row for case in CASES for row in prove(case)]
    if trajectories:
        rows += [row for trajectory in TRAJECTORIES for row in rung4(trajectory)]
    return Report(rows, title=f"Equations against Keras {keras.__version__} on {running}")
