"""Pretrain, fine-tune, evaluate, predict and generate, each through one run folder."""

import importlib

_NAMES = {
    "FinetuneSettings": "settings",
    "PretrainSettings": "settings",
    "Run": "run",
    "Seq2SeqSettings": "seq2seq_settings",
    "TaggerSettings": "tagging_settings",
    "TrainingDivergedError": "loop",
    "cross_validate": "crossvalidation",
    "crossvalidate": "folds",
    "entity_scores": "entities",
    "evaluate": "evaluation",
    "evaluate_seq2seq": "seq2seq",
    "evaluate_span": "spans",
    "evaluate_tagger": "tagging",
    "export_checkpoint": "importing",
    "finetune": "finetuning",
    "generate": "prediction",
    "import_checkpoint": "importing",
    "load_run": "run",
    "payoff": "payoffs",
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
