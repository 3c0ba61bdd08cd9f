"""Known mistakes in simple RNN and GRU, in one step and over time."""

import numpy as np

from kerasllm import reference as ref

# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence
from kerasllm.verify.mistakes.mistake import cut, gates, mistake, overwritten, with_part

Z, R, C = range(3)  # the gates' order in Keras


@mistake("simple_rnn_step")
def simple_rnn_step_state_forgotten(projected, h_previous, recurrent_kernel, activation="tanh"):
    """The step sees the input only: h_previous @ recurrent_kernel is missing."""
    return ref.simple_rnn_step(projected, 0 * h_previous, recurrent_kernel, activation)


@mistake("simple_rnn_step")
def simple_rnn_step_transposed(projected, h_previous, recurrent_kernel, activation="tanh"):
    """The recurrent kernel is transposed."""
    return ref.simple_rnn_step(projected, h_previous, recurrent_kernel.T, activation)


@mistake("simple_rnn_step")
def simple_rnn_step_without_activation(projected, h_previous, recurrent_kernel, activation="tanh"):
    """There is no tanh, and the network is linear."""
    return ref.simple_rnn_step(projected, h_previous, recurrent_kernel, "linear")


@mistake("simple_rnn_step")
def simple_rnn_step_tanh_too_early(projected, h_previous, recurrent_kernel, activation="tanh"):
    """The tanh acts on the input's share before the state's share is added."""
    h, trace = ref.simple_rnn_step(projected, 0 * h_previous, recurrent_kernel, activation)
    h = h + h_previous @ recurrent_kernel
    return h, trace._replace(h=h, h_previous=h_previous)


@mistake("simple_rnn_step_backward")
def simple_rnn_step_backward_slope_forgotten(d_output, trace):
    """The slope of tanh, 1 - h², is missing."""
    return ref.simple_rnn_step_backward(d_output, trace._replace(activation="linear"))


@mistake("simple_rnn_step_backward")
def simple_rnn_step_backward_not_transposed(d_output, trace):
    """The recurrent kernel is not transposed on the way back."""
    return ref.simple_rnn_step_backward(
        d_output, trace._replace(recurrent_kernel=trace.recurrent_kernel.T)
    )


@mistake("simple_rnn_backward")
def simple_rnn_backward_nothing_carried(d_output, trace, d_state=None):
    """No gradient flows from one step to the step before it."""
    return cut("simple_rnn", ("d_h_previous",), d_output, trace, d_state)


@mistake("simple_rnn_backward")
def simple_rnn_backward_weights_overwritten(d_output, trace, d_state=None):
    """The weights' gradients are overwritten at every step, and not added up over time."""
    return overwritten(ref.simple_rnn_backward(d_output, trace, d_state), trace)


@mistake("simple_rnn_backward")
def simple_rnn_backward_final_step_only(d_output, trace, d_state=None):
    """The gradient of the last output goes back through time, those of other steps are lost."""
    d_last = np.array(d_output)
    if trace.walk.return_sequences:
        d_last[:, :-1] = 0
    return ref.simple_rnn_backward(d_last, trace, d_state)


@mistake("gru_step")
def gru_step_keep_and_replace_swapped(projected, h_previous, *weights, **version):
    """The update gate lets the new state in (as in many textbooks): z and 1 - z are swapped."""
    _, trace = ref.gru_step(projected, h_previous, *weights, **version)
    h = (1 - trace.z) * h_previous + trace.z * trace.candidate
    return h, trace._replace(h=h)


@mistake("gru_step")
def gru_step_gates_swapped(
    projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True
):
    """The update gate and the reset gate are swapped: r, z, candidate, where Keras has z first."""
    order = (R, Z, C)
    if np.ndim(recurrent_bias):
        recurrent_bias = gates(recurrent_bias, order)
    return ref.gru_step(
        gates(projected, order), h_previous, gates(recurrent_kernel, order), recurrent_bias,
        reset_after,
    )  # fmt: skip


@mistake("gru_step")
def gru_step_other_reset(
    projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True
):
    """The reset gate acts before the matrix product where it should act after, or the reverse."""
    if reset_after:  # the bias has no place of its own any more: it joins the input's
        return ref.gru_step(
            projected + recurrent_bias, h_previous, recurrent_kernel, reset_after=False
        )
    return ref.gru_step(projected, h_previous, recurrent_kernel, recurrent_bias)


