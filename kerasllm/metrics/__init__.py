"""Scores of the field, from labels, tags and texts; without Keras.

- `x_metrics(true, predicted, ...)` returns a dict of scores, ready for JSON; `x_intervals` takes
  the same and returns {name: (low, high)}, 95 % bootstrap intervals.
- A language model has no predictions to compare: its scores come from -ln p of its tokens.
- What scikit-learn, SciPy, sacrebleu and rouge-score have is theirs. The rules of conlleval, SQuAD
  and CMRC are written here: no kept library has them.

    >>> classification_metrics(["ham", "spam"], ["ham", "ham"], ["ham", "spam"])["accuracy"]
    0.5
"""

from kerasllm.metrics.bootstrap import bootstrap_interval, percentile_interval, pooled_mean
from kerasllm.metrics.calibration import Reliability, reliability
from kerasllm.metrics.classification import (
    classification_intervals,
    classification_metrics,
    confusion_matrix,
)
from kerasllm.metrics.counts import precision_recall_f1
from kerasllm.metrics.denotation import database_of_dump, denotation_metrics
from kerasllm.metrics.entities import count_entities, tagging_intervals, tagging_metrics
from kerasllm.metrics.frames import frame_intervals, frame_metrics
from kerasllm.metrics.generation import (
    exact_matches,
    generation_intervals,
    generation_metrics,
    generation_signatures,
)
from kerasllm.metrics.language import language_intervals, language_metrics
from kerasllm.metrics.multilabel import (
    best_thresholds,
    binary_nats,
    multilabel_intervals,
    multilabel_metrics,
)
from kerasllm.metrics.paired import paired_metrics
from kerasllm.metrics.spans import (
    cmrc_score,
    normal_answer,
    span_intervals,
    span_metrics,
    span_scores,
    squad_score,
)

__all__ = [
    "Reliability",
    "best_thresholds",
    "binary_nats",
    "bootstrap_interval",
    "classification_intervals",
    "classification_metrics",
    "cmrc_score",
    "confusion_matrix",
    "count_entities",
    "database_of_dump",
    "denotation_metrics",
    "exact_matches",
    "frame_intervals",
    "frame_metrics",
    "generation_intervals",
    "generation_metrics",
    "generation_signatures",
    "language_intervals",
    "language_metrics",
    "multilabel_intervals",
    "multilabel_metrics",
    "normal_answer",
    "paired_metrics",
    "percentile_interval",
    "pooled_mean",
    "precision_recall_f1",
    "reliability",
    "span_intervals",
    "span_metrics",
    "span_scores",
    "squad_score",
    "tagging_intervals",
    "tagging_metrics",
]
