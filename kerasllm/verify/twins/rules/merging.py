"""Layers that join several inputs, or all steps of one: merging and pooling."""

from functools import reduce
from typing import NamedTuple

import keras
import numpy as np

from kerasllm.verify.twins.registry import register, unsupported
from kerasllm.verify.twins.rules.ops import unbroadcast


class PoolTrace(NamedTuple):
    """What a pooling was given, how much of each entry went into the output, and the output."""

    x: np.ndarray
    share: np.ndarray
    output: np.ndarray


def merge_mask(_layer, _inputs, masks):
    """Return where any input is real; None as soon as one input has no mask."""
    if masks is None or any(mask is None for mask in masks):
        return None
    return reduce(np.logical_or, masks)


def add(_layer, _weights, xs):
    """Compute keras.layers.Add."""
    return sum(xs[1:], start=xs[0]), xs


def add_backward(_layer, d_output, xs):
    """Hand the gradient to every summand."""
    return tuple(unbroadcast(d_output, x) for x in xs), []


def subtract(_layer, _weights, xs):
    """Compute keras.layers.Subtract."""
    return xs[0] - xs[1], xs


def subtract_backward(_layer, d_output, xs):
    """Hand the gradient to the first, its negative to the second."""
    return (unbroadcast(d_output, xs[0]), unbroadcast(-d_output, xs[1])), []


def average(_layer, _weights, xs):
    """Compute keras.layers.Average."""
    return sum(xs[1:], start=xs[0]) / len(xs), xs


def average_backward(_layer, d_output, xs):
    """Hand everyone an equal share."""
    return tuple(unbroadcast(d_output / len(xs), x) for x in xs), []


def concatenate(layer, _weights, xs):
    """Compute keras.layers.Concatenate."""
    return np.concatenate(xs, axis=layer.axis), xs


def concatenate_backward(layer, d_output, xs):
    """Cut the gradient where the inputs were joined."""
    ends = np.cumsum([x.shape[layer.axis] for x in xs])[:-1]
    return tuple(np.split(d_output, ends, axis=layer.axis)), []


def concatenate_mask(layer, xs, masks):
    """Join the masks like the inputs; an input without one counts as real."""
    if masks is None or all(mask is None for mask in masks):
        return None
    whole = [
        np.ones(x.shape, bool) if mask is None
        else np.broadcast_to(mask[..., None], x.shape) if mask.ndim < x.ndim else mask
        for x, mask in zip(xs, masks, strict=True)
    ]  # fmt: skip
    return np.concatenate(whole, axis=layer.axis).any(axis=-1)


class DotTrace(NamedTuple):
    """The inputs of a product with the axis that is summed over last, and how long they were."""

    xs: tuple  # (B, …, n) each
    lengths: tuple  # None where they are not normalised
    axes: tuple
    output: np.ndarray


def dot(layer, _weights, xs):
    """Compute keras.layers.Dot: Σ over one axis of each, all pairs of the others."""
    axes = layer.axes if isinstance(layer.axes, (list, tuple)) else [layer.axes] * 2
    axes = tuple(axis % x.ndim for axis, x in zip(axes, xs, strict=True))
    xs = [np.moveaxis(x, axis, -1) for x, axis in zip(xs, axes, strict=True)]
    lengths = (None, None)
    if layer.normalize:
        lengths = tuple(np.sqrt(np.maximum((x**2).sum(-1, keepdims=True), 1e-12)) for x in xs)
        xs = [x / length for x, length in zip(xs, lengths, strict=True)]
    B, n = len(xs[0]), xs[0].shape[-1]
    a, b = (x.reshape(B, -1, n) for x in xs)
    output = (a @ b.swapaxes(1, 2)).reshape(B, *xs[0].shape[1:-1], *xs[1].shape[1:-1])
    output = output if output.ndim > 1 else output[:, None]
    return output, DotTrace(tuple(xs), lengths, axes, output)


def dot_backward(_layer, d_output, trace):
    """Go back to both factors, and through their lengths."""
    xs, B = trace.xs, len(d_output)
    a, b = (x.reshape(B, -1, x.shape[-1]) for x in xs)
    d = d_output.reshape(B, a.shape[1], b.shape[1])
    gradients = []
    for x, d_x, length, axis in zip(
        xs, (d @ b, d.swapaxes(1, 2) @ a), trace.lengths, trace.axes, strict=True
    ):
        d_x = d_x.reshape(x.shape)
        if length is not None:
            long = length > 1e-6  # shorter vectors are divided by a constant
            d_x = (d_x - long * x * (d_x * x).sum(-1, keepdims=True)) / length
        gradients.append(np.moveaxis(d_x, -1, axis))
    return tuple(gradients), []


def average_pooling(layer, _weights, x, mask=None):
    """Compute keras.layers.GlobalAveragePooling1D: the mean of the real steps."""
    check_axis(layer)
    real = np.ones(x.shape[:2], bool) if mask is None else mask
    count = real.sum(axis=1)[:, None, None]
    with np.errstate(invalid="ignore", divide="ignore"):  # a text without a token: NaN, as in Keras
        share = real[..., None].astype(x.dtype) / count.astype(x.dtype)
    output = (np.where(real[..., None], x, 0) * share).sum(axis=1, keepdims=layer.keepdims)
    return output, PoolTrace(x, np.broadcast_to(share, x.shape), output)


def max_pooling(layer, _weights, x):
    """Compute keras.layers.GlobalMaxPooling1D, which ignores the mask."""
    check_axis(layer)
    output = x.max(axis=1, keepdims=layer.keepdims)
    return output, PoolTrace(x, largest_share(x), output)


def largest_share(x):
    """Return 1 at the largest of each feature's steps; equal ones share it."""
    largest = x == x.max(axis=1, keepdims=True)
    return (largest / largest.sum(axis=1, keepdims=True)).astype(x.dtype)


def pooling_backward(_layer, d_output, trace):
    """Give each entry its share of the gradient: (B, D) -> (B, T, D)."""
    return d_output.reshape(len(d_output), 1, -1) * trace.share, []


def check_axis(layer):
    """Refuse channels first."""
    if layer.data_format != "channels_last":
        raise unsupported(layer, "data_format='channels_first'")


register(keras.layers.Add, add, add_backward, mask=merge_mask)
register(keras.layers.Subtract, subtract, subtract_backward, mask=merge_mask)
register(keras.layers.Average, average, average_backward, mask=merge_mask)
register(keras.layers.Dot, dot, dot_backward, mask=lambda *_: None)
register(keras.layers.Concatenate, concatenate, concatenate_backward, mask=concatenate_mask)
register(
    keras.layers.GlobalAveragePooling1D, average_pooling, pooling_backward, mask=lambda *_: None
)
register(keras.layers.GlobalMaxPooling1D, max_pooling, pooling_backward)
