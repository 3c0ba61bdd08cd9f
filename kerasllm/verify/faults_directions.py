"""Known mistakes in bidirectional layers and stacks."""
# ruff: noqa: D401 - forgotten arguments are mistakes; docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.faults_base import mistake


@mistake("bidirectional")
def bidirectional_not_turned_back(*arrays, return_sequences=False, **options):
    """The backward layer's outputs stay in the order of processing, and are not turned round."""
    output, trace = ref.bidirectional(*arrays, return_sequences=return_sequences, **options)
    if not return_sequences:
        return output, trace
    return _merged(trace, trace.y_forward, trace.y_backward[:, ::-1])


@mistake("bidirectional")
def bidirectional_reads_forward_twice(*arrays, layer=ref.lstm, **options):
    """Both layers read the text forward."""
    x, *weights = arrays
    if options.get("return_sequences"):
        options["zero_output_for_mask"] = True
    merge_mode = options.pop("merge_mode", "concat")
    initial_state = options.pop("initial_state", None)
    half = len(weights) // 2
    states = (None, None)
    if initial_state is not None:
        middle = len(initial_state) // 2
        states = (tuple(initial_state[:middle]), tuple(initial_state[middle:]))
    y, forward = layer(x, *weights[:half], initial_state=states[0], **options)
    z, backward = layer(x, *weights[half:], initial_state=states[1], **options)
    state = (*forward.state, *backward.state)
    trace = ref.BidirectionalTrace(forward, backward, y, z, layer, merge_mode, state)
    return _merged(trace, y, z)


@mistake("bidirectional")
def bidirectional_one_set_of_weights(*arrays, **options):
    """The backward layer uses the weights of the forward layer."""
    x, *weights = arrays
    half = len(weights) // 2
    return ref.bidirectional(x, *weights[:half], *weights[:half], **options)


@mistake("bidirectional")
def bidirectional_order_swapped(*arrays, **options):
    """The backward layer's features come first."""
    _, trace = ref.bidirectional(*arrays, **options)
    return _merged(trace, trace.y_backward, trace.y_forward)


def _merged(trace, first, second):
    merge = {
        "concat": lambda a, b: np.concatenate([a, b], axis=-1),
        "sum": np.add,
        "ave": lambda a, b: (a + b) / 2,
        "mul": np.multiply,
        None: lambda a, b: (a, b),
    }[trace.merge_mode]
    return merge(first, second), trace._replace(y_forward=first, y_backward=second)


@mistake("bidirectional_backward")
def bidirectional_backward_one_direction(d_output, trace, d_state=None):
    """The input gets the gradient of the forward layer only, and not the sum of both."""
    grads = ref.bidirectional_backward(d_output, trace, d_state)
    if trace.merge_mode != "concat":
        return grads._replace(d_x=grads.d_x / 2)
    silent = np.array(d_output)
    silent[..., silent.shape[-1] // 2 :] = 0
    return grads._replace(d_x=ref.bidirectional_backward(silent, trace, None).d_x)


@mistake("stack")
def stack_mask_only_below(x, weights, *, mask=None, **options):
    """The mask reaches the lowest layer only: the layers above read padding."""
    lowest = {k: v for k, v in options.items() if k != "return_sequences"}
    states = options.pop("initial_state", None)
    lowest["initial_state"] = None if states is None else states[:1]
    options["initial_state"] = None if states is None else states[1:]
    h, below = ref.stack(x, weights[:1], mask=mask, return_sequences=True, **lowest)
    output, above = ref.stack(h, weights[1:], **options)
    layers = (*below.layers, *above.layers)
    return output, ref.StackTrace(layers, (*below.state, *above.state), above.backward)
