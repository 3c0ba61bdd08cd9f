"""Kernels on torch."""

import keras
import torch


def fold(step, carry, arrays, rows):
    """Go over arrays in blocks of rows; see `of_tensorflow.fold`. Nothing needs to be filled up."""
    ys = []
    for parts in zip(*(torch.split(x, rows) for x in arrays), strict=True):
        carry, y = step(carry, parts)
        ys.append(y)
    return carry, torch.cat(ys)


def on_gpu():
    """Return whether there is a GPU, for which Keras' recurrent layers look for cuDNN."""
    return torch.cuda.is_available()


def differentiable(forward, backward):
    """Return a function that has a gradient of its own; see `of_tensorflow.differentiable`."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *arrays):
            outputs, kept = forward(*arrays)
            ctx.like = keras.tree.map_structure(lambda _: 0, kept)
            ctx.save_for_backward(*keras.tree.flatten(kept))
            return outputs

        @staticmethod
        def backward(ctx, *d_outputs):
            kept = keras.tree.pack_sequence_as(ctx.like, ctx.saved_tensors)
            return backward(kept, *d_outputs)

    return Function.apply


def scan(step, carry, inputs, reverse=False):
    """Go through time; see `of_tensorflow.scan`."""
    way = slice(None, None, -1 if reverse else 1)
    flat, ys = [torch.unbind(x) for x in keras.tree.flatten(inputs)], []
    for now in list(zip(*flat, strict=True))[way]:
        carry, y = step(carry, keras.tree.pack_sequence_as(inputs, list(now)))
        ys.append(y)
    stacked = map(torch.stack, zip(*map(keras.tree.flatten, ys[way]), strict=True))
    return carry, keras.tree.pack_sequence_as(ys[0], list(stacked))
