"""The scores of a language model: loss, perplexity, bits per character and per byte.

A loss is the mean negative log-likelihood in nats per real (unpadded) token; perplexity and bits
are derived from the same total.
"""

import math

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval, pooled_mean

BLOCK = 256  # tokens that are drawn together
FEWEST_BLOCKS = 20  # of one block alone the interval would have no width


def language_metrics(total_nats, tokens, characters=None, bytes=None):
    r"""Derive every score of a language model from its total negative log-likelihood.

    Equation:
        loss               = total_nats / tokens
        perplexity         = exp(loss)
        bits_per_character = total_nats / (ln 2 * characters)
        bits_per_byte      = total_nats / (ln 2 * bytes)

    Args:
        total_nats: sum of -ln p over the real tokens, nats.
        tokens: how many real tokens that sum runs over: padding is not counted.
        characters: length of the same text in characters; left out, so is that score.
        bytes: length of the same text in UTF-8 bytes; left out, so is that score.

    Returns:
        dict with `loss`, `perplexity`, `tokens` and, where asked for, the two bit rates.

    Raises:
        ValueError: a count below 1, or a total that is NaN or negative.

    Example:
        >>> scores = language_metrics(total_nats=2 * math.log(8), tokens=2, characters=6)
        >>> round(scores["perplexity"], 6), round(scores["bits_per_character"], 6)
        (8.0, 1.0)
    """
    if not total_nats >= 0:
        raise ValueError(
            f"expected a total negative log-likelihood of 0 nats or more, received {total_nats}; "
            "look for NaN in the logits, or for a sign that was not flipped"
        )
    for name, count in (("tokens", tokens), ("characters", characters), ("bytes", bytes)):
        if count is not None and count < 1:
            raise ValueError(f"expected {name} of 1 or more, received {count}; is the text empty?")
    loss = float(total_nats / tokens)
    scores = {"loss": loss, "perplexity": _perplexity(loss), "tokens": int(tokens)}
    for name, count in (("character", characters), ("byte", bytes)):
        if count is not None:
            scores[f"bits_per_{name}"] = float(total_nats / (math.log(2) * count))
    return scores


def language_intervals(nats, **options):
    """Return the bootstrap intervals of loss and perplexity of a running text.

    Tokens of one stretch depend on each other, so whole blocks of `BLOCK` tokens are drawn; of a
    short text smaller ones, for `FEWEST_BLOCKS` of them.

    Args:
        nats: (T,) -ln p of each token, in the order of the text.
        **options: samples, confidence and seed of `bootstrap_interval`.

    Returns:
        {"loss": (low, high), "perplexity": (low, high)}.

    Raises:
        ValueError: no tokens.

    Example:
        >>> low, high = language_intervals(np.full(1000, math.log(8)))["perplexity"]
        >>> round(low, 6), round(high, 6)
        (8.0, 8.0)

    Source: Künsch 1989 (blocks).
    """
    nats = np.asarray(nats, dtype="float64")
    size = max(1, min(BLOCK, len(nats) // FEWEST_BLOCKS))
    blocks = [nats[start : start + size] for start in range(0, len(nats), size)]
    sums, counts = np.array([block.sum() for block in blocks]), np.array([*map(len, blocks)])
    loss = bootstrap_interval(pooled_mean, sums, counts, **options)
    return {"loss": loss, "perplexity": tuple(map(_perplexity, loss))}


def _perplexity(loss):
    with np.errstate(over="ignore"):  # a loss above 709 nats has a perplexity of infinity
        return float(np.exp(loss))
