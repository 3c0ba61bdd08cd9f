"""A language model's head and its loss as one: no more logits at a time than a block of tokens has.

- The gradient is derived by hand and computed along with the loss, while a block's logits are
  still there: three products of matrices, and nothing is kept but sums.
- Products are taken in the dtype of the features, sums in float32 at least.
- Its gradient cannot be differentiated again: for second derivatives take the logits.
- Where few tokens count, as where answers alone are learned, these are taken to the front, and the
  blocks of the others are not computed. All shapes stay as they are, as XLA wants it.
"""

import keras
from keras import ops

from kerasllm.layers.kernels import backend

NUMBERS = 2**22  # of a block's logits, at most


def linear_cross_entropy(
    features,
    kernel,
    targets,
    weight=None,
    bias=None,
    *,
    tied=False,
    label_smoothing=0.0,
    z_loss=0.0,
    rows=None,
    counted_only=False,
    learn_kernel=True,
):
    """Return the mean surprise of the targets in nats a token, from the features below the head.

        logits = features · kernel + bias
        lse    = log Σ_v exp(logits_v)
        nats   = lse - (1 - ε) · logits_target - ε · mean_v logits_v
        loss   = Σ (nats + z_loss · lse²) · weight / Σ weight

    Args:
        features: (…, D).
        kernel: (D, V); with `tied`, the embedding table (V, D).
        targets: ids (…).
        weight: (…); 1 where the target is not the pad id 0 when None.
        bias: (V,), or None.
        tied: whether the kernel is the table of the embedding.
        label_smoothing: ε.
        z_loss: weight of lse².
        rows: tokens of a block; chosen by the size of the vocabulary when None.
        counted_only: compute nothing for tokens of weight 0. The result is the same.
        learn_kernel: whether the kernel gets a gradient; without it a third of the work is saved.

    Returns:
        The loss, a scalar of float32 or more.

    Source: Wijmans et al. 2024, section 4; `kerasllm.reference.linear_cross_entropy` derives the
    gradient.

        >>> features, table = ops.ones((2, 3, 5)), ops.zeros((7, 5))
        >>> targets = ops.convert_to_tensor([[1, 2, 0], [6, 0, 0]])
        >>> round(float(linear_cross_entropy(features, table, targets, tied=True)), 4)  # ln 7
        1.9459
    """
    features = ops.convert_to_tensor(features)
    kernel = ops.reshape(kernel, kernel.shape)  # of a variable its value, which has a gradient
    kernel = kernel if learn_kernel else ops.stop_gradient(kernel)
    vocabulary, width = kernel.shape if tied else kernel.shape[::-1]
    kind = keras.backend.result_type(features.dtype, "float32")
    targets = ops.reshape(ops.cast(targets, "int32"), (-1,))
    real = ops.not_equal(targets, 0) if weight is None else ops.reshape(weight, (-1,))
    weight = ops.cast(real, kind)
    weight = ops.stop_gradient(weight / ops.maximum(ops.sum(weight), 1e-9))
    rows = rows or _rows(targets.shape[0], vocabulary)
    offset = ops.zeros((vocabulary,), kind) if bias is None else ops.reshape(bias, (-1,))
    count, order, places = _counted_first(weight) if counted_only else (None, None, None)

    @ops.custom_gradient
    def loss_of(features, kernel, offset):
        flat = ops.reshape(features, (-1, width))
        step = _step(ops.cast(kernel, flat.dtype), ops.cast(offset, kind), tied, label_smoothing,
                     z_loss, kind, learn_kernel)  # fmt: skip
        d_kernel = ops.zeros(kernel.shape if learn_kernel else (1, 1), kind)
        begin = ops.zeros((), kind), d_kernel, ops.zeros((vocabulary,), kind)
        arrays = flat, targets, weight
        if counted_only:
            arrays = tuple(ops.take(array, order, axis=0) for array in arrays)
        (loss, d_kernel, d_bias), d_flat = backend().fold(step, begin, arrays, rows, count)
        if counted_only:
            d_flat = ops.take(d_flat, places, axis=0)
        if not learn_kernel:
            d_kernel = ops.zeros_like(kernel)
        shape = ops.shape(features)

        def gradient(*given, upstream=None):
            d_loss = given[0] if upstream is None else upstream
            grads = ops.reshape(d_flat, shape), d_kernel, d_bias
            wanted = features.dtype, kernel.dtype, offset.dtype
            return tuple(
                ops.cast(ops.cast(d_loss, kind) * ops.cast(grad, kind), dtype)
                for grad, dtype in zip(grads, wanted, strict=True)
            )

        return loss, gradient

    return loss_of(features, kernel, offset)


def _rows(count, vocabulary):
    """Return the rows of a block: as many blocks as needed, of equal size, for none is cut short.

    Args:
        count: of all rows, or None where it is not known yet.
        vocabulary: V.
    """
    most = max(16, NUMBERS // vocabulary)
    return most if count is None else max(1, -(-count // -(-count // most)))


def _counted_first(weight):
    """Return (how many count, the order that has them first, where each token is in it)."""
    counted = ops.cast(ops.not_equal(weight, 0), "int32")
    count = ops.sum(counted)
    others = count + ops.cumsum(1 - counted) - 1
    places = ops.cast(ops.where(counted > 0, ops.cumsum(counted) - 1, others), "int32")
    return count, ops.argsort(places), places


def _step(kernel, bias, tied, epsilon, z_loss, kind, learn_kernel=True):
    """Return the function that adds a block's loss and gradients to what the blocks before had."""
    vocabulary = bias.shape[0]
    # Products with the table as it lies: to transpose it takes longer than a block of few tokens.
    forth, back = ("nd,vd->nv", "nv,vd->nd") if tied else ("nd,dv->nv", "nv,dv->nd")

    def step(carry, block):
        loss, d_kernel, d_bias = carry
        h, targets, weight = block
        logits = ops.cast(ops.einsum(forth, h, kernel), kind) + bias
        top = ops.max(logits, axis=-1, keepdims=True)
        exps = ops.exp(logits - top)
        total = ops.sum(exps, axis=-1, keepdims=True)
        lse = ops.log(total) + top
        hit = ops.equal(ops.arange(vocabulary, dtype="int32"), targets[:, None])
        nats = lse[:, 0] - (1 - epsilon) * ops.sum(ops.where(hit, logits, 0.0), axis=-1)
        if epsilon:
            nats = nats - epsilon * ops.mean(logits, axis=-1)
        if z_loss:
            nats = nats + z_loss * lse[:, 0] ** 2
        p = exps * ((1 + 2 * z_loss * lse) / total)
        d_logits = (p - epsilon / vocabulary - (1 - epsilon) * ops.cast(hit, kind)) * weight[
            :, None
        ]
        d_bias = d_bias + ops.sum(d_logits, axis=0)
        d_logits = ops.cast(d_logits, h.dtype)
        if learn_kernel:
            left, right = (d_logits, h) if tied else (h, d_logits)
            d_kernel = d_kernel + ops.cast(ops.matmul(ops.transpose(left), right), kind)
        d_h = ops.einsum(back, d_logits, kernel)
        return (loss + ops.sum(nats * weight), d_kernel, d_bias), d_h

    return step
