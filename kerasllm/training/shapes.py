"""The shapes of task with a training, scores and answers of their own, by the kind of their run."""

import importlib

SHAPES = {"tagger": "tagging", "seq2seq": "seq2seq", "span": "spans"}


def function(verb, kind):
    """Return the function that does `verb` ("train", "evaluate" or "predict") for a kind of run.

    Example:
        >>> function("evaluate", "tagger").__name__
        'evaluate_tagger'
    """
    return getattr(importlib.import_module(f"kerasllm.training.{SHAPES[kind]}"), f"{verb}_{kind}")
