"""Hide tokens for a masked language model."""

import numpy as np

from kerasllm.text import MASK, SPECIAL_TOKENS

SPECIAL_IDS = tuple(range(len(SPECIAL_TOKENS)))


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
