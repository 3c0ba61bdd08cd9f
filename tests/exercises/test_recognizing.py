"""Mistakes that learners really make, written as they write them, and what `check` says of them."""

import math

import numpy as np
import pytest

from kerasllm import exercises


def check(name, function, **options):
    return exercises.check(name, function, quiet=True, **options)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(order="ifgo", states=0, tanh=np.tanh, coupled=False):
    """Return a step of the LSTM with a mistake in it."""

    def step(projected, h_previous, c_previous, recurrent_kernel):
        if states == "taken":
            h_previous, c_previous = c_previous, h_previous
        a = np.split(projected + h_previous @ recurrent_kernel, 4, axis=-1)
        gate = {name: block for name, block in zip(order, a, strict=True)}
        i = 1 - sigmoid(gate["f"]) if coupled else sigmoid(gate["i"])
        c = sigmoid(gate["f"]) * c_previous + i * np.tanh(gate["g"])
        h = sigmoid(gate["o"]) * tanh(c)
        return (c, h) if states == "returned" else (h, c)

    return step


def gru_step(projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True):
    x_z, x_r, x_h = np.split(projected, 3, axis=-1)
    u_z, u_r, u_h = np.split(recurrent_kernel, 3, axis=-1)
    c_z, c_r, c_h = np.split(np.broadcast_to(recurrent_bias, projected.shape[-1:]), 3)
    z = sigmoid(x_z + h_previous @ u_z + c_z)
    r = sigmoid(x_r + h_previous @ u_r + c_r)
    candidate = np.tanh(x_h + (r * h_previous) @ u_h + c_h)
    return z * h_previous + (1 - z) * candidate


def layer_norm(ddof=0, outside=False, centred=True):
    def norm(x, gamma, beta, epsilon):
        mean = x.mean(-1, keepdims=True) if centred else 0
        variance = x.var(-1, keepdims=True, ddof=ddof)
        root = np.sqrt(variance) + epsilon if outside else np.sqrt(variance + epsilon)
        return gamma * (x - mean) / root + beta

    return norm


def adam(first=1, inside=False):
    def step(weights, grads, state, learning_rate, beta_1, beta_2, epsilon):
        t, m, v = state or (first, [0 * w for w in weights], [0 * w for w in weights])
        m = [beta_1 * a + (1 - beta_1) * g for a, g in zip(m, grads, strict=True)]
        v = [beta_2 * a + (1 - beta_2) * g**2 for a, g in zip(v, grads, strict=True)]
        alpha = learning_rate * np.sqrt(1 - np.float64(beta_2) ** t)
        alpha = alpha / (1 - np.float64(beta_1) ** t)
        roots = [np.sqrt(b + epsilon) if inside else np.sqrt(b) + epsilon for b in v]
        parts = zip(weights, m, roots, strict=True)
        return [w - alpha * a / root for w, a, root in parts], (t + 1, m, v)

    return step


def attention(inverted=False, hidden=-1e9, power=0.5):
    def attend(query, key, value, mask=None):
        scores = query @ key.swapaxes(-1, -2) / key.shape[-1] ** power
        if mask is not None:
            scores = np.where(mask, hidden, scores) if inverted else np.where(mask, scores, hidden)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True) @ value

    return attend


def softmax_of_all(x):
    p = np.exp(x - x.max())
    return p / p.sum(-1, keepdims=True)


ONE = [
    ("softmax", softmax_of_all, "softmax_less_the_global_maximum"),
    ("tanh_backward", lambda d, trace: d * (1 - trace.x**2), "tanh_backward_at_the_input"),
    ("relu_backward", lambda d, trace: d * (trace.x >= 0), "relu_backward_through_zero"),
    ("padding_mask", lambda ids, pad=0: (ids == pad)[:, None], "padding_mask_inverted"),
    ("scaled_dot_product_attention", attention(), "attention_averages_what_is_hidden"),
    ("scaled_dot_product_attention", attention(hidden=-np.inf), "attention_of_nothing_is_nan"),
    ("lstm_step", lstm_step("fiog"), "lstm_step_gates_f_i_o_g"),
    ("lstm_step", lstm_step("iofg"), "lstm_step_gates_i_o_f_g"),
    ("lstm_step", lstm_step(states="returned"), "lstm_step_returns_c_and_h"),
    ("lstm_step", lstm_step(states="taken"), "lstm_step_takes_c_and_h"),
    ("gru_step", gru_step, "gru_step_reset_always_before"),
    ("layer_norm", layer_norm(ddof=1), "layer_norm_unbiased_variance"),
    ("layer_norm", layer_norm(outside=True), "layer_norm_epsilon_outside_the_root"),
    ("adam", adam(first=0), "adam_exponent_from_zero"),
    ("adam", adam(first=2), "adam_exponent_one_too_high"),
]


@pytest.mark.parametrize(("name", "wrong", "mistake"), ONE, ids=[m for *_, m in ONE])
def test_a_well_known_mistake_is_named(name, wrong, mistake):
    result = check(name, wrong)
    assert not result.ok and not result.together
    assert mistake in [m.name for m in result.matches], str(result)


def test_the_same_versions_without_the_mistake_are_right():
    assert check("lstm_step", lstm_step()).ok
    assert check("layer_norm", layer_norm()).ok
    assert check("adam", adam()).ok


