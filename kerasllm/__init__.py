"""Learn, run and check language models in Keras.

Importing this package loads neither Keras nor a backend: every public name is loaded when it is
first used.

    >>> import kerasllm
    >>> kerasllm.__version__
    '0.1.0'

Train, and use what was trained:

    train               train on data of any task, from scratch or from a run
    pretrain            train a language model on text
    finetune            go on from a pretrained run, on data of any task
    evaluate            score a run on held-out data, beside the baselines
    predict             answer raw text with a run
    generate            continue a text with a language model
    chat                answer the last message of a conversation
    load_run            open a run folder again
    import_checkpoint   take over a BERT, RoBERTa, DistilBERT, GPT-2 or Llama
    export_checkpoint   write a backbone as `transformers` loads it
    explore             write a page in which a model can be seen and changed
    intervene           change a symbol inside of a model, and see what follows
    payoff              measure what pretraining is worth
    crossvalidate       fine-tune and score on each of k folds
    report              all that can be looked at of a run, on one page
    quickstart          all of it in minutes, without network
    doctor              look over this installation

Packages:

    reference           the equations in NumPy, forward and backward
    layers              Keras layers
    models              backbones, preprocessors, tasks, decoding, checkpoints
    text                cleaning, tokenizers, windows, corpora
    datasets            typed examples from files, public sets and generators
    metrics             scores of the field, with intervals
    baselines           what a network must beat
    training            settings, the engine, run folders, experiments
    verify              twins, comparisons, mask checks, proofs, traces, interventions
    audit               what a model should not have learned: bias, secrets
    explorer            one HTML page that computes, shows and changes a model
    exercises           write an equation, and hear which mistake you made
    lessons             the notebooks, from their sources
    reports             the page of a run, and the table of many
    plots               figures from plain arrays
    recipes             one training script an application
    diagnosis           what is installed, and the cure
"""

import importlib
import os

# TensorFlow's start-up notices would bury a learner's own output. Set before it is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"

_PACKAGES = (
    "audit", "baselines", "datasets", "diagnosis", "exercises", "explorer", "layers", "lessons",
    "metrics", "models", "plots", "recipes", "reference", "reports", "text", "training", "verify",
)  # fmt: skip
_FUNCTIONS = {
    **dict.fromkeys(
        ("chat", "crossvalidate", "evaluate", "export_checkpoint", "finetune", "generate",
         "import_checkpoint", "load_run", "payoff", "predict", "pretrain", "train"),
        "kerasllm.training",
    ),
    "explore": "kerasllm.explorer",
    "intervene": "kerasllm.verify.interventions.intervention",
    "report": "kerasllm.reports.page",
    "quickstart": "kerasllm.recipes.quickstart",
    "doctor": "kerasllm.diagnosis",
}  # fmt: skip

__all__ = [*_PACKAGES, *_FUNCTIONS, "__version__"]


def __getattr__(name):
    if name in _PACKAGES:
        return importlib.import_module(f"kerasllm.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'kerasllm' has no attribute {name!r}; it has {sorted(__all__)}")


def __dir__():
    return sorted(__all__)
