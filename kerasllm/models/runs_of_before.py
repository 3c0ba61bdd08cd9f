"""Runs that earlier versions wrote: their words in those of today, and what their models lack."""

from kerasllm.models.classification.preprocessor import ClassificationPreprocessor
from kerasllm.models.language.preprocessor import (
    CausalPreprocessor,
    ContrastivePreprocessor,
    MaskedPreprocessor,
)
from kerasllm.models.seq2seq.preprocessor import Seq2SeqPreprocessor
from kerasllm.models.span.preprocessor import SpanPreprocessor
from kerasllm.models.tagging.preprocessor import TaggingPreprocessor
from kerasllm.text import load_tokenizer

IMPORTED_RATE = 1e-4  # at which the weights of an imported run are moved
TARGET_TOKENIZER = "target_tokenizer.json"
_TASKS = {
    "pretrain": "language_model",
    "imported": "language_model",
    "finetune": "classification",
    "tagger": "tagging",
    "seq2seq": "seq2seq",
    "span": "span",
}


def in_words_of_today(config):
    """Return config.json with the names of today, whatever version wrote it.

    Example:
        >>> in_words_of_today({"kind": "finetune", "several_labels": True, "settings": {}})
        {'settings': {}, 'task': 'classification', 'encoder': False, 'multilabel': True}
    """
    if not isinstance(config, dict):
        return config
    if "kind" in config:
        kind = config.pop("kind")
        config["task"] = _TASKS.get(kind, kind)
        imported = kind == "imported" and config.get("settings", {}).get("objective") == "masked"
        config["encoder"] = imported
    if "model_type" in config:
        config.setdefault("advised", {"learning_rate": IMPORTED_RATE})
    if "several_labels" in config:
        config["multilabel"] = config.pop("several_labels")
    settings = config.get("settings")
    if isinstance(settings, dict) and "preset" in settings:
        settings["size"] = settings.pop("preset")
    return config


def preprocessor_of(config, tokenizer, folder):
    """Return the preprocessor of a model that was saved without one.

    Args:
        config: of its run, in words of today.
        tokenizer: of its run.
        folder: of its run.

    Raises:
        ValueError: the target's tokenizer is not the one that the model was trained with.
    """
    return _MAKERS[config["task"]](config, config["settings"], tokenizer, folder)


def _language(config, settings, tokenizer, _folder):
    length = settings["length"]
    if config.get("encoder"):
        return ClassificationPreprocessor(tokenizer, length=length)
    if settings["objective"] == "masked":
        options = (settings[name] for name in ("mask_share", "whole_word", "batch_size"))
        return MaskedPreprocessor(tokenizer, length, *options)
    kinds = {"causal": CausalPreprocessor, "contrastive": ContrastivePreprocessor}
    return kinds[settings["objective"]](tokenizer, length)


def _classification(config, settings, tokenizer, _folder):
    return ClassificationPreprocessor(
        tokenizer,
        config["labels"],
        settings["length"],
        settings["long_texts"],
        bool(settings["clean"]),
        bool(config.get("multilabel")),
    )


def _tagging(config, settings, tokenizer, _folder):
    return TaggingPreprocessor(
        tokenizer,
        config["labels"],
        settings["scheme"] if config["entities"] else "none",
        settings["length"],
        config["characters"],
        settings["word_length"],
        settings["digits"],
        config["by_character"],
        settings["word_splitter"],
    )


def _span(config, settings, tokenizer, _folder):
    given = settings["null_threshold"]
    threshold = given if given is not None else None if config["always_answered"] else 0.0
    names = ("length", "stride", "max_question", "max_answer")
    return SpanPreprocessor(tokenizer, *(settings[name] for name in names), threshold)


def _seq2seq(config, settings, tokenizer, folder):
    target, path = tokenizer, folder / TARGET_TOKENIZER
    if path.is_file() or config["target_tokenizer"] != tokenizer.fingerprint:
        target = load_tokenizer(path)
    if target.fingerprint != config["target_tokenizer"]:
        raise ValueError(
            f"{path} is not the tokenizer that the model was trained with: its fingerprint "
            "differs from the one in config.json. Use the file of the same run."
        )
    names = ("length", "truncate", "beam", "length_penalty")
    return Seq2SeqPreprocessor(tokenizer, target, *(settings[name] for name in names))


_MAKERS = {
    "language_model": _language,
    "classification": _classification,
    "tagging": _tagging,
    "span": _span,
    "seq2seq": _seq2seq,
}
