"""Pretrain, fine-tune, evaluate, predict and generate, each through one run folder."""

import importlib

_NAMES = {
    "FinetuneSettings": "settings.classification",
    "PretrainSettings": "settings.pretraining",
    "Run": "run",
    "Seq2SeqSettings": "settings.seq2seq",
    "TaggerSettings": "settings.tagging",
    "TrainingDivergedError": "engine.loop",
    "cross_validate": "experiments.crossvalidation",
    "crossvalidate": "folds",
    "evaluate": "evaluation",
    "evaluate_seq2seq": "seq2seq",
    "evaluate_span": "spans",
    "evaluate_tagger": "tagging",
    "export_checkpoint": "importing",
    "finetune": "finetuning",
    "generate": "prediction",
    "import_checkpoint": "importing",
    "load_run": "run",
    "payoff": "experiments.label_efficiency",
    "predict": "prediction",
    "predict_seq2seq": "seq2seq",
    "predict_span": "spans",
    "predict_tagger": "tagging",
    "pretrain": "pretraining",
    "train_seq2seq": "seq2seq",
    "train_span": "spans",
    "train_tagger": "tagging",
}
__all__ = sorted(_NAMES)


def __getattr__(name):
    if name in _NAMES:
        value = getattr(importlib.import_module(f"kerasllm.training.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kerasllm.training' has no attribute {name!r}")
