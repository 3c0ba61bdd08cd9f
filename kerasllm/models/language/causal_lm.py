"""Language models that predict the next token."""

import keras

from kerasllm.datasets.sources import texts_of
from kerasllm.layers import MaskedPooling
from kerasllm.models.language import scoring
from kerasllm.models.language.head import WithHead, language_head
from kerasllm.models.language.losses import SpanContrast, TokenCrossEntropy
from kerasllm.models.language.preprocessor import CausalPreprocessor, ContrastivePreprocessor
from kerasllm.models.language.review import causal_review
from kerasllm.models.task import Task


def check_causal(backbone):
    """Raise unless the backbone sees the past only."""
    if not backbone.causal:
        raise ValueError(
            "a causal language model needs a backbone that sees the past only, received one "
            "that reads the whole text: build it with causal=True (Transformer) or "
            "bidirectional=False (recurrent), or train a MaskedLM."
        )


@keras.saving.register_keras_serializable("kerasllm")
class CausalLM(WithHead, Task):
    """Predict each token from those before it.

        p(id_{t+1} | id_1 … id_t) = softmax(features_t Eᵀ)

    Targets are the ids shifted by one. The head is the embedding table itself where the features
    have its width (tied weights).

    Args:
        backbone: a causal backbone.
        dropout: on the features, before the head.
        preprocessor: a `CausalPreprocessor`; None for a model of ids.

    Inputs: ids (B, T). Outputs: logits (B, T, V).

    Source: Bengio et al. 2003; Press and Wolf 2017.
    """

    preprocessor_class = CausalPreprocessor
    data_task = "language_model"
    causal = True
    shown = ("loss", "perplexity", "bits_per_character", "unknown")
    counted = "tokens"
    review = causal_review

    def __init__(self, backbone, dropout=0.0, preprocessor=None, **kwargs):
        check_causal(backbone)
        features = keras.layers.Dropout(dropout, name="dropout")(backbone.output)
        super().__init__(backbone.input, language_head(backbone, features), **kwargs)
        self._keep_head(backbone.input, features)
        self._finish(backbone, preprocessor, dropout=dropout)

    def default_loss(self):
        """Return the cross-entropy in nats per real token."""
        return TokenCrossEntropy(head_of=self)

    def answers(self, x):
        """Return for each text how likely it is; see `scoring.text_scores`."""
        return scoring.text_scores(self, x, scoring.stream_nats)

    def scores(self, dataset):
        """Return the loss in nats per token, every token but the first counted once."""
        nats = scoring.stream_nats(self, self.preprocessor.rows(texts_of(dataset))[0])
        return {"loss": float(nats.mean())}

    def evaluation(self, dataset, train=None):
        """Return the scores of a `Source`, their intervals, and those of a Kneser-Ney model."""
        return scoring.causal_evaluation(self, dataset, train)

    def logits(self, features):
        """Return logits (B, T, V) of features (B, T, D), for decoding step by step."""
        if any(layer.name == "head" for layer in self.layers):
            return self.get_layer("head")(features)
        return self.backbone.embedding(features, reverse=True)


@keras.saving.register_keras_serializable("kerasllm")
class ContrastiveLM(CausalLM):
    """A causal language model whose pooled features also tell texts apart.

        L = L_next token(ids) + λ L_contrast(pool(features(spans)))

    The next token alone teaches grammar first and topics late. The second term asks the pooled
    features, which a classifier will read, for what the two spans of one text have in common.
    The head has a table of its own: the contrast pulls the embeddings where no tied head can use
    them.

    Args:
        backbone: a causal backbone.
        pooling: as in `TextClassifier`; the pooling's own weights are pretrained with it.
        layer: whose features are pooled: 0 the embeddings, -1 the top.
        dropout: on the features, before the head.
        preprocessor: a `ContrastivePreprocessor`; None for a model of ids.

    Inputs: {"ids": (B, T), "spans": (2R, S)}: rows 2k and 2k + 1 of the spans belong to one text.
    Outputs: {"logits": (B, T, V), "pooled": (2R, D)}; their losses are `TokenCrossEntropy` and
    `SpanContrast`.

    Source: Giorgi et al. 2021 (masked language model and contrastive loss together).
    """

    preprocessor_class = ContrastivePreprocessor
    loss_name = "logits_loss"

    def __init__(
        self, backbone, pooling="mean", layer=-1, dropout=0.0, preprocessor=None, **kwargs
    ):
        check_causal(backbone)
        spans = keras.Input((None,), dtype="int32", name="spans")
        features = keras.layers.Dropout(dropout, name="dropout")(backbone.output)
        chosen = keras.Model(backbone.input, backbone.features(layer), name="chosen")(spans)
        super(CausalLM, self).__init__(
            {"ids": backbone.input, "spans": spans},
            {
                "logits": language_head(backbone, features, tied=False),
                "pooled": MaskedPooling(pooling, name="pooling")(chosen),
            },
            **kwargs,
        )
        self._keep_head(self.input, features, "logits")
        self._finish(backbone, preprocessor, pooling=pooling, layer=layer, dropout=dropout)

    def default_loss(self):
        """Return the losses of the next token and of the contrast, by output."""
        return {"logits": TokenCrossEntropy(head_of=self), "pooled": SpanContrast()}
