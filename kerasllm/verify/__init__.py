"""Where NumPy reference and Keras meet: twins, comparisons, mask checks, proofs.

A first look::

    from kerasllm import verify

    print(verify.compare(model, x, y, steps=10))   # forward, gradients, optimizer steps
    verify.twin(model).trace(x)["lstm"].f          # the forget gate at every step
    print(verify.check_masks(model))               # does padding change what the model says?
    verify.trace(run, "some text").table("lstm_0", "f")    # gates beside the tokens
    verify.gradient_flow(("simple", "lstm")).figure()      # how far back a gradient reaches
    verify.register(MyLayer, forward, backward)    # teach the twin a layer
"""

import importlib

_LAZY = {
    "FAULTS": "faults",
    "Fault": "faults",
    "GradientFlow": "flow",
    "Report": "report",
    "Row": "report",
    "TextTrace": "text_trace",
    "Twin": "twin_model",
    "UnsupportedLayerError": "twin_registry",
    "check_masks": "masks",
    "compare": "comparison",
    "faults_of": "faults",
    "find_fault": "faults",
    "first_red_row": "faults_caught",
    "gradient_flow": "flow",
    "mask_table": "layer_masks",
    "prove_equations": "proof",
    "prove_presets": "proof_presets",
    "prove_run": "proof_run",
    "register": "twin_registry",
    "seeded": "faults",
    "trace": "text_trace",
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
