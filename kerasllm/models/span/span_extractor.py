"""Span extraction: where in a context the answer to a question begins and ends."""

import keras
from keras import ops

from kerasllm.layers.masking import lowest
from kerasllm.models.span import scoring
from kerasllm.models.span.preprocessor import SpanPreprocessor
from kerasllm.models.span.review import review
from kerasllm.models.task import WEIGHTED, Task


@keras.saving.register_keras_serializable("kerasllm")
class MaskSpans(keras.layers.Layer):
    """Let an answer stand at position 0 (there is none) or in the context, nowhere else.

        z_t = z_t  where t = 0 or first <= t < stop;  -∞ elsewhere

    Call arguments: [scores (B, T, 2), context (B, 2)], a row of context being first and stop.
    Returns: scores (B, 2, T) in float32 at least.
    """

    def call(self, inputs):
        """Return the masked scores, the starts' before the ends'."""
        scores, context = inputs
        scores = ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))
        t = ops.arange(ops.shape(scores)[1], dtype="int32")[None, :]
        inside = (t >= context[:, :1]) & (t < context[:, 1:])
        allowed = ((t == 0) | inside)[:, None, :]  # (B, 1, T)
        scores = ops.transpose(scores, (0, 2, 1))  # (B, T, 2) -> (B, 2, T)
        return ops.where(allowed, scores, ops.cast(lowest(scores.dtype), scores.dtype))

    def compute_mask(self, _inputs, _mask=None):
        """Return None: a score of -∞ marks what does not count."""
        return None

    def compute_output_shape(self, input_shape):
        """Return (B, 2, T)."""
        batch, length, two = input_shape[0]
        return (batch, two, length)


@keras.saving.register_keras_serializable("kerasllm")
class SpanExtractor(Task):
    """Find the answer to a question in a context.

        p(start = i | question, context) = softmax_i(features_i S)
        p(end = j | question, context)   = softmax_j(features_j E)
        i, j in {0} ∪ context;  (0, 0) says that the context holds no answer

    Args:
        backbone: a backbone that reads the whole text.
        dropout: on the features, before the head.
        preprocessor: a `SpanPreprocessor`; None for a model of ids.

    Inputs: {"ids": (B, T), "context": (B, 2)}: the ids hold a special token, the question and the
    context, such as `[CLS] question [SEP] context [SEP]`; a row of context says at which position
    the context begins, and at which it has ended.
    Outputs: logits (B, 2, T), of the starts and of the ends. Targets (B, 2): the positions of the
    answer's first and last token. The loss, the mean of the two cross-entropies, is
    `keras.losses.SparseCategoricalCrossentropy(from_logits=True)`.

    Raises:
        ValueError: the backbone sees the past only.

    Source: Devlin et al. 2019, sections 4.2 and 4.3.

        >>> from kerasllm.models import TransformerBackbone
        >>> backbone = TransformerBackbone.from_size("tiny", vocabulary_size=31, causal=False)
        >>> inputs = {"ids": ops.array([[2, 7, 4, 8, 9, 3]]), "context": ops.array([[3, 5]])}
        >>> logits = SpanExtractor(backbone)(inputs)
        >>> logits.shape, ops.convert_to_numpy(logits[0, 0] > -1e9).astype(int)
        (TensorShape([1, 2, 6]), array([1, 0, 0, 1, 1, 0]))
    """

    preprocessor_class = SpanPreprocessor
    scoring = scoring
    review = review
    data_task = "span"
    monitor = "f1"
    shown = ("f1", "exact", "no_answer")
    learning_rate = 1e-4
    causal = False

    def __init__(self, backbone, dropout=0.0, preprocessor=None, **kwargs):
        check_reads_all(backbone)
        inputs = {
            "ids": backbone.input,
            "context": keras.Input((2,), dtype="int32", name="context"),
        }
        features = keras.layers.Dropout(dropout, name="dropout")(backbone.output)
        scores = keras.layers.Dense(2, use_bias=False, name="span")(features)  # [S E]
        super().__init__(inputs, MaskSpans(name="positions")([scores, inputs["context"]]), **kwargs)
        self._finish(backbone, preprocessor, dropout=dropout)

    def default_loss(self):
        """Return the mean of the cross-entropies of the start and of the end."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=WEIGHTED)


def check_reads_all(backbone):
    """Raise if the backbone sees the past only."""
    if backbone.causal:
        raise ValueError(
            "span extraction needs a backbone that reads the whole text, received one that sees "
            "the past only: a token of the context would not know what follows it. Import a BERT, "
            'or pretrain with objective="masked".'
        )
