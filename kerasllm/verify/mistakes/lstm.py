"""Known mistakes in the LSTM, in one step and over time."""
# ruff: noqa: ARG001, ARG005, D401 - forgotten arguments are mistakes; docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import (
    cut,
    gates,
    mistake,
    overwritten,
    symbols_of,
    with_formulas,
    with_part,
)

I, F, G, O = range(4)  # noqa: E741 - the gates' order in Keras


def _reordered(order, projected, h_previous, c_previous, recurrent_kernel):
    """Take a step that finds the gates in another order."""
    recurrent_kernel = gates(recurrent_kernel, order)
    return ref.lstm_step(gates(projected, order), h_previous, c_previous, recurrent_kernel)


def _step(*arguments, **formulas):
    """Take a step with other formulas, by symbol; each is given what was computed before."""
    return with_formulas("lstm_step", formulas, _stepped, *arguments)


def _stepped(formulas, projected, h_previous, c_previous, recurrent_kernel):
    a_i, a_f, a_g, a_o = np.split(projected + h_previous @ recurrent_kernel, 4, axis=-1)
    right = {
        "a_g": lambda s: a_g,
        "f": lambda s: ref.sigmoid(a_f)[0],
        "i": lambda s: ref.sigmoid(a_i)[0],
        "g": lambda s: np.tanh(a_g),
        "o": lambda s: ref.sigmoid(a_o)[0],
        "c": lambda s: s["f"] * c_previous + s["i"] * s["g"],
        "h": lambda s: s["o"] * np.tanh(s["c"]),
    }
    s = symbols_of(right, formulas)
    symbols = (s[name] for name in ("i", "f", "g", "o", "c", "h"))
    trace = ref.LSTMStepTrace(*symbols, c_previous, h_previous, recurrent_kernel)
    return (s["h"], s["c"]), trace


@mistake("lstm_step")
def lstm_step_input_and_forget_swapped(projected, h_previous, c_previous, recurrent_kernel):
    """The input gate and the forget gate are swapped."""
    return _reordered((F, I, G, O), projected, h_previous, c_previous, recurrent_kernel)


@mistake("lstm_step")
def lstm_step_input_and_output_swapped(projected, h_previous, c_previous, recurrent_kernel):
    """The input gate and the output gate are swapped."""
    return _reordered((O, F, G, I), projected, h_previous, c_previous, recurrent_kernel)


@mistake("lstm_step")
def lstm_step_forget_and_output_swapped(projected, h_previous, c_previous, recurrent_kernel):
    """The forget gate and the output gate are swapped."""
    return _reordered((I, O, G, F), projected, h_previous, c_previous, recurrent_kernel)


@mistake("lstm_step")
def lstm_step_candidate_and_output_swapped(projected, h_previous, c_previous, recurrent_kernel):
    """The weights are read in the order i, f, o, g, where Keras has i, f, g, o."""
    return _reordered((I, F, O, G), projected, h_previous, c_previous, recurrent_kernel)


@mistake("lstm_step")
def lstm_step_gates_f_i_o_g(projected, h_previous, c_previous, recurrent_kernel):
    """The weights are read in the order f, i, o, g, where Keras has i, f, g, o."""
    return _reordered((F, I, O, G), projected, h_previous, c_previous, recurrent_kernel)


@mistake("lstm_step")
def lstm_step_gates_i_o_f_g(projected, h_previous, c_previous, recurrent_kernel):
    """The weights are read in the order i, o, f, g, as in ONNX, where Keras has i, f, g, o."""
    return _reordered((I, G, O, F), projected, h_previous, c_previous, recurrent_kernel)


@mistake("lstm_step")
def lstm_step_returns_c_and_h(projected, h_previous, c_previous, recurrent_kernel):
    """The two states come out as (c, h), where Keras has (h, c)."""
    (h, c), trace = ref.lstm_step(projected, h_previous, c_previous, recurrent_kernel)
    return (c, h), trace._replace(h=c, c=h)


@mistake("lstm_step")
def lstm_step_takes_c_and_h(projected, h_previous, c_previous, recurrent_kernel):
    """The two states are taken as (c, h), where Keras has (h, c)."""
    return ref.lstm_step(projected, c_previous, h_previous, recurrent_kernel)


