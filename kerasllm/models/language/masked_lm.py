"""Language models that predict hidden tokens."""

import keras
import numpy as np

from kerasllm.models.language.causal_lm import _head
from kerasllm.models.task import _Task
from kerasllm.text import MASK, SPECIAL_TOKENS

SPECIAL_IDS = tuple(range(len(SPECIAL_TOKENS)))


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
