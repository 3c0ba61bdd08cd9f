"""Gradient flow: against differences, and against what the gates promise."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm import verify
from kerasllm.verify.traces.gradient_flow import Flow

B, T, D, H = 2, 5, 3, 7
CELLS = {"simple_rnn": (ref.simple_rnn, 1), "lstm": (ref.lstm, 4), "gru": (ref.gru, 3)}
MASKS = {"no mask": None, "holes": np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1]], bool)}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("every", [False, True])
def test_state_gradients_are_slopes(cell, mask, every, rng):
    """Go on from a moved state at step t: the loss of the later steps moves by the gradient."""
    function, gates = CELLS[cell]
    bias = (2, gates * H) if cell == "gru" else (gates * H,)
    x, kernel, recurrent = (
        rng.standard_normal(s) for s in ((B, T, D), (D, gates * H), (H, gates * H))
    )
    weights, mask = (kernel, recurrent, rng.standard_normal(bias)), MASKS[mask]
    output, trace = function(x, *weights, mask=mask, return_sequences=every)
    d_output = rng.standard_normal(output.shape)
    found = getattr(ref, f"{cell}_backward")(d_output, trace)
    names = "hc" if cell == "lstm" else "h"
    for t in (0, 2):
        rest = {"mask": None if mask is None else mask[:, t + 1 :], "return_sequences": True}
        state = tuple(getattr(trace, name)[:, t] for name in names)
        later = d_output[:, t + 1 :] if every else np.zeros((B, T - 1 - t, H))
        if not every:
            later[:, -1] = d_output

        def loss(*state, t=t, rest=rest, later=later):
            h = function(x[:, t + 1 :], *weights, initial_state=state, **rest)[1].h
            real = 1 if mask is None else _shown(mask)[:, t + 1 :]
            return np.sum(later * h * real)

        direct = 0.0
        if every:
            direct = d_output[:, t] * (1 if mask is None else _shown(mask)[:, t])
        moved = rng.standard_normal((B, H))
        step = 1e-6
        slope = (loss(state[0] + step * moved, *state[1:]) -
                 loss(state[0] - step * moved, *state[1:])) / (2 * step)  # fmt: skip
        assert np.sum((found.d_h[:, t] - direct) * moved) == pytest.approx(slope, abs=1e-7)


def _shown(mask):
    return np.logical_or.accumulate(mask, axis=1)[..., None]


def test_gradient_of_the_cell_contains_the_way_through_its_own_h(rng):
    """Moving c_t moves h_t = o · tanh(c_t) too."""
    x, kernel, recurrent = (rng.standard_normal(s) for s in ((B, T, D), (D, 4 * H), (H, 4 * H)))
    output, trace = ref.lstm(x, kernel, recurrent)
    d_output = rng.standard_normal(output.shape)
    found, t, step, moved = ref.lstm_backward(d_output, trace).d_c, 1, 1e-6, rng.random((B, H))

    def loss(c):
        state = (trace.o[:, t] * np.tanh(c), c)
        return np.sum(d_output * ref.lstm(x[:, t + 1 :], kernel, recurrent, initial_state=state)[0])

    c = trace.c[:, t]
    slope = (loss(c + step * moved) - loss(c - step * moved)) / (2 * step)
    assert np.sum(found[:, t] * moved) == pytest.approx(slope, abs=1e-7)


def test_without_recurrent_weights_the_cell_forgets_as_its_gate_says():
    """U = 0 and one forget gate for all: |dL/dc| falls by f a step, and the memory is -1 / ln f."""
    kernel, recurrent, bias = np.zeros((D, 4 * H)), np.zeros((H, 4 * H)), np.zeros(4 * H)
    bias[H : 2 * H] = np.log(0.9 / 0.1)  # σ(ln 9) = 0.9
    output, trace = ref.lstm(np.ones((1, 29, D)), kernel, recurrent, bias)
    grads = ref.lstm_backward(np.ones_like(output), trace)
    sizes = np.linalg.norm(grads.d_c[0], axis=-1)
    assert np.allclose(sizes[:-1] / sizes[1:], 0.9)
    flow = Flow(np.linalg.norm(grads.d_h[0], axis=-1), sizes, trace.f[0])
    assert np.allclose(flow.implied, -1 / np.log(0.9))  # 9.49 steps
    assert flow.measured == 10  # the first whole step below 1/e


def test_cells_by_name():
    flow = verify.gradient_flow()
    assert list(flow.flows) == ["simple", "gru", "lstm"] and flow.steps == 60
    assert flow["simple"].keep is None and flow["simple"].implied is None
    assert flow["lstm"].d_c[0] > 100 * flow["simple"].d_h[0]
    assert "no gates" in str(flow) and "<td>gru</td>" in flow._repr_html_()
    axes = flow.figure().axes[0]
    assert axes.get_yscale() == "log" and len(axes.lines) == 4


def test_an_open_forget_gate_remembers_longer():
    short, long = (verify.gradient_flow("lstm", 40, forget_bias=b)["lstm"] for b in (1.0, 5.0))
    assert np.median(long.implied) > 10 * np.median(short.implied)
    assert long.measured == 40 > short.measured


def test_a_trained_model_by_layer(make_run):
    flow = verify.gradient_flow(make_run("gru"), "the cat")
    assert list(flow.flows) == ["stack/gru_0", "stack/gru_1"]
    assert flow.tokens[3] == "␣" and flow["stack/gru_1"].d_h.shape == (7,)
    assert [t.get_text() for t in flow.figure().axes[0].get_xticklabels()] == flow.tokens


def test_model_gradient_is_that_of_the_likeliest_answer(make_run):
    """The last layer's last state gets (p - onehot) through the head and the projection."""
    run = make_run("lstm")
    flow, seen = verify.gradient_flow(run, "the cat"), verify.trace(run, "the cat")
    p = seen.probabilities[-1]
    embedding, projection = run.backbone.embedding, run.backbone.get_layer("projection")
    table, kernel = (np.asarray(layer.get_weights()[0], float) for layer in (embedding, projection))
    d_h = (p - np.eye(len(p))[p.argmax()]) @ table @ kernel.T
    assert flow["stack/lstm_0"].d_h[-1] == pytest.approx(np.linalg.norm(d_h), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("simple", "lstn"), 10), r"received 'lstn'\. Did you mean 'lstm'"),
        (("lstm", 1), "at least 2 steps, received 1"),
        (("lstm", 2.5), "received 2.5"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        verify.gradient_flow(*arguments)


def test_a_model_without_recurrence(make_run):
    with pytest.raises(ValueError, match="no recurrent layer"):
        verify.gradient_flow(make_run("gpt"), "the cat")
    with pytest.raises(FileNotFoundError, match="expected a run folder"):
        verify.gradient_flow("lstmm", "the cat")


def test_model_without_probabilities(rng):
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.SimpleRNN(5, name="rnn")])
    flow = verify.gradient_flow(model, rng.standard_normal((4, 3)))
    assert flow["rnn"].d_h[-1] == pytest.approx(np.sqrt(5) / 5)
