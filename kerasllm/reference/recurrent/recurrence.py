"""What all recurrent layers share: the order of time, masks, and which states become output.

- Inside, time is the first axis and runs in the order of processing: step 0 is the last token where
  `go_backwards` is set. Traces show (B, T, H) in that same order of processing, as Keras' output.
- A masked step leaves the state as it was. As output it repeats the step before it; before the
  first real step there is nothing to repeat, and the output is zero, whatever the initial state.
  (Keras on TensorFlow and torch. Keras on JAX repeats the initial state there.)
- With `zero_output_for_mask` the output of every masked step is zero.
"""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks


class Walk(NamedTuple):
    """How a sequence is walked through."""

    real: np.ndarray | None  # (T, B, 1), the mask in the order of processing
    shown: np.ndarray | None  # (T, B, 1), True where the output is the state and not zero
    go_backwards: bool
    return_sequences: bool


def check_weights(x, kernel, recurrent_kernel, bias, gates, bias_rows=()):
    """Check everything with a shape; return the four as float arrays."""
    x, kernel, recurrent_kernel, bias = checks.floats(
        x=x, kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias
    )
    checks.sequence(x)
    checks.product(x, kernel)
    units, rest = divmod(kernel.shape[1], gates)
    if rest:
        raise ValueError(
            f"expected a kernel with {gates} gates of equal width side by side, received shape "
            f"{kernel.shape}, whose axis 1 is no multiple of {gates}"
        )
    because = f"kernel has shape {kernel.shape}"
    checks.shape("recurrent_kernel", recurrent_kernel, (units, gates * units), because=because)
    checks.shape("bias", bias, (*bias_rows, gates * units), because=because)
    return x, kernel, recurrent_kernel, bias


def check_step(projected, recurrent_kernel, gates, **states):
    """Check everything of one step; return it as float arrays, the states at the end."""
    recurrent_kernel = np.asarray(recurrent_kernel)
    checks.rank("recurrent_kernel", recurrent_kernel, "HG")
    checks.rank("projected", projected, "BG")
    B, H = len(projected), len(recurrent_kernel)
    expected = (H, gates * H)
    checks.shape("recurrent_kernel", recurrent_kernel, expected, because=f"it has {H} rows")
    because = f"recurrent_kernel has shape {expected}"
    checks.shape("projected", projected, (B, gates * H), because=because)
    because += f" and projected has {B} rows"
    for name, state in states.items():
        checks.shape(name, state, (B, H), because=because)
    return checks.floats(projected=projected, recurrent_kernel=recurrent_kernel, **states)


def plan(x, mask, go_backwards, return_sequences, zero_output_for_mask):
    """Check the mask and say how the sequence is walked through."""
    mask = checks.mask(mask, x)
    if mask is None:
        return Walk(None, None, go_backwards, return_sequences)
    real = in_order(mask[..., None], go_backwards)
    shown = real if zero_output_for_mask else np.logical_or.accumulate(real, axis=0)
    return Walk(real, shown, go_backwards, return_sequences)


def in_order(array, go_backwards):
    """Swap batch and time, and turn time round if asked."""
    if go_backwards:
        array = array[:, ::-1]
    return array.swapaxes(0, 1)  # (B, T, …) -> (T, B, …)


def out_of_order(array, go_backwards):
    """Undo `in_order`."""
    array = array.swapaxes(0, 1)  # (T, B, …) -> (B, T, …)
    return array[:, ::-1] if go_backwards else array


def first_state(initial_state, names, projected, units):
    """Check the initial state, one (B, H) array for each name; zeros if there is none."""
    shape = (projected.shape[1], units)
    if initial_state is None:
        return tuple(np.zeros(shape, projected.dtype) for _ in names)
    if not isinstance(initial_state, (tuple, list)) or len(initial_state) != len(names):
        raise ValueError(
            f"expected initial_state as a tuple ({', '.join(names)},) of {len(names)} array(s), "
            f"received {type(initial_state).__name__} of length {len(initial_state)}"
        )
    for name, state in zip(names, initial_state, strict=True):
        checks.shape(name, state, shape, because="it is (batch, units)")
    return tuple(checks.floats(**{n: s}) for n, s in zip(names, initial_state, strict=True))


