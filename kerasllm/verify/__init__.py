"""Where NumPy reference and Keras meet: twins, comparisons, mask checks, proofs.

A first look::

    from kerasllm import verify

    print(verify.compare(model, x, y, steps=10))   # forward, gradients, optimizer steps
    verify.twin(model).trace(x)["lstm"].f          # the forget gate at every step
    print(verify.check_masks(model))               # does padding change what the model says?
    verify.register(MyLayer, forward, backward)    # teach the twin a layer
"""

import importlib

_LAZY = {
    "FAULTS": "faults",
    "Fault": "faults",
    "Report": "report",
    "Row": "report",
    "Twin": "twin_model",
    "UnsupportedLayerError": "twin_registry",
    "check_masks": "masks",
    "compare": "comparison",
    "faults_of": "faults",
    "find_fault": "faults",
    "first_red_row": "faults_caught",
    "mask_table": "layer_masks",
    "register": "twin_registry",
    "seeded": "faults",
    "twin": "twin_model",
    "verify_equations": "equations",
}
__all__ = sorted(_LAZY)


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__():
    return __all__