def test_the_torch_mask_is_called_by_its_name():
    def attend(query, key, value, mask=None):
        output = attention(inverted=True)(query, key, value, mask)
        return output if mask is None else output * ~mask.all(-1, keepdims=True)

    result = check("scaled_dot_product_attention", attend)
    assert result.mistake.name == "attention_mask_sign" and "torch" in str(result)
    result = check("scaled_dot_product_attention", attention(inverted=True))
    assert {m.name for m in result.matches} == {
        "attention_mask_sign", "attention_averages_what_is_hidden"
    }  # fmt: skip


def test_the_states_of_a_layer_in_the_other_order():
    def lstm(x, kernel, recurrent_kernel, bias, mask=None, initial_state=None,
             go_backwards=False, return_sequences=False):  # fmt: skip
        from kerasllm import reference

        state = None if initial_state is None else initial_state[::-1]
        return reference.lstm(
            x, kernel, recurrent_kernel, bias, mask=mask, initial_state=state,
            go_backwards=go_backwards, return_sequences=return_sequences,
        )  # fmt: skip

    assert check("lstm", lstm).mistake.name == "lstm_initial_state_c_and_h"


def slopes_of_both(d_output, trace):
    """Send a gradient back through a dense layer with two mistakes."""
    d_kernel = trace.x[-1:].reshape(-1, 5).T @ d_output[-1:].reshape(-1, 11)
    return d_output @ trace.kernel.T, d_kernel, d_output.reshape(-1, 11).mean(0)


TWO = [
    ("layer_norm", layer_norm(ddof=1, outside=True),
     {"layer_norm_unbiased_variance", "layer_norm_epsilon_outside_the_root"}),
    ("layer_norm", layer_norm(outside=True, centred=False),
     {"layer_norm_mean_not_subtracted", "layer_norm_epsilon_outside_the_root"}),
    ("lstm_step", lstm_step("figo", tanh=lambda c: c),
     {"lstm_step_input_and_forget_swapped", "lstm_step_tanh_of_cell_forgotten"}),
    ("lstm_step", lstm_step(coupled=True, tanh=lambda c: c),
     {"lstm_step_gates_coupled", "lstm_step_tanh_of_cell_forgotten"}),
    ("lstm_step", lstm_step("ifog", states="returned"),
     {"lstm_step_candidate_and_output_swapped", "lstm_step_returns_c_and_h"}),
    ("adam", adam(first=2, inside=True),
     {"adam_exponent_one_too_high", "adam_epsilon_inside_the_root"}),
    ("scaled_dot_product_attention", attention(power=1),
     {"attention_scaled_by_key_size", "attention_averages_what_is_hidden"}),
    ("dense_backward", slopes_of_both,
     {"dense_backward_kernel_overwritten", "dense_backward_bias_averaged"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong", "two"), TWO, ids=["+".join(sorted(t)) for *_, t in TWO])
def test_two_mistakes_at_once_are_named_as_two(name, wrong, two):
    result = check(name, wrong)
    assert result.together and {m.name for m in result.matches} == two, str(result)
    assert "Two mistakes at once give these very numbers:" in str(result)
    assert all(f"[{mistake}]" in str(result) for mistake in two)


def naive_loss(logits, targets):
    p = sigmoid(logits)
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()


def mean_over_nothing(logits, targets, mask=None, label_smoothing=0.0):
    log_p = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    nats = -(1 - label_smoothing) * np.take_along_axis(log_p, targets[..., None], -1)[..., 0]
    nats = nats - label_smoothing * log_p.mean(-1)
    return nats.mean() if mask is None else (nats * mask).sum() / mask.sum()


def clip(grads, limit):
    norm = math.sqrt(sum((g**2).sum() for g in grads))
    return [g * min(1.0, limit / norm) for g in grads]


def last_of_equals(step, prompt, steps, eos=None, pad=0):
    tokens = prompt
    for _ in range(steps):
        logits = step(tokens)
        new = logits.shape[-1] - 1 - logits[:, ::-1].argmax(-1)
        tokens = np.concatenate([tokens, new[:, None]], axis=1)
    return tokens


def unstable(logits, temperature=1.0, top_k=None, top_p=None):
    p = np.exp(logits / temperature - (logits / temperature).max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    if top_k is not None:  # keeps more than top_k where some are equal
        p = np.where(p >= np.sort(p)[:, [-top_k]], p, 0)
    if top_p is not None:
        order = np.argsort(-p, axis=-1)
        ranked = np.take_along_axis(p, order, -1)
        ranked[ranked.cumsum(-1) - ranked >= top_p] = 0
        np.put_along_axis(p, order, ranked, -1)
    return p / p.sum(-1, keepdims=True)


@pytest.mark.parametrize(("name", "wrong", "trial"), [
    ("binary_cross_entropy", naive_loss, "logits of 0, ±50 and ±1000"),
    ("cross_entropy", mean_over_nothing, "nothing but padding"),
    ("clip_by_global_norm", clip, "gradient of zeros"),
    ("relu_backward", lambda d, trace: d * (trace.x >= 0), "zeros in x"),
    ("scaled_dot_product_attention", attention(), "queries that may see nothing, T=S=5"),
    ("filter_probabilities", unstable, "equal logits, top_k=3"),
])  # fmt: skip
def test_what_is_wrong_only_for_zeros_ties_and_masked_rows_is_found(name, wrong, trial):
    result = check(name, wrong)
    assert not result.ok
    failed = [label for label, right in result.trials.items() if not right]
    assert failed == [trial] or (not failed and f"(trial: {trial})" in result.problem)


def test_ties_of_greedy_search_and_viterbi():
    result = check("greedy_search", last_of_equals)
    assert not result.trials["equal logits"]
