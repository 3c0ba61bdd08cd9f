"""The scores of a language model: loss, perplexity, bits per character and per byte."""

import math

import numpy as np


def language_metrics(
    total_nats: float, tokens: int, characters: int | None = None, bytes: int | None = None
) -> dict[str, float]:
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
    loss = total_nats / tokens
    with np.errstate(over="ignore"):  # a loss above 709 nats has a perplexity of infinity
        scores = {"loss": float(loss), "perplexity": float(np.exp(loss)), "tokens": int(tokens)}
    for name, count in (("character", characters), ("byte", bytes)):
        if count is not None:
            scores[f"bits_per_{name}"] = float(total_nats / (math.log(2) * count))
    return scores
