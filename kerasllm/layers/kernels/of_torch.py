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


def native(layer, steps, first, real):
    """Return what torch's own function of a recurrent layer gives, where it computes the same.

    It knows no masks but lengths: texts that are padded on the right, with a token at least.

    Args:
        layer: an LSTM, GRU or SimpleRNN of `kerasllm.layers`.
        steps: (T, B, D), in the order of processing.
        first: the states before the first step, a tuple of (B, H).
        real: boolean (T, B, 1), or None.

    Returns:
        (h of every step (T, B, H), the last states); None where the loop has to be taken.
    """
    wide = steps.dtype in (torch.float32, torch.float64)
    if not wide or not getattr(layer, "reset_after", True):
        return None
    function = _NATIVE[layer.function]
    options = (_torch_weights(layer), layer.use_bias, 1, 0.0, layer.trainable, False)
    state = [x[None] for x in first]
    if real is None:
        state = state if len(state) > 1 else state[0]
        h, *states = function(steps, state, *options, False)
        return h, [x[0] for x in states]
    lengths = real[..., 0].sum(0)
    places = torch.arange(len(steps), device=steps.device)[:, None]
    if not bool(lengths.all()) or not torch.equal(real[..., 0], places < lengths):
        return None
    return _packed(function, steps, state, options, lengths, torch.minimum(places, lengths - 1))


def _packed(function, steps, state, options, lengths, shown):
    """Return what `native` does, of texts of these lengths; `shown` (T, B) is the step shown."""
    rnn = torch.nn.utils.rnn
    order = torch.argsort(lengths, descending=True, stable=True)  # as packed texts have to be
    packed = rnn.pack_padded_sequence(steps[:, order], lengths[order].cpu())
    state = [x[:, order] for x in state]
    state = state if len(state) > 1 else state[0]
    data, *states = function(packed.data, packed.batch_sizes, state, *options)
    h, _ = rnn.pad_packed_sequence(rnn.PackedSequence(data, packed.batch_sizes))
    back = torch.argsort(order)
    h = h[:, back].gather(0, shown[..., None].expand(-1, -1, h.shape[-1]))
    return h, [x[0, back] for x in states]


def _torch_weights(layer):
    """Return the weights of a layer as torch has them: transposed, two biases, r before z."""
    cell = layer.cell
    weights = [torch.as_tensor(w.value).T for w in (cell.kernel, cell.recurrent_kernel)]
    if cell.bias is not None:
        bias = torch.as_tensor(cell.bias.value)
        weights += list(bias) if bias.ndim == 2 else [bias, torch.zeros_like(bias)]
    if layer.function != "gru":
        return weights
    gates = (torch.chunk(w, 3) for w in weights)
    return [torch.cat([r, z, g]) for z, r, g in gates]


_NATIVE = {"lstm": torch.lstm, "gru": torch.gru, "simple_rnn": torch.rnn_tanh}


def differentiable(forward, backward):
    """Return a function that has a gradient of its own; see `of_tensorflow.differentiable`."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *arrays):
            outputs, kept = forward(*arrays)
            ctx.like, ctx.given = keras.tree.map_structure(lambda _: 0, kept), len(arrays)
            ctx.save_for_backward(*arrays, *keras.tree.flatten(kept))
            return outputs

        @staticmethod
        def backward(ctx, *d_outputs):
            arrays, kept = ctx.saved_tensors[: ctx.given], ctx.saved_tensors[ctx.given :]
            if torch.is_grad_enabled():  # a second derivative: what was kept, as of the arrays
                return backward(forward(*arrays)[1], *d_outputs)
            return backward(keras.tree.pack_sequence_as(ctx.like, list(kept)), *d_outputs)

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
