"""Linear-chain conditional random field: the best sequence of tags, not the best tag each time."""

import keras
import numpy as np
from keras import ops

from kerasllm.layers.masking import lowest

FORBIDDEN = -1e4  # score of a transition that must not happen; finite in every float type
_UNTRAINED = (
    "a CRF at the end of a model passes its emissions on: the loss behind it never sees the scores "
    "of its transitions, which would stay as they began. Train it by its likelihood: give the "
    "model the tags as a second input, crf(emissions, tags=tags) as its output and minus its mean "
    "as its loss; or take kerasllm.models.TokenTagger, or a loss of the model's own that calls "
    "crf(emissions, tags=tags), with crf.has_loss = True. To leave the transitions as they are, "
    "set crf.trainable = False."
)


@keras.saving.register_keras_serializable("kerasllm")
class CRF(keras.layers.Layer):
    """Score whole sequences of tags: their log-likelihood, and the best of them.

        score(tags) = start[tag_0] + Σ_t emissions[t, tag_t] + Σ_t A[tag_{t-1}, tag_t]
                      + end[tag_last]
        ln p(tags)  = score(tags) - ln Σ over all C^T paths of exp(score)

    Both sums run over the real steps only. Called without tags, the layer returns the emissions as
    they are: no loss behind it sees its weights, and so it refuses that in training while they are
    trainable. Where the model's own loss calls it with tags (`TokenTagger.compute_loss`), set
    `has_loss`. To train a model of your own with plain `fit`, make `crf(emissions, tags=tags)` its
    output and take minus its mean for the loss.

    Args:
        num_tags: C.
        forbidden: pairs (from, to) of tags that must not follow each other; the number C stands
            for the edge of the sentence: (C, 3) forbids to begin with tag 3, (3, C) to end so.

    Call arguments:
        inputs: emissions (B, T, C), the score of each tag at each step.
        tags: right tags (B, T); any integer where masked.
        mask: real steps (B, T), all of them before the padded ones.
        decode: return the best tags.
        training: whether the call is part of a training.

    Attributes:
        has_loss: whether a loss of the model's own calls the layer with tags.

    Returns:
        Emissions (B, T, C); with `tags` the log-likelihood (B,), 0 for a row without a real step;
        with `decode=True` the best tags (B, T), 0 where masked.

    Weights: A (C, C), from the row's tag to the column's; start (C,); end (C,).

    Differences from the paper: scores are added up in float32 at least. The gradient of the
    log-likelihood is written down, and what is behind it is stopped: do not take second derivatives
    of it, they would lack a part.

    Raises:
        ValueError: in training without tags, where its weights would never change.

    Source: Lafferty et al. 2001; Lample et al. 2016, section 2.2 (start and end).

    Example:
        The second step alone would take tag 1; a forbidden transition keeps it at 0.

        >>> emissions = ops.convert_to_tensor([[[2.0, 0.0], [0.0, 1.0]]])
        >>> best = [CRF(2, forbidden)(emissions, decode=True) for forbidden in ([], [(0, 1)])]
        >>> [tags.numpy().tolist() for tags in best]
        [[[0, 1]], [[0, 0]]]
    """

    def __init__(self, num_tags, forbidden=None, **kwargs):
        super().__init__(**kwargs)
        self.num_tags = num_tags
        self.forbidden = [tuple(pair) for pair in forbidden or ()]
        for pair in self.forbidden:
            if not all(0 <= tag <= num_tags for tag in pair) or len(pair) != 2:
                raise ValueError(
                    f"expected forbidden pairs (from, to) of tags from 0 to {num_tags - 1}, or "
                    f"{num_tags} for the edge of the sentence, received {pair}."
                )
        self.supports_masking, self.has_loss = True, False

    def build(self, input_shape):
        """Make A (C, C), start (C,) and end (C,)."""
        if input_shape[-1] != self.num_tags:
            raise ValueError(
                f"expected emissions with {self.num_tags} scores a step, one a tag, received "
                f"{input_shape[-1]}: put keras.layers.Dense({self.num_tags}) before the CRF."
            )
        shape, small = (self.num_tags,), keras.initializers.RandomUniform(-0.1, 0.1)
        options = {"initializer": small, "autocast": False}
        self.transitions = self.add_weight(name="transitions", shape=shape * 2, **options)
        self.start = self.add_weight(name="start", shape=shape, **options)
        self.end = self.add_weight(name="end", shape=shape, **options)

    def call(self, inputs, tags=None, mask=None, decode=False, training=None):
        """Return the emissions, the log-likelihood of the tags, or the best tags."""
        if tags is None and not decode:
            if training and self.trainable_weights and not self.has_loss:
                raise ValueError(_UNTRAINED)
            return inputs
        mask = ops.ones(ops.shape(inputs)[:2], "bool") if mask is None else ops.cast(mask, "bool")
        scores = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        weights = self._allowed(scores.dtype)
        if decode:
            return _viterbi(scores, mask, *weights)
        return _log_likelihood(scores, ops.cast(tags, "int32"), mask, *weights)

    def _allowed(self, dtype):
        """Return A, start and end, with `FORBIDDEN` in the place of what must not happen."""
        C, weights = self.num_tags, (self.transitions, self.start, self.end)
        weights = [ops.cast(weight, dtype) for weight in weights]
        if not self.forbidden:
            return weights
        bad = np.zeros((C + 1, C + 1), dtype=bool)
        for before, after in self.forbidden:
            bad[before, after] = True
        parts = (bad[:C, :C], bad[C, :C], bad[:C, C])
        return [ops.where(no, FORBIDDEN, w) for no, w in zip(parts, weights, strict=True)]

    def compute_mask(self, _inputs, mask=None, tags=None, decode=False):
        """Pass on the mask, except to a log-likelihood."""
        return mask if tags is None or decode else None

    def compute_output_spec(self, inputs, tags=None, mask=None, decode=False, training=None):  # noqa: ARG002
        """Return the shape and dtype of what `call` returns."""
        if decode:
            return keras.KerasTensor(inputs.shape[:2], dtype="int32")
        if tags is not None:
            dtype = keras.backend.result_type(inputs.dtype, "float32")
            return keras.KerasTensor(inputs.shape[:1], dtype=dtype)
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def compute_output_shape(self, input_shape):
        """Return the shape of the emissions."""
        return tuple(input_shape)

    def get_config(self):
        """Return the settings that rebuild this layer."""
        forbidden = [list(pair) for pair in self.forbidden]
        return {**super().get_config(), "num_tags": self.num_tags, "forbidden": forbidden}


