"""Where NumPy reference and Keras meet: twins, comparisons, mask checks, proofs, interventions.

A first look:

    from kerasllm import verify

    print(verify.compare(model, x, y, steps=10))   # forward, gradients, optimizer steps
    verify.twin(model).trace(x)["lstm"].f          # the forget gate at every step
    print(verify.check_masks(model))               # does padding change what the model says?
    print(verify.loss_masks(run, "chats.jsonl"))   # which tokens a model that chats learns
    with verify.recurrent_masks(kept=False):       # Keras' LSTM as Keras 3.16 makes it
        model = build()
    verify.trace(run, "some text").table("lstm_0", "f")    # gates beside the tokens
    verify.gradient_flow(("simple", "lstm")).figure()      # how far back a gradient reaches
    verify.intervene(run, "some text").set("lstm_0", "c", 0, unit=3).answer    # before, after
    verify.integrated_gradients(run, "some text")          # what each token adds to the answer
    verify.register(MyLayer, forward, backward)    # teach the twin a layer
"""

import importlib

_LAZY = {
    "MISTAKES": "mistakes.catalogue",
    "Mistake": "mistakes.mistake",
    "GradientFlow": "traces.gradient_flow",
    "Report": "comparison.report",
    "Row": "comparison.report",
    "TextTrace": "traces.trace",
    "Twin": "twins.model",
    "UnsupportedLayerError": "twins.registry",
    "Attribution": "interventions.attribution",
    "Claim": "interventions.seeds",
    "Intervention": "interventions.intervention",
    "Probe": "interventions.probes",
    "check_masks": "masks.check",
    "compare": "comparison.compare",
    "mistakes_of": "mistakes.catalogue",
    "find_mistake": "mistakes.catalogue",
    "first_red_row": "mistakes.caught",
    "gradient_flow": "traces.gradient_flow",
    "integrated_gradients": "interventions.attribution",
    "intervene": "interventions.intervention",
    "loss_masks": "masks.answers",
    "mask_table": "masks.table",
    "occlusion": "interventions.attribution",
    "over_seeds": "interventions.seeds",
    "probe": "interventions.probes",
    "prove_equations": "proofs.proof",
    "prove_presets": "proofs.presets",
    "prove_run": "proofs.runs",
    "recurrent_masks": "masks.next_keras",
    "saliency": "interventions.attribution",
    "register": "twins.registry",
    "planted": "mistakes.mistake",
    "trace": "traces.trace",
    "twin": "twins.model",
    "verify_equations": "proofs.equations",
}
__all__ = sorted(_LAZY)


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__():
    return __all__
