"""A recurrent layer that reads the text twice, from the front and from the back."""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.recurrent.gru import gru, gru_backward
from kerasllm.reference.recurrent.lstm import lstm, lstm_backward
from kerasllm.reference.recurrent.simple_rnn import simple_rnn, simple_rnn_backward

__all__ = ["BidirectionalGrads", "BidirectionalTrace", "bidirectional", "bidirectional_backward"]

BACKWARD = {lstm: lstm_backward, gru: gru_backward, simple_rnn: simple_rnn_backward}
MERGE_MODES = ("concat", "sum", "ave", "mul", None)


class BidirectionalTrace(
    namedtuple("BidirectionalTrace", "forward backward y_forward y_backward layer merge_mode state")
):
    """The traces of both directions, and what each returned.

    y_backward is turned round, so that it lies in the order of the tokens.
    """


class BidirectionalGrads(namedtuple("BidirectionalGrads", "d_x d_weights d_initial_state")):
    """Gradients of `bidirectional`, each like its argument."""


def bidirectional(
    x, *weights, layer=lstm, merge_mode="concat", mask=None, initial_state=None,
    return_sequences=False, **options,
):  # fmt: skip
    """Read a sequence in both directions and merge what they say.

        y_forward  = layer(x, forward weights)
        y_backward = layer(x, backward weights, go_backwards), turned round again
        output     = merge(y_forward, y_backward)

    Without `return_sequences`, y_backward is the state at the *first* token: each direction has
    read everything. With it, masked steps are zero, as in Keras.

    Args:
        x: (B, T, D).
        *weights: those of the forward layer, then those of the backward layer: what
            `get_weights()` of Keras' layer returns.
        layer: `lstm`, `gru` or `simple_rnn`.
        merge_mode: "concat", "sum", "ave" (the mean), "mul", or None for both side by side in a
            tuple.
        mask: (B, T), True where the token is real.
        initial_state: the states of the forward layer, then those of the backward layer.
        return_sequences: return every step.
        **options: passed on to the layer.

    Returns:
        output, trace: the output is (B, T, 2H) or (B, 2H), with H instead of 2H unless
        concatenated. The final states are `trace.state`, forward then backward.

    Raises:
        ValueError: an odd number of weights, an unknown merge mode.

    Example:
        >>> one = np.ones((1, 1))
        >>> x = np.array([[[1.0], [2.0], [3.0]]])
        >>> output, _ = bidirectional(x, one, one, one, one, layer=simple_rnn,
        ...                           activation="linear", return_sequences=True)
        >>> output[0]
        array([[1., 6.], [3., 5.], [6., 3.]])

    Source:
        Schuster and Paliwal, Bidirectional Recurrent Neural Networks (1997).
    """
    checks.choice("merge_mode", merge_mode, MERGE_MODES)
    if len(weights) % 2:
        raise ValueError(f"expected as many weights for both directions, received {len(weights)}")
    # Keras' Bidirectional always shows masked steps as zeros.
    options |= {
        "mask": mask,
        "return_sequences": return_sequences,
        "zero_output_for_mask": return_sequences,
    }
    ours, theirs = _halves(weights)
    first, last = (None, None) if initial_state is None else _halves(initial_state)
    y_forward, forward = layer(x, *ours, initial_state=first, **options)
    y_backward, backward = layer(x, *theirs, initial_state=last, go_backwards=True, **options)
    if return_sequences:
        y_backward = y_backward[:, ::-1]
    output = _merge(y_forward, y_backward, merge_mode)
    state = (*forward.state, *backward.state)
    return output, BidirectionalTrace(
        forward, backward, y_forward, y_backward, layer, merge_mode, state
    )


def bidirectional_backward(d_output, trace, d_state=None):
    """Send a gradient back through both directions; x gets the sum of what they send.

    Args:
        d_output: like the output (a tuple of two for `merge_mode=None`).
        trace: from `bidirectional`.
        d_state: the gradients of `trace.state`, if the loss uses them.

    Returns:
        `BidirectionalGrads`.

    Example:
        >>> one = np.ones((1, 1))
        >>> output, trace = bidirectional(np.ones((1, 3, 1)), one, one, one, one, layer=simple_rnn,
        ...                               activation="linear", merge_mode="sum")
        >>> bidirectional_backward(np.ones_like(output), trace).d_x.ravel()
        array([2., 2., 2.])
    """
    d_forward, d_backward = _merge_backward(d_output, trace)
    if trace.backward.walk.return_sequences:
        d_backward = d_backward[:, ::-1]
    ours, theirs = (None, None) if d_state is None else _halves(d_state)
    layer_backward = BACKWARD[trace.layer]
    a = layer_backward(d_forward, trace.forward, d_state=ours)
    b = layer_backward(d_backward, trace.backward, d_state=theirs)
    d_weights = tuple(d for d in (*a[1:4], *b[1:4]) if d is not None)
    return BidirectionalGrads(a.d_x + b.d_x, d_weights, (*a.d_initial_state, *b.d_initial_state))


def _halves(values):
    half = len(values) // 2
    return tuple(values[:half]), tuple(values[half:])


def _merge(y_forward, y_backward, merge_mode):
    if merge_mode == "concat":
        return np.concatenate([y_forward, y_backward], axis=-1)  # (…, H) twice -> (…, 2H)
    if merge_mode == "sum":
        return y_forward + y_backward
    if merge_mode == "ave":
        return (y_forward + y_backward) / 2
    return y_forward * y_backward if merge_mode == "mul" else (y_forward, y_backward)


def _merge_backward(d_output, trace):
    if trace.merge_mode == "concat":
        return np.split(d_output, 2, axis=-1)
    if trace.merge_mode == "sum":
        return d_output, d_output
    if trace.merge_mode == "ave":
        return d_output / 2, d_output / 2
    if trace.merge_mode == "mul":
        return d_output * trace.y_backward, d_output * trace.y_forward
    return d_output