def _log_likelihood(emissions, tags, mask, transitions, start, end):
    real = ops.cast(mask, emissions.dtype)[..., None]  # (B, T, 1)
    path = ops.one_hot(tags, transitions.shape[0], dtype=emissions.dtype) * real  # (B, T, C)
    moved = ops.einsum("btc,btd->bcd", path[:, :-1], path[:, 1:])
    observed = _score(path, moved, real, emissions, transitions, start, end)
    log_z, single, pair = _expected(
        mask, *(ops.stop_gradient(x) for x in (emissions, transitions, start, end))
    )
    # The gradient of ln Z is what the field expects to see. Written down here, it costs two short
    # loops; differentiating a loop would keep (T, B, C, C) numbers, and XLA on TensorFlow cannot.
    expected = _score(single * real, pair, real, emissions, transitions, start, end)
    log_z = log_z + expected - ops.stop_gradient(expected)
    return ops.where(ops.any(mask, axis=1), observed - log_z, 0.0)


def _score(single, pair, real, emissions, transitions, start, end):
    """Add up the scores of tags (B, T, C) and transitions (B, C, C), each so often as it occurs."""
    last = single * (real - ops.pad(real[:, 1:], ((0, 0), (0, 1), (0, 0))))
    score = ops.sum(emissions * single + end * last, axis=(1, 2)) + ops.sum(
        start * single[:, 0], axis=-1
    )
    return score + ops.sum(transitions * pair, axis=(1, 2))


