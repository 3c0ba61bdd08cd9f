"""Merging layers that read the masks of their inputs: Multiply, Maximum and Minimum.

- An entry that one input masks is taken from the others; where all mask it, Multiply gives 0.
- Keras reads the masks off the inputs instead of being handed them, so these handlers do as well.
"""

from functools import partial, reduce

import keras
import numpy as np

from kerasllm.verify.twins.registry import register
from kerasllm.verify.twins.rules.merging import merge_mask
from kerasllm.verify.twins.rules.ops import unbroadcast


def multiply(tape, _layer, values):
    """Compute keras.layers.Multiply."""
    masks = [_wide(value) for value in values]
    real = None if any(mask is None for mask in masks) else reduce(np.logical_or, masks)

    def forward(*xs):
        factors = [x if m is None else np.where(m, x, 1) for x, m in zip(xs, masks, strict=True)]
        output = reduce(np.multiply, factors)
        return (output if real is None else np.where(real, output, 0)), factors

    def backward(d, factors):
        d = d if real is None else np.where(real, d, 0)
        gradients = []
        for k, (x, mask) in enumerate(zip(factors, masks, strict=True)):
            others = [factor for j, factor in enumerate(factors) if j != k]
            d_x = unbroadcast(reduce(np.multiply, others, d), x)
            gradients.append(d_x if mask is None else np.where(mask, d_x, 0))
        return tuple(gradients)

    return tape.apply(forward, backward, *values)


def extreme(choose, tape, _layer, values):
    """Compute keras.layers.Maximum and Minimum: `choose` is NumPy's function of two arrays."""
    masks = [_wide(value) for value in values]

    def forward(*xs):
        # Whose entry the output is: 1 for one input, or a half for each of two equal ones.
        owner = np.eye(len(xs), dtype=xs[0].dtype).reshape(len(xs), len(xs), *[1] * xs[0].ndim)
        best, share, real = xs[0], owner[0], masks[0]
        for x, x_share, mask in zip(xs[1:], owner[1:], masks[1:], strict=True):
            if mask is not None:
                x, x_share = np.where(mask, x, best), np.where(mask, x_share, share)
            if real is not None:
                best, share = np.where(real, best, x), np.where(real, share, x_share)
            real = None if real is None or mask is None else real | mask
            chosen = choose(best, x)
            one, two = chosen == best, chosen == x
            share = (one * share + two * x_share) / (one.astype(x.dtype) + two)
            best = chosen
        return best, (xs, share)

    def backward(d, trace):
        return tuple(unbroadcast(d * part, x) for x, part in zip(*trace, strict=True))

    return tape.apply(forward, backward, *values)


def _wide(value):
    """Return the mask of a value, as wide as the value, or None."""
    if value.mask is None:
        return None
    return np.broadcast_to(np.asarray(value.mask)[..., None], value.array.shape)


register(keras.layers.Multiply, compose=multiply, mask=merge_mask)
register(keras.layers.Maximum, compose=partial(extreme, np.maximum), mask=merge_mask)
register(keras.layers.Minimum, compose=partial(extreme, np.minimum), mask=merge_mask)
