"""Where NumPy reference and Keras meet: twins, comparisons, mask checks, proofs.

A first look::

    from kerasllm import verify

    print(verify.compare(model, x, y, steps=10))   # forward, gradients, optimizer steps
    verify.twin(model).trace(x)["lstm"].f          # the forget gate at every step
    print(verify.check_masks(model))               # does padding change what the model says?
    verify.register(MyLayer, forward, backward)    # teach the twin a layer
"""

import importlib

# Imported at once: the functions must take the place of the modules of the same name.
from kerasllm.verify.compare import compare
from kerasllm.verify.layer_masks import mask_table
from kerasllm.verify.masks import check_masks
from kerasllm.verify.report import Report, Row
from kerasllm.verify.twin import Twin, twin
from kerasllm.verify.twin_registry import UnsupportedLayerError, register

_LAZY = {"verify_equations": "equations"}

__all__ = [
    "Report",
    "Row",
    "Twin",
    "UnsupportedLayerError",
    "check_masks",
    "compare",
    "mask_table",
    "register",
    "twin",
    "verify_equations",
]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__():
    return __all__
