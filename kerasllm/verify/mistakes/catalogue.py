"""The catalogue: mistakes that people really make, one small wrong function each.

Two uses. `seeded(fault)` plants one in the library, and the proof must go red: a check that no
mistake can turn red checks nothing. And `kerasllm.exercises` compares a learner's numbers with
every mistake's numbers, and can say which one it is.

A topic is a module beside this one; how to write one more stands in `mistake.py`.
"""

import difflib
import importlib

from kerasllm.verify.mistakes.mistake import Fault, mistake, seeded

__all__ = ["FAULTS", "TOPICS", "Fault", "faults_of", "find_fault", "mistake", "seeded"]

TOPICS = (
    "elementary", "normalization", "losses", "lstm", "recurrent", "attention",
    "heads", "transformer", "optimizers", "sequence",
)  # fmt: skip
_MODULES = [importlib.import_module(f"kerasllm.verify.mistakes.{topic}") for topic in TOPICS]

FAULTS = tuple(
    fault for module in _MODULES for fault in vars(module).values() if isinstance(fault, Fault)
)


def faults_of(*functions):
    """Return the known mistakes in some functions of `kerasllm.reference`.

    Args:
        *functions: their names.

    Returns:
        A tuple of `Fault`, in the order of the catalogue.

    Example:
        >>> [fault.name for fault in faults_of("padding_mask")]
        ['padding_mask_inverted', 'padding_mask_of_queries']
    """
    return tuple(fault for fault in FAULTS if fault.function in functions)


def find_fault(name):
    """Return the fault of that name.

    Raises:
        ValueError: there is none.

    Example:
        >>> find_fault("adam_betas_swapped").function
        'adam'
    """
    for fault in FAULTS:
        if fault.name == name:
            return fault
    near = difflib.get_close_matches(name, [fault.name for fault in FAULTS], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"expected the name of a known mistake, received {name!r}.{hint}")
