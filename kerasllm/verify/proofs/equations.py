"""Every equation of `kerasllm.reference`, and every public layer, proven on the running backend.

A topic is a module of `cases/` with two tables: `CASES` (see `checks.py`) and `EXEMPT`, which maps
a public function or layer without a case to the reason why it needs none.
"""

import importlib
import inspect
from functools import partial

import keras

from kerasllm import layers, models, reference
from kerasllm.verify.comparison.report import Report
from kerasllm.verify.proofs.cases.models import MODELS
from kerasllm.verify.proofs.cases.trajectories import TRAJECTORIES
from kerasllm.verify.proofs.checks import check_backward, check_forward, check_forward_and_gradients
from kerasllm.verify.proofs.plan import Progress
from kerasllm.verify.proofs.training import check_training

TOPICS = (
    "elementary", "recurrent", "losses", "optimizers", "attention", "transformer", "llama",
    "decoder", "sequence", "layers",
)  # fmt: skip
_MODULES = [importlib.import_module(f"kerasllm.verify.proofs.cases.{topic}") for topic in TOPICS]

CASES_OF = {topic: module.CASES for topic, module in zip(TOPICS, _MODULES, strict=True)}
CASES = tuple(case for cases in CASES_OF.values() for case in cases)
EXEMPT = {name: why for module in _MODULES for name, why in module.EXEMPT.items()}


def precisions():
    """Return the dtypes that checks 2 and 3 use here: float64 only on TensorFlow.

    Keras on JAX and torch computes some operations in float32 whatever it is given.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return ("float64", "float32") if on_tensorflow else ("float32",)


def prove(case, dtypes=None):
    """Return the rows of checks 1 to 3 for one case, on the running backend."""
    rows = check_backward(case) if case.backward else []
    if case.keras and keras.backend.backend() not in case.skip:
        for dtype in dtypes or precisions():
            pair = (
                check_forward_and_gradients(case, dtype)
                if case.backward
                else (check_forward(case, dtype),)
            )
            rows += [row for part in pair for row in part]
    return rows


def public_functions():
    """Return the names of the public functions of `kerasllm.reference`."""
    return tuple(n for n in reference.__all__ if inspect.isfunction(getattr(reference, n)))


def public_layers():
    """Return the names of the public layers and models, which hold weights or compute."""
    found = ((name, getattr(package, name)) for package in (layers, models)
             for name in package.__all__)  # fmt: skip
    return tuple(n for n, x in found if inspect.isclass(x) and issubclass(x, keras.Layer))


def uncovered():
    """Return the public functions and layers that no case covers, and `EXEMPT` does not excuse.

    A backward function `f_backward` counts as covered where a case of `f` differentiates. A layer
    is covered by a case, which differentiates it, together with a model that is trained.
    """
    covered = set(EXEMPT)
    for case in (*CASES, *TRAJECTORIES):
        covered.update(case.covers)
        if getattr(case, "backward", None):
            covered.update(f"{name}_backward" for name in case.covers)
    of_cases, trained = (
        {name for one in table for name in one.layers} for table in (CASES, TRAJECTORIES)
    )
    if keras.backend.backend() != "tensorflow":  # where no whole models are trained
        trained = of_cases
        covered.update(name for _, functions, *_ in MODELS for name in functions)
    covered |= of_cases & trained
    return tuple(n for n in (*public_functions(), *public_layers()) if n not in covered)


def verify_equations(backend=None, *, trajectories=True, quick=False, progress=None):
    """Prove every equation of the package and return a report.

    Args:
        backend: "tensorflow", "jax" or "torch": the backend that you expect to run. Keras chooses
            its backend when it is imported and cannot change it afterwards.
        trajectories: whether to run the 300 training steps of check 4 too.
        quick: prove one case of each function in one precision, without training: seconds.
        progress: a `kerasllm.verify.proofs.plan.Progress`.

    Returns:
        A `Report` with rows for every check of every case.

    Raises:
        ValueError: Keras runs on another backend than `backend`.
    """
    running = keras.backend.backend()
    if backend not in (None, running):
        raise ValueError(
            f"expected Keras on {backend!r}, but it runs on {running!r}; start Python again with "
            f"the environment variable KERAS_BACKEND={backend}"
        )
    rows, progress = [], progress or Progress()
    for topic, steps in _work(trajectories and not quick, quick).items():
        progress.begin(topic, len(steps))
        found = []
        for name, compute in steps:
            progress.advance(name)
            found += compute()
        progress.end(found)
        rows += found
    return Report(rows, title=f"Equations against Keras {keras.__version__} on {running}")


def _work(trajectories, quick):
    """Return {topic: [(name, function that returns rows)]}."""
    dtypes, known = precisions()[:1] if quick else precisions(), set()
    work = {
        topic: [
            (case.name, partial(prove, case, dtypes))
            for case in cases
            if not quick or _brings_a_function(case, known)
        ]
        for topic, cases in CASES_OF.items()
    }
    if trajectories:
        work["training"] = [(one.name, partial(check_training, one)) for one in TRAJECTORIES]
    return {topic: steps for topic, steps in work.items() if steps}


def _brings_a_function(case, known):
    """Whether a case covers a function that is not known yet; then it is."""
    new = set(case.covers) - known
    known |= new
    return bool(new)
