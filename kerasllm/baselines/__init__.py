"""What a network must beat, on the same rows.

Every baseline has one shape: `baseline(train, test)` fits to training examples, predicts for
others, and returns a `Baseline` with its predictions and their scores. `BASELINES[task]` holds
those of a task by their names in a table.

    >>> from kerasllm import datasets
    >>> train, test = (datasets.load("spam_en", split=split) for split in ("train", "test"))
    >>> for name, baseline in BASELINES["classification"].items():
    ...     print(name, round(baseline(train, test).metrics["accuracy"], 2))
    majority 0.7
    linear 0.93
"""

from kerasllm.baselines.baseline import Baseline
from kerasllm.baselines.classification import (
    latent_semantic,
    linear,
    linear_multilabel,
    majority,
)
from kerasllm.baselines.crf import crf_tags
from kerasllm.baselines.crf import is_installed as _crf_is_installed
from kerasllm.baselines.extraction import lead_sentences, textrank
from kerasllm.baselines.features import SemanticSpace, semantic_space
from kerasllm.baselines.generation import copy, lead, nearest_neighbour
from kerasllm.baselines.language import KneserNey, gzip_code, kneser_ney
from kerasllm.baselines.spans import first_sentence, sliding_window
from kerasllm.baselines.tagging import frequent_tags, linear_tags

# A language model's takes token ids instead of a `Dataset`, and the size of the vocabulary;
# `gzip_code` is for one too, and takes the text.
BASELINES = {
    "language_model": {"kneser_ney": kneser_ney},
    "classification": {"majority": majority, "linear": linear},
    "multilabel": {"linear": linear_multilabel},
    "tagging": {"frequent": frequent_tags, "linear": linear_tags},
    "span": {"sliding_window": sliding_window, "first_sentence": first_sentence},
    "seq2seq": {"nearest": nearest_neighbour, "lead": lead, "copy": copy},
    "summary": {"lead_sentences": lead_sentences, "textrank": textrank},  # beside seq2seq's
}
if _crf_is_installed():
    BASELINES["tagging"]["crf"] = crf_tags

__all__ = [
    "BASELINES",
    "Baseline",
    "KneserNey",
    "SemanticSpace",
    "copy",
    "crf_tags",
    "first_sentence",
    "frequent_tags",
    "gzip_code",
    "kneser_ney",
    "latent_semantic",
    "lead",
    "lead_sentences",
    "linear",
    "linear_multilabel",
    "linear_tags",
    "majority",
    "nearest_neighbour",
    "semantic_space",
    "sliding_window",
    "textrank",
]