@mistake("lstm_step")
def lstm_step_forget_gate_on_the_candidate(projected, h_previous, c_previous, recurrent_kernel):
    """The forget gate acts on the candidate too: c = f · c_previous + f · g."""
    return _step(projected, h_previous, c_previous, recurrent_kernel, i=lambda s: s["f"])


@mistake("lstm_step")
def lstm_step_gates_coupled(projected, h_previous, c_previous, recurrent_kernel):
    """The input gate is 1 - f (coupled gates), and not a gate of its own."""
    return _step(projected, h_previous, c_previous, recurrent_kernel, i=lambda s: 1 - s["f"])


@mistake("lstm_step")
def lstm_step_input_gate_forgotten(projected, h_previous, c_previous, recurrent_kernel):
    """The candidate is added without the input gate: c = f · c_previous + g."""
    return _step(
        projected, h_previous, c_previous, recurrent_kernel, i=lambda s: np.ones_like(s["f"])
    )


@mistake("lstm_step")
def lstm_step_candidate_through_sigmoid(projected, h_previous, c_previous, recurrent_kernel):
    """The candidate goes through the sigmoid like a gate, and not through tanh."""
    return _step(
        projected, h_previous, c_previous, recurrent_kernel, g=lambda s: ref.sigmoid(s["a_g"])[0]
    )


@mistake("lstm_step")
def lstm_step_tanh_of_cell_forgotten(projected, h_previous, c_previous, recurrent_kernel):
    """The cell is shown without its tanh: h = o · c."""
    return _step(projected, h_previous, c_previous, recurrent_kernel, h=lambda s: s["o"] * s["c"])


@mistake("lstm_step")
def lstm_step_shows_the_old_cell(projected, h_previous, c_previous, recurrent_kernel):
    """The output is computed from the cell before the step: h = o · tanh(c_previous)."""
    old = np.tanh(c_previous)
    return _step(projected, h_previous, c_previous, recurrent_kernel, h=lambda s: s["o"] * old)


@mistake("lstm_step")
def lstm_step_state_forgotten(projected, h_previous, c_previous, recurrent_kernel):
    """The gates see the input only: h_previous @ recurrent_kernel is missing."""
    return ref.lstm_step(projected, 0 * h_previous, c_previous, recurrent_kernel)


@mistake("lstm_step_backward")
def lstm_step_backward_cell_forgotten(d_output, trace):
    """The gradient that reaches the cell from the next step is not added to the one from h."""
    d_h, d_c = d_output
    return ref.lstm_step_backward((d_h, 0 * d_c), trace)


@mistake("lstm_step_backward")
def lstm_step_backward_output_forgotten(d_output, trace):
    """The gradient of h does not reach the cell: o · (1 - tanh²) is missing."""
    d_h, d_c = d_output
    H = d_h.shape[-1]
    d_o = ref.lstm_step_backward(d_output, trace).d_projected[:, 3 * H :]
    through_cell = ref.lstm_step_backward((0 * d_h, d_c), trace)
    d_projected = np.concatenate([through_cell.d_projected[:, : 3 * H], d_o], axis=-1)
    d_h_previous = d_projected @ trace.recurrent_kernel.T
    return ref.LSTMStepGrads(d_projected, d_h_previous, through_cell.d_c_previous)


@mistake("lstm_step_backward")
def lstm_step_backward_forget_gate_forgotten(d_output, trace):
    """The gradient of c_previous is not multiplied by the forget gate."""
    grads = ref.lstm_step_backward(d_output, trace)
    return grads._replace(d_c_previous=grads.d_c_previous / trace.f)


@mistake("lstm_step_backward")
def lstm_step_backward_slope_of_candidate(d_output, trace):
    """The candidate gets the slope of the sigmoid, g (1 - g), and not that of tanh, 1 - g²."""
    H = trace.g.shape[-1]
    grads = ref.lstm_step_backward(d_output, trace)
    d_projected = grads.d_projected.copy()
    d_projected[:, 2 * H : 3 * H] *= trace.g * (1 - trace.g) / (1 - trace.g**2)
    d_h_previous = d_projected @ trace.recurrent_kernel.T
    return grads._replace(d_projected=d_projected, d_h_previous=d_h_previous)


