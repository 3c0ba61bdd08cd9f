"""Exercises: recurrent layers, and their way back through time."""

import numpy as np

from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.tasks.recurrent import GATES, SIZES
from kerasllm.exercises.trials import Trial, arrays, backward_of


def _weights(rng, name, D, H):
    width = GATES[name] * H
    bias = (2, width) if name == "gru" else (width,)
    return arrays(rng, (D, width), (H, width), bias)


def _layer_trials(rng):
    (B, T, D, H), (b, t, d, h) = SIZES
    x, weights = rng.standard_normal((B, T, D)), _weights(rng, "lstm", D, H)
    ragged = np.arange(T) < np.array([T, 3])[:, None]
    holes = np.array([[1, 0, 0, 1, 0], [0, 1, 1, 0, 1]], bool)
    state = arrays(rng, (B, H), (B, H))
    return [
        Trial("last step", (x, *weights)),
        Trial("every step", (x, *weights), {"return_sequences": True}),
        Trial("other sizes", (rng.standard_normal((b, t, d)), *_weights(rng, "lstm", d, h))),
        Trial("padding", (x, *weights), {"mask": ragged}),
        Trial(
            "a text of padding alone",
            (x, *weights),
            {"mask": ragged & [[True], [False]], "return_sequences": True, "initial_state": state},
        ),
        Trial("mask with holes", (x, *weights), {"mask": holes, "return_sequences": True}),
        Trial("initial state", (x, *weights), {"initial_state": state}),
        Trial("backwards", (x, *weights), {"go_backwards": True, "return_sequences": True}),
    ]


def _ragged_trials(name):
    """Return trials of a layer with an initial state: every step with padding, or the last one.

    The last text of the last trial is padding alone.
    """

    def trials(rng):
        made = []
        for (B, T, D, H), every in ((SIZES[0], True), (SIZES[1], False), (SIZES[1], True)):
            lengths = np.r_[T, rng.integers(2, T, B - 1)]
            lengths[-1] *= B < 3
            mask = np.arange(T) < lengths[:, None] if every else None
            x, weights = rng.standard_normal((B, T, D)), _weights(rng, name, D, H)
            state = arrays(rng, *[(B, H)] * (2 if name == "lstm" else 1))
            label = f"B={B}, T={T}, {'every step, padding' if every else 'last step'}"
            options = {"mask": mask, "return_sequences": every, "initial_state": state}
            made.append(Trial(label, (x, *weights), options))
        return made

    return trials


def _bidirectional_trials(rng):
    made = []
    for (B, T, D, H), every in ((SIZES[0], True), (SIZES[1], False)):
        weights = (*_weights(rng, "lstm", D, H), *_weights(rng, "lstm", D, H))
        label = f"T={T}, {'every step' if every else 'last step'}"
        x = rng.standard_normal((B, T, D))
        made.append(Trial(label, (x, *weights), {"return_sequences": every}))
    return made


_WEIGHT_GRADS = ("d_x", "d_kernel", "d_recurrent_kernel", "d_bias")

EXERCISES = (
    Exercise(
        name="lstm",
        level="a whole layer",
        task="walk through a sequence with lstm_step.",
        statement="""
            h_t, c_t = lstm_step(x_t @ kernel + bias, h_{t-1}, c_{t-1}, recurrent_kernel)

            x: (B, T, D). kernel: (D, 4H). recurrent_kernel: (H, 4H). bias: (4H,). mask: (B, T),
            True = real, or None; a masked step keeps h and c. initial_state: (h, c), or None for
            zeros. go_backwards: begin at the last step. return_sequences: return h of every step in
            the order of processing, (B, T, H); else the last one, (B, H). Before the first real
            step of a masked sequence the output is zero.""",
        hint="""np.where(mask[:, t, None], new, old) keeps a state where the step is masked. The
            projection of all steps is one matrix product before the loop.""",
        outputs=("output",),
        trials=_layer_trials,
        time_axis={"output": 1},
        parts=("lstm_step",),
    ),
    Exercise(
        name="bidirectional",
        level="a whole layer",
        task="read a text in both directions with an LSTM.",
        statement="""
            y_forward  = lstm(x, first half of the weights)
            y_backward = lstm(x, second half, go_backwards=True), turned round again
            output     = y_forward and y_backward side by side

            x: (B, T, D). *weights: kernel, recurrent_kernel and bias of the forward layer, then of
            the backward layer. return_sequences: every step (B, T, 2H), else (B, 2H). You may use
            kerasllm.reference.recurrent.lstm, which returns (output, trace).""",
        hint="With go_backwards the outputs come in the order of processing: last token first.",
        outputs=("output",),
        trials=_bidirectional_trials,
        parts=("lstm", "lstm_step"),
    ),
    Exercise(
        name="simple_rnn_backward",
        level="a backward pass",
        task="send a gradient back through time.",
        statement="""
            h_t = tanh(x_t @ kernel + bias + h_{t-1} @ recurrent_kernel)

            d_output: like the output, (B, T, H) if trace.walk.return_sequences, else (B, H). trace:
            x, kernel, recurrent_kernel, bias, initial_state (a tuple of h), h (B, T, H), and
            trace.walk.real: None, or the mask as (T, B, 1); at a masked step h was kept, and it
            shows the step before. All masks here are padding on the right.
            Return d_x, d_kernel, d_recurrent_kernel, d_bias.""",
        hint="""Go from the last step to the first. d_h is what the output at t sends plus what step
            t + 1 hands on. At a masked step d_h goes to the step before as it is. All weights'
            gradients are sums over time.""",
        outputs=_WEIGHT_GRADS,
        trials=backward_of("simple_rnn", _ragged_trials("simple_rnn")),
        time_axis={"d_x": 1},
        parts=("simple_rnn_step_backward",),
    ),
    Exercise(
        name="lstm_backward",
        level="a backward pass",
        task="send a gradient back through time, cell and all.",
        statement="""
            h_t, c_t = lstm_step(x_t @ kernel + bias, h_{t-1}, c_{t-1}, recurrent_kernel)

            d_output: like the output, (B, T, H) if trace.walk.return_sequences, else (B, H). trace:
            x, kernel, recurrent_kernel, bias, initial_state (h, c), i, f, g, o, c, h, each
            (B, T, H), and trace.walk.real: None, or the mask as (T, B, 1); a masked step keeps h
            and c. All masks here are padding on the right.
            Return d_x, d_kernel, d_recurrent_kernel, d_bias.""",
        hint="""Solve lstm_step_backward first and call it at every step, beginning at the last.
            Two gradients are handed on: d_h and d_c. The recurrent kernel multiplied the state of
            the step *before*.""",
        outputs=_WEIGHT_GRADS,
        trials=backward_of("lstm", _ragged_trials("lstm")),
        time_axis={"d_x": 1},
        parts=("lstm_step_backward",),
    ),
)
