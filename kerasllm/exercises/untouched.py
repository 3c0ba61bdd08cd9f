"""The library as its files have it, whatever a learner has done to it.

A notebook may have replaced a function of `kerasllm.reference`, on purpose or with a slip of the
same name. What is right must not depend on that: while a check runs, every name of every module of
the reference stands for what a second import of the files gave.
"""

import importlib
import pkgutil
import sys
from contextlib import contextmanager
from functools import cache

PACKAGE = "kerasllm.reference"
_ABSENT = object()


@contextmanager
def untouched_reference():
    """Let the modules of `kerasllm.reference` be as their files have them, while a block lasts."""
    kept = []
    for name, fresh in _fresh().items():
        namespace = vars(sys.modules[name])
        kept.append((namespace, {k: namespace.get(k, _ABSENT) for k in fresh}))
        namespace.update(fresh)
    try:
        yield
    finally:
        for namespace, before in kept:
            namespace.update(before)
            for k in [k for k, value in before.items() if value is _ABSENT]:
                del namespace[k]


@cache
def _fresh():
    """Return {module: its names} from a second import; the modules of the first stay in place."""
    import kerasllm

    first, known = _taken_out(), vars(kerasllm)
    place = known.get("reference")
    try:
        package = importlib.import_module(PACKAGE)
        for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
            importlib.import_module(module.name)
        return {name: _names(module) for name, module in _taken_out().items()}
    finally:
        _taken_out()
        sys.modules.update(first)
        if place is not None:
            known["reference"] = place


def _names(module):
    return {k: value for k, value in vars(module).items() if k == "__all__" or k[:2] != "__"}


def _taken_out():
    """Take the modules of the reference out of the imported ones, and return them."""
    names = [n for n in sys.modules if n == PACKAGE or n.startswith(f"{PACKAGE}.")]
    return {name: sys.modules.pop(name) for name in names}