@mistake("lstm")
def lstm_bias_forgotten(x, kernel, recurrent_kernel, bias=None, **options):
    """The bias is not added."""
    output, trace = ref.lstm(x, kernel, recurrent_kernel, None, **options)
    return output, trace._replace(bias=bias)


@mistake("lstm")
def lstm_mask_ignored(*arrays, mask=None, **options):
    """Masked steps are read like any other."""
    return ref.lstm(*arrays, mask=None, **options)


@mistake("lstm")
def lstm_mask_silences_the_input(x, *weights, mask=None, **options):
    """A masked step sets the input to zero, but still changes the state."""
    silent = x if mask is None else x * np.asarray(mask)[..., None]
    return ref.lstm(silent, *weights, **options)


@mistake("lstm")
def lstm_initial_state_ignored(*arrays, initial_state=None, **options):
    """The initial state is ignored, and the sequence starts from zeros."""
    return ref.lstm(*arrays, initial_state=None, **options)


@mistake("lstm")
def lstm_initial_state_c_and_h(*arrays, initial_state=None, **options):
    """The initial state is taken as (c, h), where Keras has (h, c)."""
    swapped = None if initial_state is None else tuple(initial_state)[::-1]
    return ref.lstm(*arrays, initial_state=swapped, **options)


@mistake("lstm")
def lstm_direction_ignored(*arrays, go_backwards=False, **options):
    """The sequence is read forward where it should be read backward."""
    return ref.lstm(*arrays, go_backwards=False, **options)


@mistake("lstm")
def lstm_returns_the_cell(*arrays, **options):
    """The cell c is returned where the output h should be."""
    _, trace = ref.lstm(*arrays, **options)
    return (trace.c if options.get("return_sequences") else trace.c[:, -1]), trace


@mistake("lstm")
def lstm_state_not_carried(*arrays, **options):
    """Every step starts from a zero state: the loop does not hand h and c on."""

    def forgetful(projected, h, c, recurrent_kernel):
        return ref.lstm_step(projected, 0 * h, 0 * c, recurrent_kernel)

    return with_part(ref.lstm, "lstm_step", forgetful, *arrays, **options)


@mistake("lstm_backward")
def lstm_backward_nothing_carried(d_output, trace, d_state=None):
    """No gradient flows from one step to the step before it."""
    return cut("lstm", ("d_h_previous", "d_c_previous"), d_output, trace, d_state)


@mistake("lstm_backward")
def lstm_backward_cell_not_carried(d_output, trace, d_state=None):
    """The gradient flows through h from step to step, but not through the cell."""
    return cut("lstm", ("d_c_previous",), d_output, trace, d_state)


@mistake("lstm_backward")
def lstm_backward_output_not_carried(d_output, trace, d_state=None):
    """The gradient flows through the cell from step to step, but not through h."""
    return cut("lstm", ("d_h_previous",), d_output, trace, d_state)


@mistake("lstm_backward")
def lstm_backward_weights_overwritten(d_output, trace, d_state=None):
    """The weights' gradients are overwritten at every step, and not added up over time."""
    return overwritten(ref.lstm_backward(d_output, trace, d_state), trace)


@mistake("lstm_backward")
def lstm_backward_cache_overwritten(d_output, trace, d_state=None):
    """The forward pass overwrites its cache: every step goes back with the last step's gates."""
    last = {k: np.repeat(getattr(trace, k)[:, -1:], trace.i.shape[1], axis=1) for k in "ifgo"}
    return ref.lstm_backward(d_output, trace._replace(**last), d_state)


@mistake("lstm_backward")
def lstm_backward_wrong_state(d_output, trace, d_state=None):
    """The recurrent kernel's gradient is computed with h of the same step, not the one before."""
    grads = ref.lstm_backward(d_output, trace, d_state)
    return grads._replace(d_recurrent_kernel=np.einsum("bth,btg->hg", trace.h, grads.d_projected))
