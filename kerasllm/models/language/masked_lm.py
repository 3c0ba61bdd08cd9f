"""Language models that predict hidden tokens."""

import keras

from kerasllm.datasets.sources import texts_of
from kerasllm.models.language import scoring
from kerasllm.models.language.head import WithHead, language_head
from kerasllm.models.language.losses import TokenCrossEntropy
from kerasllm.models.language.preprocessor import MaskedPreprocessor
from kerasllm.models.language.review import masked_review
from kerasllm.models.task import Task


@keras.saving.register_keras_serializable("kerasllm")
class MaskedLM(WithHead, Task):
    """Predict hidden tokens from all the others.

        p(id_t | text with t hidden) = softmax(features_t Eᵀ),  t in positions

    Args:
        backbone: a backbone that reads the whole text.
        dropout: on the features, before the head.
        preprocessor: a `MaskedPreprocessor`; None for a model of ids.

    Inputs: {"ids": (B, T), "positions": (B, M)}: only the M hidden positions of a text are scored,
    which saves most of the head's work. Outputs: logits (B, M, V). Targets (B, M), 0 where a text
    has fewer than M hidden tokens. `mask_tokens` makes all three.

    Source: Devlin et al. 2019, section 3.1.
    """

    preprocessor_class = MaskedPreprocessor
    data_task = "language_model"
    causal = False
    shown = ("loss", "perplexity", "bits_per_character", "unknown")
    counted = "tokens"
    review = masked_review

    def __init__(self, backbone, dropout=0.0, preprocessor=None, **kwargs):
        positions = keras.Input((None,), dtype="int32", name="positions")
        chosen = GatherPositions(name="gather")([backbone.output, positions])
        chosen = keras.layers.Dropout(dropout, name="dropout")(chosen)
        inputs = {"ids": backbone.input, "positions": positions}
        super().__init__(inputs, language_head(backbone, chosen), **kwargs)
        self._keep_head(inputs, chosen)
        self._finish(backbone, preprocessor, dropout=dropout)

    def default_loss(self):
        """Return the cross-entropy in nats per hidden token."""
        return TokenCrossEntropy(head_of=self)

    def answers(self, x):
        """Return for each text how likely its hidden tokens are; see `scoring.text_scores`."""
        return scoring.text_scores(self, x, scoring.masked_nats)

    def scores(self, dataset):
        """Return the loss in nats per hidden token."""
        nats = scoring.masked_nats(self, self.preprocessor.rows(texts_of(dataset))[0])
        return {"loss": float(nats.mean())}

    def evaluation(self, dataset, train=None):  # noqa: ARG002 - an n-gram model hides nothing
        """Return the scores of the hidden tokens of a `Source`, and their intervals."""
        return scoring.masked_evaluation(self, dataset)


@keras.saving.register_keras_serializable("kerasllm")
class GatherPositions(keras.layers.Layer):
    """Take rows of features (B, T, D) at positions (B, M): y_m = x[position_m], (B, M, D)."""

    def call(self, inputs):
        """Return the chosen rows."""
        features, positions = inputs
        return keras.ops.take_along_axis(features, positions[..., None], axis=1)

    def compute_mask(self, _inputs, _mask=None):
        """Return None: targets of 0 mark what does not count."""
        return None