def carry(walk, t, new, old):
    """Return the new states where step t is real, the old ones where it is masked."""
    if walk.real is None:
        return new
    return tuple(np.where(walk.real[t], a, b) for a, b in zip(new, old, strict=True))


def carry_backward(walk, t, d_state):
    """Send a gradient back through `carry`: its share of the new states and of the old ones."""
    if walk.real is None:
        return d_state, (0.0,) * len(d_state)
    d_new = tuple(np.where(walk.real[t], d, 0) for d in d_state)
    d_old = tuple(np.where(walk.real[t], 0, d) for d in d_state)
    return d_new, d_old


def project(steps, kernel, bias):
    """Multiply all steps (T, B, D) by the kernel in one matrix product: (T, B, gates)."""
    T, B, D = steps.shape
    projected = (steps.reshape(T * B, D) @ kernel).reshape(T, B, -1)
    return projected if bias is None else projected + bias


def project_backward(d_projected, trace):
    """Send a gradient back through `project`: d_x (B, T, D), d_kernel, d_bias (None if none)."""
    x, kernel, bias, backwards = trace.x, trace.kernel, trace.bias, trace.walk.go_backwards
    T, B, gates = d_projected.shape
    d_kernel = contract(in_order(x, backwards), d_projected)
    d_x = (d_projected.reshape(T * B, gates) @ kernel.T).reshape(T, B, -1)
    d_bias = None if bias is None else d_projected.sum((0, 1))
    return out_of_order(d_x, backwards), d_kernel, d_bias


def contract(steps, d_steps):
    """Sum stepᵀ @ d_step over all steps in one matrix product: the gradient of a kernel."""
    return steps.reshape(-1, steps.shape[-1]).T @ d_steps.reshape(-1, d_steps.shape[-1])


def previous(states, first):
    """Return the state before each step: the first one, then all but the last."""
    return np.concatenate([first[None], states[:-1]])


def output_of(h, walk):
    """Turn the states (T, B, H) into the output, (B, T, H) or (B, H)."""
    shown = h if walk.shown is None else h * walk.shown
    return shown.swapaxes(0, 1) if walk.return_sequences else shown[-1]


def backward_through_time(step_backward, d_output, trace, d_state):
    """Walk from the last step to the first, each handing its gradients to the one before.

    Args:
        step_backward: called as (t, gradients of the states after step t); returns the gradients of
            its gates and those of the states before it, each a tuple.
        d_output: like the output.
        trace: of the layer.
        d_state: of the final states, or None.

    Returns:
        The gradients of each state and of each gate at every step, (T, B, …), and those of the
        initial states: three tuples.
    """
    h = trace.h.swapaxes(0, 1)  # (T, B, H)
    d_shown = output_backward(d_output, trace.walk, h.shape)
    d_states, arrived, sent = last_gradient(d_state, trace.initial_state), [], []
    for t in reversed(range(len(h))):
        d_states = (d_states[0] + d_shown[t], *d_states[1:])
        d_new, d_old = carry_backward(trace.walk, t, d_states)
        d_gates, through = step_backward(t, d_new)
        arrived.append(d_states)
        sent.append(d_gates)
        d_states = tuple(a + b for a, b in zip(through, d_old, strict=True))
    stacks = ([np.stack(d[::-1]) for d in zip(*steps, strict=True)] for steps in (arrived, sent))
    return *stacks, d_states


def output_backward(d_output, walk, shape):
    """Return what each state (T, B, H) gets from the gradient of the output."""
    T, B, H = shape
    expected = (B, T, H) if walk.return_sequences else (B, H)
    checks.shape("d_output", d_output, expected, because="the output has this shape")
    d_h = np.zeros(shape, d_output.dtype)
    if walk.return_sequences:
        d_h[:] = d_output.swapaxes(0, 1)
    else:
        d_h[-1] = d_output
    return d_h if walk.shown is None else d_h * walk.shown


def last_gradient(d_state, first):
    """Return the gradient of the final states, zeros if the loss does not use them."""
    return tuple(map(np.zeros_like, first)) if d_state is None else tuple(d_state)
