"""Train, fine-tune, pretrain, evaluate, predict and generate, each through one run folder."""

import importlib

_NAMES = {
    "ChatSettings": "settings.chat",
    "ClassificationSettings": "settings.classification",
    "InUseError": "run_folder.folder",
    "PretrainSettings": "settings.pretraining",
    "Run": "run_folder.run",
    "Seq2SeqSettings": "settings.seq2seq",
    "SpanSettings": "settings.span",
    "TaggingSettings": "settings.tagging",
    "TrainingDivergedError": "engine.loop",
    "chat": "run_folder.run",
    "crossvalidate": "experiments.crossvalidation",
    "evaluate": "run_folder.run",
    "export_adapter": "sharing",
    "export_checkpoint": "importing",
    "finetune": "trainer",
    "generate": "run_folder.run",
    "import_adapter": "sharing",
    "import_checkpoint": "importing",
    "load_run": "run_folder.run",
    "payoff": "experiments.label_efficiency",
    "predict": "run_folder.run",
    "pretrain": "trainer",
    "score_folds": "experiments.crossvalidation",
    "train": "trainer",
}
__all__ = sorted(_NAMES)


def __getattr__(name):
    if name in _NAMES:
        value = getattr(importlib.import_module(f"kerasllm.training.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kerasllm.training' has no attribute {name!r}")
