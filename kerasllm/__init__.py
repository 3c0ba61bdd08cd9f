"""Learn, run and check language models in Keras.

Importing this package loads neither Keras nor a backend: every public name is loaded when it is
first used.

    >>> import kerasllm
    >>> kerasllm.__version__
    '0.1.0'
"""

import importlib
import os

# TensorFlow's start-up notices would bury a learner's own output. Set before it is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"

_PACKAGES = (
    "reference", "layers", "models", "text", "datasets", "training", "verify", "plots", "recipes",
)  # fmt: skip
_FUNCTIONS = {
    "pretrain": "kerasllm.training",
    "finetune": "kerasllm.training",
    "evaluate": "kerasllm.training",
    "predict": "kerasllm.training",
    "generate": "kerasllm.training",
    "crossvalidate": "kerasllm.training",
    "payoff": "kerasllm.training",
    "import_checkpoint": "kerasllm.training",
    "export_checkpoint": "kerasllm.training",
    "train_tagger": "kerasllm.training",
    "train_seq2seq": "kerasllm.training",
    "train_span": "kerasllm.training",
    "load_run": "kerasllm.training",
    "quickstart": "kerasllm.recipes.quickstart",
    "doctor": "kerasllm.diagnosis.report",
}

__all__ = [*_PACKAGES, *_FUNCTIONS, "__version__"]


def __getattr__(name):
    if name in _PACKAGES:
        return importlib.import_module(f"kerasllm.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'kerasllm' has no attribute {name!r}; it has {sorted(__all__)}")


def __dir__():
    return sorted(__all__)
