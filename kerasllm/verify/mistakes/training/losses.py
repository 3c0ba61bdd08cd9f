"""Known mistakes in the losses."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake


def _real(mask, nats):
    return np.ones(nats.shape, bool) if mask is None else np.asarray(mask, bool)


@mistake("cross_entropy")
def cross_entropy_averaged_over_padding(logits, targets, mask=None, label_smoothing=0.0):
    """The sum leaves padding out, but is divided by the number of all tokens."""
    loss, trace = ref.cross_entropy(logits, targets, mask, label_smoothing)
    return loss * _real(mask, trace.nats).mean(), trace


@mistake("cross_entropy")
def cross_entropy_mask_ignored(logits, targets, mask=None, label_smoothing=0.0):
    """The mask is ignored, and padding is learned like any other token."""
    return ref.cross_entropy(logits, targets, None, label_smoothing)


@mistake("cross_entropy")
def cross_entropy_summed(logits, targets, mask=None, label_smoothing=0.0):
    """The losses of all tokens are added up, and not averaged."""
    loss, trace = ref.cross_entropy(logits, targets, mask, label_smoothing)
    return loss * _real(mask, trace.nats).sum(), trace


@mistake("cross_entropy")
def cross_entropy_mean_of_means(logits, targets, mask=None, label_smoothing=0.0):
    """Each text is averaged first, so that a token in a short text weighs more."""
    _, trace = ref.cross_entropy(logits, targets, mask, label_smoothing)
    real = _real(mask, trace.nats)
    return ((trace.nats * real).sum(-1) / np.maximum(real.sum(-1), 1)).mean(), trace


@mistake("cross_entropy")
def cross_entropy_targets_not_shifted(logits, targets, mask=None, label_smoothing=0.0):
    """The targets are one step off: each prediction is compared with the token before its own."""
    targets = np.asarray(targets)
    time = targets.ndim - 1 if np.issubdtype(targets.dtype, np.integer) else targets.ndim - 2
    return ref.cross_entropy(logits, np.roll(targets, 1, axis=time), mask, label_smoothing)


@mistake("cross_entropy")
def cross_entropy_in_bits(logits, targets, mask=None, label_smoothing=0.0):
    """The logarithm is to base 2, which gives bits and not nats."""
    loss, trace = ref.cross_entropy(logits, targets, mask, label_smoothing)
    return loss / np.log(2), trace


@mistake("cross_entropy")
def cross_entropy_softmax_twice(logits, targets, mask=None, label_smoothing=0.0):
    """The softmax is applied twice: probabilities are passed where logits are expected."""
    return ref.cross_entropy(ref.softmax(logits)[0], targets, mask, label_smoothing)


@mistake("cross_entropy")
def cross_entropy_smoothing_ignored(logits, targets, mask=None, label_smoothing=0.0):
    """The label smoothing is ignored."""
    return ref.cross_entropy(logits, targets, mask)


@mistake("cross_entropy")
def cross_entropy_smoothing_spares_target(logits, targets, mask=None, label_smoothing=0.0):
    """The smoothed probability is spread over the V - 1 wrong classes, and not over all V."""
    V = logits.shape[-1]
    return ref.cross_entropy(logits, targets, mask, label_smoothing * V / (V - 1))


@mistake("cross_entropy_backward")
def cross_entropy_backward_target_forgotten(d_output, trace):
    """The gradient is the softmax, and the target is not subtracted from it."""
    return ref.LossGrads(np.exp(trace.log_p) * (d_output * trace.weight)[..., None])


@mistake("cross_entropy_backward")
def cross_entropy_backward_not_averaged(d_output, trace):
    """The gradient is not divided by the number of real tokens."""
    weight = (trace.weight > 0).astype(trace.weight.dtype)
    return ref.cross_entropy_backward(d_output, trace._replace(weight=weight))


@mistake("cross_entropy_backward")
def cross_entropy_backward_padding_learns(d_output, trace):
    """Padding gets a gradient too."""
    weight = np.full_like(trace.weight, trace.weight.max())
    return ref.cross_entropy_backward(d_output, trace._replace(weight=weight))


@mistake("cross_entropy_backward")
def cross_entropy_backward_sign(d_output, trace):
    """The gradient has the wrong sign: target minus softmax."""
    return ref.cross_entropy_backward(-d_output, trace)


@mistake("binary_cross_entropy")
def binary_cross_entropy_targets_inverted(logits, targets, mask=None, label_smoothing=0.0):
    """Yes and no are swapped."""
    return ref.binary_cross_entropy(logits, 1 - targets, mask, label_smoothing)


@mistake("binary_cross_entropy")
def binary_cross_entropy_no_side_forgotten(logits, targets, mask=None, label_smoothing=0.0):
    """The half of the equation for targets of 0 is missing: -y · log p alone."""
    _, trace = ref.binary_cross_entropy(logits, targets, mask, label_smoothing)
    return (trace.targets * np.logaddexp(0, -logits) * trace.weight).sum(), trace


@mistake("binary_cross_entropy_backward")
def binary_cross_entropy_backward_extra_slope(d_output, trace):
    """The slope of the sigmoid is multiplied in once more: it has cancelled already."""
    p = ref.sigmoid(trace.logits)[0]
    grads = ref.binary_cross_entropy_backward(d_output, trace)
    return grads._replace(d_logits=grads.d_logits * p * (1 - p))


@mistake("mean_squared_error")
def mean_squared_error_halved(predictions, targets, mask=None):
    """There is a factor of ½, which some textbooks put there and Keras does not."""
    loss, trace = ref.mean_squared_error(predictions, targets, mask)
    return loss / 2, trace


@mistake("mean_squared_error_backward")
def mean_squared_error_backward_two_forgotten(d_output, trace):
    """The factor 2 of the square is missing."""
    return ref.mean_squared_error_backward(d_output / 2, trace)


@mistake("span_contrast")
def span_contrast_lengths_kept(pooled, temperature=0.1):
    """The vectors are not brought to length 1, so that long ones score high with everything."""
    norm = ref.span_contrast(pooled, temperature)[1].norm
    scores = pooled @ pooled.T / temperature
    return _contrast(scores, norm, pooled, temperature)


@mistake("span_contrast")
def span_contrast_itself_allowed(pooled, temperature=0.1):
    """A span may choose itself, the best match of all, instead of its partner."""
    _, (norm, z, *_) = ref.span_contrast(pooled, temperature)
    return _contrast(z @ z.T / temperature, norm, z, temperature, hidden=False)


@mistake("span_contrast")
def span_contrast_temperature_multiplied(pooled, temperature=0.1):
    """The scores are multiplied by the temperature, and not divided by it."""
    return ref.span_contrast(pooled, 1 / temperature)


@mistake("span_contrast")
def span_contrast_neighbours_of_other_texts(pooled, temperature=0.1):
    """The partner of a span is taken from the next text: rows 2k + 1 and 2k + 2."""
    return ref.span_contrast(np.roll(pooled, -1, axis=0), temperature)


@mistake("span_contrast_backward")
def span_contrast_backward_rows_only(d_output, trace):
    """Each vector gets its gradient as a query, and not the one as a key of all others."""
    p = np.exp(trace.log_p)
    p[np.arange(len(p)), trace.partner] -= 1
    d_z = d_output * p @ trace.z / (len(p) * trace.temperature)
    along = (trace.z * d_z).sum(-1, keepdims=True)
    return ref.SpanContrastGrads((d_z - trace.z * along) / trace.norm)


@mistake("span_contrast_backward")
def span_contrast_backward_length_forgotten(d_output, trace):
    """The gradient stops at the unit vectors: the division by the length is not differentiated."""
    p = np.exp(trace.log_p)
    p[np.arange(len(p)), trace.partner] -= 1
    return ref.SpanContrastGrads(d_output * (p + p.T) @ trace.z / (len(p) * trace.temperature))


def _contrast(scores, norm, z, temperature, hidden=True):
    if hidden:
        scores = np.where(np.eye(len(z), dtype=bool), -1e9, scores)
    rows, log_p = np.arange(len(z)), ref.log_softmax(scores)[0]
    trace = ref.SpanContrastTrace(norm, z, scores, log_p, rows + 1 - 2 * (rows % 2), temperature)
    return -log_p[rows, trace.partner].mean(), trace


@mistake("linear_cross_entropy_backward")
def linear_cross_entropy_kernel_of_the_last_block(d_output, trace):
    """The gradient of the kernel is that of the last block of tokens, not the sum of all blocks."""
    right = ref.linear_cross_entropy_backward(d_output, trace)
    first = (trace.targets.size - 1) // trace.rows * trace.rows
    weight = np.where(np.arange(trace.targets.size) < first, 0.0, trace.weight.ravel())
    last = trace._replace(weight=weight.reshape(trace.weight.shape).astype(trace.weight.dtype))
    return right._replace(d_kernel=ref.linear_cross_entropy_backward(d_output, last).d_kernel)


@mistake("linear_cross_entropy_backward")
def linear_cross_entropy_z_loss_without_its_gradient(d_output, trace):
    """The gradient leaves out what the z-loss adds to it."""
    return ref.linear_cross_entropy_backward(d_output, trace._replace(z_loss=0.0))


@mistake("linear_cross_entropy")
def linear_cross_entropy_smoothing_over_the_others(
    features, kernel, targets, mask=None, bias=None, label_smoothing=0.0, z_loss=0.0, rows=128
):
    """The smoothing is spread over the V - 1 other tokens, and not over all V."""
    vocabulary = np.shape(kernel)[-1]
    spread = label_smoothing * vocabulary / max(vocabulary - 1, 1)
    return ref.linear_cross_entropy(features, kernel, targets, mask, bias, spread, z_loss, rows)
