"""Pretrain, fine-tune, evaluate, predict and generate, each through one run folder."""

import importlib

_NAMES = {
    "FinetuneSettings": "settings",
    "PretrainSettings": "settings",
    "Run": "run",
    "TrainingDivergedError": "loop",
    "cross_validate": "crossvalidation",
    "crossvalidate": "folds",
    "evaluate": "evaluation",
    "evaluate_span": "spans",
    "export_checkpoint": "importing",
    "finetune": "finetuning",
    "generate": "prediction",
    "import_checkpoint": "importing",
    "load_run": "run",
    "payoff": "payoffs",
    "predict": "prediction",
    "predict_span": "spans",
    "pretrain": "pretraining",
    "train_span": "spans",
}
__all__ = sorted(_NAMES)


def __getattr__(name):
    if name in _NAMES:
        value = getattr(importlib.import_module(f"kerasllm.training.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kerasllm.training' has no attribute {name!r}")
