"""Tasks: a backbone, a head and a loss."""

import keras
import numpy as np

from kerasllm.layers import MaskedPooling
from kerasllm.text import MASK, SPECIAL_TOKENS

SPECIAL_IDS = tuple(range(len(SPECIAL_TOKENS)))


class _Task(keras.Model):
    """What all tasks share: they hold a backbone object and are saved with it."""

    def get_config(self):
        """Return the settings that rebuild this task, its backbone included."""
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {"backbone": backbone, "name": self.name, **self.task_config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuild a task and its backbone."""
        config = dict(config)
        backbone = keras.saving.deserialize_keras_object(
            config.pop("backbone"), custom_objects=custom_objects
        )
        return cls(backbone, **config)


def _head(backbone, features, tied=True):
    """Return logits (B, T, V): by the embedding's own table where it is tied and widths agree."""
    if tied and features.shape[-1] == backbone.embedding.hidden_dim:
        return backbone.embedding(features, reverse=True)
    return keras.layers.Dense(backbone.settings.vocabulary_size, name="head")(features)


def check_causal(backbone):
    """Raise unless the backbone sees the past only."""
    if not backbone.causal:
        raise ValueError(
            "a causal language model needs a backbone that sees the past only, received one "
            "that reads the whole text: build it with causal=True (Transformer) or "
            "bidirectional=False (recurrent), or train a MaskedLM."
        )


@keras.saving.register_keras_serializable("kerasllm")
class CausalLM(_Task):
    """Predict each token from those before it.

        p(id_{t+1} | id_1 … id_t) = softmax(features_t Eᵀ)

    Targets are the ids shifted by one. The head is the embedding table itself where the features
    have its width (tied weights).

    Args:
        backbone: a causal backbone.
        dropout: on the features, before the head.

    Inputs: ids (B, T). Outputs: logits (B, T, V).

    Source: Bengio et al. 2003; Press and Wolf 2017.
    """

    def __init__(self, backbone, dropout=0.0, **kwargs):
        check_causal(backbone)
        features = keras.layers.Dropout(dropout, name="dropout")(backbone.output)
        super().__init__(backbone.input, _head(backbone, features), **kwargs)
        self.backbone = backbone
        self.task_config = {"dropout": dropout}

    def logits(self, features):
        """Return logits (B, T, V) of features (B, T, D), for decoding step by step."""
        if any(layer.name == "head" for layer in self.layers):
            return self.get_layer("head")(features)
        return self.backbone.embedding(features, reverse=True)


@keras.saving.register_keras_serializable("kerasllm")
class MaskedLM(_Task):
    """Predict hidden tokens from all the others.

        p(id_t | text with t hidden) = softmax(features_t Eᵀ),  t in positions

    Args:
        backbone: a backbone that reads the whole text.
        dropout: on the features, before the head.

    Inputs: {"ids": (B, T), "positions": (B, M)}: only the M hidden positions of a text are scored,
    which saves most of the head's work. Outputs: logits (B, M, V). Targets (B, M), 0 where a text
    has fewer than M hidden tokens. `mask_tokens` makes all three.

    Source: Devlin et al. 2019, section 3.1.
    """

    def __init__(self, backbone, dropout=0.0, **kwargs):
        positions = keras.Input((None,), dtype="int32", name="positions")
        chosen = GatherPositions(name="gather")([backbone.output, positions])
        chosen = keras.layers.Dropout(dropout, name="dropout")(chosen)
        inputs = {"ids": backbone.input, "positions": positions}
        super().__init__(inputs, _head(backbone, chosen), **kwargs)
        self.backbone = backbone
        self.task_config = {"dropout": dropout}


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

    Inputs: {"ids": (B, T), "spans": (2R, S)}: rows 2k and 2k + 1 of the spans belong to one text.
    Outputs: {"logits": (B, T, V), "pooled": (2R, D)}; their losses are `TokenCrossEntropy` and
    `SpanContrast`.

    Source: Giorgi et al. 2021 (masked language model and contrastive loss together).
    """

    def __init__(self, backbone, pooling="mean", layer=-1, dropout=0.0, **kwargs):
        check_causal(backbone)
        spans = keras.Input((None,), dtype="int32", name="spans")
        features = keras.layers.Dropout(dropout, name="dropout")(backbone.output)
        chosen = keras.Model(backbone.input, backbone.features(layer), name="chosen")(spans)
        super(CausalLM, self).__init__(
            {"ids": backbone.input, "spans": spans},
            {
                "logits": _head(backbone, features, tied=False),
                "pooled": MaskedPooling(pooling, name="pooling")(chosen),
            },
            **kwargs,
        )
        self.backbone = backbone
        self.task_config = {"pooling": pooling, "layer": layer, "dropout": dropout}


@keras.saving.register_keras_serializable("kerasllm")
class TextClassifier(_Task):
    """Give a text one label.

        p(label | text) = softmax(dropout(norm(pool(features))) W + b)

    The norm (a layer norm) brings pooled features of any backbone to one size, so that one
    learning rate fits the head on all of them.

    Args:
        backbone: any backbone.
        num_classes: C ≥ 2.
        pooling: "mean", "max", "last", "first" or "attention", over the real tokens.
        layer: whose features are pooled: 0 the embeddings, -1 the top.
        dropout: on the pooled features.

    Inputs: ids (B, T). Outputs: logits (B, C).
    """

    def __init__(self, backbone, num_classes, pooling="mean", layer=-1, dropout=0.0, **kwargs):
        if num_classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, received {num_classes}.")
        pooled = MaskedPooling(pooling, name="pooling")(backbone.features(layer))
        pooled = keras.layers.LayerNormalization(epsilon=1e-6, name="pooled_norm")(pooled)
        pooled = keras.layers.Dropout(dropout, name="dropout")(pooled)
        # From 0, so that few labels move the head where they point and nowhere else.
        head = keras.layers.Dense(num_classes, kernel_initializer="zeros", name="classes")
        logits = head(pooled)
        super().__init__(backbone.input, logits, **kwargs)
        self.backbone = backbone
        self.task_config = {
            "num_classes": num_classes,
            "pooling": pooling,
            "layer": layer,
            "dropout": dropout,
        }


def mask_tokens(
    ids, vocabulary_size, rng, share=0.15, word_starts=None, special_ids=SPECIAL_IDS, mask_id=MASK
):
    """Hide tokens for a masked language model: of those chosen, 80 % / 10 % / 10 %.

    Each real token that is not special is chosen with probability `share`; a chosen one becomes
    <mask> (80 %), a random token (10 %) or stays (10 %). A text without any chosen token gets one.

    Args:
        ids: int array (B, T), 0 where padded.
        vocabulary_size: V.
        rng: a NumPy generator.
        share: share of tokens to choose.
        word_starts: bool array (B, T), True where a word begins: whole words are chosen then.
        special_ids: the tokenizer's special tokens, 0 among them.
        mask_id: the tokenizer's <mask>.

    Returns:
        ({"ids": (B, T), "positions": (B, M)}, targets (B, M)), targets 0 where there is none.

    Source: Devlin et al. 2019, section 3.1 and appendix A.1.
    """
    ids = np.asarray(ids)
    ordinary = ~np.isin(ids, list(special_ids))
    words = np.setdiff1d(np.arange(vocabulary_size), list(special_ids))
    draw = rng.random(ids.shape)
    if word_starts is not None:
        # Every piece of a word takes the draw of the word's first piece.
        first = np.maximum.accumulate(np.where(word_starts, np.arange(ids.shape[1]), 0), axis=1)
        draw = np.take_along_axis(draw, first, axis=1)
    draw = np.where(ordinary, draw, 2.0)
    chosen = (draw < share) | (draw <= draw.min(axis=1, keepdims=True)) & ordinary
    fate, hidden = rng.random(ids.shape), ids.copy()
    hidden[chosen & (fate < 0.8)] = mask_id
    random_ids = words[rng.integers(0, len(words), ids.shape)]
    hidden = np.where(chosen & (fate >= 0.9), random_ids, hidden)
    width = max(1, chosen.sum(axis=1).max())
    # Stable sort: chosen positions first, in order.
    positions = np.argsort(~chosen, axis=1, kind="stable")[:, :width]
    targets = np.where(chosen, ids, 0)
    targets = np.take_along_axis(targets, positions, axis=1)
    inputs = {"ids": hidden.astype("int32"), "positions": positions.astype("int32")}
    return inputs, targets.astype("int32")