def _expected(mask, emissions, transitions, start, end):
    """Return ln Z (B,), and how often each tag (B, T, C) and transition (B, C, C) is expected.

    beta[t-1, i] = ln Σ_j exp(A[i, j] + emissions[t, j] + beta[t, j])
    p[t, j]      = exp(alpha[t, j] + beta[t, j] - ln Z)
    p[t, i, j]   = exp(alpha[t-1, i] + A[i, j] + emissions[t, j] + beta[t, j] - ln Z)
    """
    alpha = _forward(emissions, mask, transitions, start, ops.logsumexp)
    log_z = ops.logsumexp(alpha[:, -1] + end, axis=-1)

    def step(beta, inputs):
        emission, moves = inputs[:, :-1], inputs[:, -1:] > 0
        leaving = ops.logsumexp(transitions + (emission + beta)[:, None, :], axis=2)
        return ops.where(moves, leaving, beta), beta

    last = ops.zeros_like(emissions[:, 0]) + end
    beta = ops.scan(step, last, _beside(emissions, mask), reverse=True)[1]
    beta = ops.transpose(beta, (1, 0, 2)) - log_z[:, None, None]
    # (B, T-1, C, 1) + (C, C) + (B, T-1, 1, C) -> (B, T-1, C, C)
    pair = alpha[:, :-1, :, None] + transitions + (emissions + beta)[:, 1:, None, :]
    pair = ops.exp(ops.where(mask[:, 1:, None, None], pair, lowest(pair.dtype)))
    return log_z, ops.exp(alpha + beta), ops.sum(pair, axis=1)


def _forward(emissions, mask, transitions, start, total):
    """Return the sum (or the best) of all paths that are at tag j at step t (B, T, C).

    alpha[0, j] = start[j] + emissions[0, j]
    alpha[t, j] = total_i (alpha[t-1, i] + A[i, j]) + emissions[t, j]
    """

    def step(alpha, inputs):
        emission, moves = inputs[:, :-1], inputs[:, -1:] > 0
        # (B, C, 1) + (C, C) -> (B, C, C), taken together over the tag before
        arriving = total(alpha[:, :, None] + transitions, axis=1) + emission
        alpha = ops.where(moves, arriving, alpha)
        return alpha, alpha

    # At the first step alpha is what the loop begins with.
    moves = ops.pad(mask[:, 1:], ((0, 0), (1, 0)))
    alpha = ops.scan(step, start + emissions[:, 0], _beside(emissions, moves))[1]
    return ops.transpose(alpha, (1, 0, 2))


def _viterbi(emissions, mask, transitions, start, end):
    """Go back from the best last tag: tag_{t-1} = argmax_i (alpha[t-1, i] + A[i, tag_t])."""
    alpha = _forward(emissions, mask, transitions, start, ops.max)
    into = ops.transpose(transitions)

    def step(tag, inputs):
        best, moves = inputs[:, :-1], inputs[:, -1] > 0
        before = ops.argmax(best + ops.take(into, tag, axis=0), axis=-1)
        tag = ops.where(moves, ops.cast(before, "int32"), tag)
        return tag, tag

    moves = ops.pad(mask[:, 1:], ((0, 0), (0, 1)))
    last = ops.cast(ops.argmax(alpha[:, -1] + end, axis=-1), "int32")
    tags = ops.scan(step, last, _beside(alpha, moves), reverse=True)[1]  # (T, B)
    return ops.where(mask, ops.transpose(tags), 0)


def _beside(scores, flags):
    """Put flags (B, T) beside scores (B, T, C), time first: (T, B, C + 1).

    On TensorFlow `ops.scan` fails for two sequences whose length is not known beforehand.
    """
    flags = ops.cast(flags, scores.dtype)[..., None]
    return ops.transpose(ops.concatenate([scores, flags], axis=-1), (1, 0, 2))
