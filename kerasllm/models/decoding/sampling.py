"""How the next token is chosen from its logits."""

from dataclasses import dataclass

from keras import ops

from kerasllm.layers.masking import masked_softmax

COLDEST, HOTTEST = 1e-3, 1000


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

        x_v = logit_v / θ  where v is in the text and logit_v > 0    (θ: repetition_penalty)
        x_v = logit_v θ    where v is in the text and logit_v ≤ 0
        p   = softmax(x / temperature), cut to the top k, then to the top p

    Attributes:
        temperature: 0 takes the likeliest token (greedy); 1 samples from the model's p. A smaller
            one than `COLDEST` is refused: 32 bits do not hold what it makes of a logit.
        top_k: sample among the k likeliest tokens only.
        top_p: sample among the likeliest tokens that together reach this probability.
        repetition_penalty: θ; 1 changes nothing, 1.2 is usual. The text is all that was read and
            said before, the prompt included.

    Differences from the paper: it divides every logit by θ, which rewards repetition where a logit
    is negative; here such a logit is multiplied.

    Source: Fan et al. 2018 (top-k); Holtzman et al. 2020 (top-p, "nucleus"); Keskar et al. 2019
    (CTRL), section 4.1 (repetition penalty).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self):
        if not (self.temperature == 0 or COLDEST <= self.temperature <= HOTTEST):  # nan neither
            raise ValueError(
                f"temperature must be 0 or more, and from {COLDEST} to {HOTTEST:,} unless it is 0, "
                f"received {self.temperature}: 0 takes the likeliest token, 1 draws from the "
                "model's probabilities."
            )
        if self.top_k is not None and (type(self.top_k) is bool or not self.top_k >= 1):
            raise ValueError(f"top_k must be at least 1, received {self.top_k}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], received {self.top_p}.")
        if not 1 / HOTTEST <= self.repetition_penalty <= HOTTEST:
            raise ValueError(
                f"repetition_penalty must be above 0, at most {HOTTEST:,}, received "
                f"{self.repetition_penalty}: 1 changes nothing, 1.2 avoids what was said."
            )

    def choose(self, logits, uniform, text=None):
        """Return token ids (B,) from logits (B, V), uniform numbers (B,) and the text (B, T)."""
        logits = ops.cast(logits, "float32")
        if self.repetition_penalty != 1 and text is not None:
            logits = _penalized(logits, text, self.repetition_penalty)
        if self.temperature == 0:
            return ops.cast(ops.argmax(logits, axis=-1), "int32")
        logits, size = logits / self.temperature, logits.shape[-1]
        if self.top_k is None and self.top_p is None:
            return _invert(ops.softmax(logits, axis=-1), uniform)
        # (B, k) logits in falling order, and the tokens that they belong to
        logits, tokens = ops.top_k(logits, min(self.top_k or size, size))
        p = masked_softmax(logits)
        if self.top_p is not None:
            total = ops.cumsum(p, axis=-1)
            p = ops.where(total - p < self.top_p * total[:, -1:], p, ops.zeros_like(p))
        chosen = _invert(p, uniform)
        return ops.cast(ops.take_along_axis(tokens, chosen[:, None], axis=-1)[:, 0], "int32")


def _penalized(logits, text, penalty):
    """Return logits (B, V) with those of the text's tokens (B, T) made less likely."""
    x = ops.take_along_axis(logits, text, axis=-1)
    x = ops.where(x > 0, x / penalty, x * penalty)
    rows = ops.broadcast_to(ops.arange(text.shape[0], dtype="int32")[:, None], text.shape)
    index = ops.reshape(ops.stack([rows, text], axis=-1), (-1, 2))  # a token twice: the same x
    return ops.scatter_update(logits, index, ops.reshape(x, (-1,)))


def _invert(p, uniform):
    """Return the first index where the cumulative sum of p (B, k) exceeds uniform times its end."""
    total = ops.cumsum(p, axis=-1)
    index = ops.sum(ops.cast(total <= uniform[:, None] * total[:, -1:], "int32"), axis=-1)
    # Rounding may leave the end of a row of zeros: never past the last token with p > 0.
    last = p.shape[-1] - 1 - ops.argmax(ops.flip(ops.cast(p > 0, "int32"), axis=-1), axis=-1)
    return ops.minimum(index, ops.cast(last, "int32"))