@mistake("gru_step")
def gru_step_reset_always_before(
    projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True
):
    """The reset gate acts before the matrix product, as in the paper, also with reset_after."""
    return ref.gru_step(projected + recurrent_bias, h_previous, recurrent_kernel, reset_after=False)


@mistake("gru_step")
def gru_step_reset_always_after(
    projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True
):
    """The reset gate acts after the matrix product, also without reset_after."""
    return ref.gru_step(projected, h_previous, recurrent_kernel, recurrent_bias)


@mistake("gru_step")
def gru_step_reset_gate_forgotten(
    projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True
):
    """The candidate sees the whole state: the reset gate is missing."""
    H = len(recurrent_kernel)
    _, trace = ref.gru_step(projected, h_previous, recurrent_kernel, recurrent_bias, reset_after)
    bias = np.broadcast_to(recurrent_bias, 3 * H)[2 * H :]
    inner = h_previous @ recurrent_kernel[:, 2 * H :] + bias
    candidate = np.tanh(projected[:, 2 * H :] + inner)
    h = trace.z * h_previous + (1 - trace.z) * candidate
    return h, trace._replace(inner=inner, candidate=candidate, h=h)


@mistake("gru_step")
def gru_step_recurrent_bias_forgotten(
    projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True
):
    """The second row of the bias, that of the recurrent product, is not added."""
    return ref.gru_step(projected, h_previous, recurrent_kernel, 0.0, reset_after)


@mistake("gru_step")
def gru_step_recurrent_bias_outside(
    projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True
):
    """The recurrent bias is added outside of the reset gate's product."""
    bias = np.broadcast_to(recurrent_bias, projected.shape[-1])
    return ref.gru_step(projected + bias, h_previous, recurrent_kernel, 0.0, reset_after)


@mistake("gru_step_backward")
def gru_step_backward_direct_path_forgotten(d_output, trace):
    """The path by which z hands the old state on, d_h · z, is missing in d_h_previous."""
    grads = ref.gru_step_backward(d_output, trace)
    return grads._replace(d_h_previous=grads.d_h_previous - d_output * trace.z)


@mistake("gru_step_backward")
def gru_step_backward_update_gate_sign(d_output, trace):
    """The gradient of the update gate has the wrong sign: candidate - h_previous."""
    H = trace.z.shape[-1]
    grads = ref.gru_step_backward(d_output, trace)
    flip = np.r_[-np.ones(H), np.ones(2 * H)]
    U_z = trace.recurrent_kernel[:, :H]
    d_h_previous = grads.d_h_previous - 2 * grads.d_projected[:, :H] @ U_z.T
    return ref.GRUStepGrads(grads.d_projected * flip, d_h_previous, grads.d_recurrent * flip)


@mistake("gru_backward")
def gru_backward_nothing_carried(d_output, trace, d_state=None):
    """No gradient flows from one step to the step before it."""
    return cut("gru", ("d_h_previous",), d_output, trace, d_state)


@mistake("gru")
def gru_bias_rows_swapped(x, kernel, recurrent_kernel, bias=None, **options):
    """The two rows of the bias are swapped: the recurrent product gets the input's."""
    rows = bias[::-1] if np.ndim(bias) == 2 else bias
    return ref.gru(x, kernel, recurrent_kernel, rows, **options)


@mistake("gru")
def gru_mask_ignored(*arrays, mask=None, **options):
    """Masked steps are read like any other."""
    return ref.gru(*arrays, mask=None, **options)


@mistake("simple_rnn")
def simple_rnn_mask_zeroes_the_state(x, *weights, mask=None, **options):
    """A masked step sets the state to zero, and does not keep it."""
    if mask is None:
        return ref.simple_rnn(x, *weights, **options)
    turn = -1 if options.get("go_backwards") else 1
    real = iter(np.asarray(mask, bool).T[::turn])

    def wiping(projected, h, *others):
        h, trace = ref.simple_rnn_step(projected, h, *others)
        h = h * next(real)[:, None]
        return h, trace._replace(h=h)

    output, trace = with_part(ref.simple_rnn, "simple_rnn_step", wiping, x, *weights, **options)
    return output, trace


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
