"""What `check` says to right, wrong and misbehaving functions of a learner."""

import contextlib
import functools
import multiprocessing
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasllm import exercises, reference
from kerasllm.exercises import running
from kerasllm.exercises.outputs import Problem, outputs_of
from kerasllm.reference.elementary import activations


def check(name, function, **options):
    return exercises.check(name, function, quiet=True, **options)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(projected, h_previous, c_previous, recurrent_kernel):
    a = projected + h_previous @ recurrent_kernel
    i, f, g, o = np.split(a, 4, axis=-1)
    c = sigmoid(f) * c_previous + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def test_plain_outputs_without_a_trace_are_enough():
    assert check("lstm_step", lstm_step).ok
    assert check("lstm_step", lambda *a: (lstm_step(*a), "trace")).ok
    assert check("lstm_step", lambda *a: (lstm_step(*a), {"a": 1})).ok
    assert check("lstm_step", lambda *a: dict(zip("hc", lstm_step(*a), strict=True))).ok
    assert check("sigmoid", sigmoid).ok
    assert check("sigmoid", lambda x: (sigmoid(x), None)).ok


def test_the_result_is_printed_unless_quiet(capsys):
    exercises.check("sigmoid", sigmoid)
    assert capsys.readouterr().out == "sigmoid: exact, in all of 4 trials.\n"
    exercises.check("sigmoid", sigmoid, quiet=True)
    assert capsys.readouterr().out == ""


def test_swapped_gates_are_recognized():
    def swapped(projected, h_previous, c_previous, recurrent_kernel):
        a = projected + h_previous @ recurrent_kernel
        f, i, g, o = np.split(a, 4, axis=-1)
        c = sigmoid(f) * c_previous + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    result = check("lstm_step", swapped)
    assert [v.verdict for v in result.verdicts] == ["wrong", "wrong"]
    assert result.mistake.name == "lstm_step_input_and_forget_swapped"
    assert "when the input gate and the forget gate are swapped" in str(result)


def test_one_output_may_be_exact_and_another_wrong():
    def without_tanh(*arguments):
        a = arguments[0] + arguments[1] @ arguments[3]
        _, c = lstm_step(*arguments)
        return sigmoid(np.split(a, 4, axis=-1)[3]) * c, c

    result = check("lstm_step", without_tanh)
    assert {v.output: v.verdict for v in result.verdicts} == {"h": "wrong", "c": "exact"}
    assert result.mistake.name == "lstm_step_tanh_of_cell_forgotten"
    assert "expected" in result.verdicts[0].note


def test_a_mistake_in_a_step_is_recognized_in_the_whole_layer():
    def lstm(x, kernel, recurrent_kernel, bias, mask=None, initial_state=None,
             go_backwards=False, return_sequences=False):  # fmt: skip
        order = np.r_[7:14, 0:7, 14:28] if len(recurrent_kernel) == 7 else np.r_[5:10, 0:5, 10:20]
        return reference.lstm(
            x, kernel[:, order], recurrent_kernel[:, order], bias[order], mask=mask,
            initial_state=initial_state, go_backwards=go_backwards,
            return_sequences=return_sequences,
        )  # fmt: skip

    result = check("lstm", lstm)
    assert result.mistake.name == "lstm_step_input_and_forget_swapped"
    assert result.first_wrong_step == 0
    assert "of 0…4" in str(result)


def test_the_first_wrong_step_forwards():
    def loses_the_state(x, kernel, recurrent_kernel, bias, **options):
        output, _ = reference.lstm(x, kernel, recurrent_kernel, bias, **options)
        if options.get("return_sequences"):
            output = output.copy()
            output[:, 3:] += 0.5
        return output

    result = check("lstm", loses_the_state)
    assert result.first_wrong_step == 3
    assert "first wrong step: 3 of 0…4" in str(result)
    assert "Right with the others" in str(result)


def test_the_first_wrong_step_of_a_backward_pass_is_counted_from_the_end():
    def cut(d_output, trace):
        grads = reference.simple_rnn_backward(d_output, trace)
        d_x = grads.d_x.copy()
        d_x[:, :2] = 0
        return d_x, *grads[1:4]

    result = check("simple_rnn_backward", cut)
    assert result.first_wrong_step == 1
    assert [v.verdict for v in result.verdicts] == ["wrong", "exact", "exact", "exact"]


def test_close_is_not_exact():
    result = check("sigmoid", lambda x: sigmoid(x) + 1e-6)
    assert not result.ok
    assert result.verdicts[0].verdict == "close"
    result = check("sigmoid", lambda x: sigmoid(x.astype("float32")))
    assert result.verdicts[0].verdict == "close"
    assert "float32" in str(result)


def test_unknown_mistakes_get_an_observation():
    assert "the right one times 3" in str(check("sigmoid", lambda x: 3 * sigmoid(x)))
    assert "NaN" in str(check("sigmoid", lambda x: np.log(-1 - x**2)))

    def transposed(d_output, trace):
        d_x, d_kernel, d_bias = reference.dense_backward(d_output, trace)
        return d_x, d_kernel.T, d_bias

    result = check("dense_backward", transposed)
    assert "transpose" in str(result)
    assert "expected shape (5, 11), received (11, 5)" in str(result)


def test_a_function_that_raises_is_shown_its_line():
    def broken(x):
        y = x + 1
        return y / undefined_name  # noqa: F821

    result = check("sigmoid", broken)
    assert not result.ok
    assert "NameError: name 'undefined_name' is not defined" in result.problem
    assert "return y / undefined_name" in result.problem
    assert "of broken" in result.problem


def test_a_function_that_exits_or_never_stops_recursing():
    def leaves(x):
        raise SystemExit(3)

    def recursive(x):
        return recursive(x)

    assert "SystemExit" in check("sigmoid", leaves).problem
    assert "RecursionError" in check("sigmoid", recursive).problem


def test_a_function_that_returns_none():
    assert "returned None" in check("sigmoid", lambda x: None).problem
    assert "None for c" in check("lstm_step", lambda *a: (lstm_step(*a)[0], None)).problem


def test_a_wrong_number_of_outputs():
    result = check("lstm_step", lambda *a: lstm_step(*a)[0])
    assert "Expected 2 outputs: h, c; your function returned 1" in result.problem
    result = check("lstm_step", lambda *a: (*lstm_step(*a), 1.0))
    assert "returned 3" in result.problem
    assert "names a" in check("lstm_step", lambda *a: {"a": 1}).problem


def test_a_wrong_shape_or_type():
    result = check("sigmoid", lambda x: sigmoid(x).sum())
    assert "expected shape (3, 5), received ()" in str(result)
    assert "dtype" in check("sigmoid", lambda x: "half").problem
    assert "different lengths" in check("sigmoid", lambda x: [[1.0], [1.0, 2.0]]).problem
    assert not check("causal_mask", lambda T, S=None: np.ones((T, S or T), int)).ok
    assert check("causal_mask", lambda T, S=None: np.tri(T, S, dtype=int)).ok


def test_a_function_that_changes_its_inputs():
    def in_place(x):
        x *= -1
        return 1 / (1 + np.exp(x))

    result = check("sigmoid", in_place)
    assert not result.ok
    assert "changes its argument x in place" in result.problem


def test_a_trace_that_is_changed():
    def careless(d_output, trace):
        trace.output[:] = 0
        return d_output

    assert "argument trace" in check("relu_backward", careless).problem


def test_a_function_that_never_ends():
    def endless(x):
        while True:
            pass

    def in_c(x):
        return sum(range(10**10))

    def deaf(x):
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(10)

    for function in (endless, in_c, deaf):
        start = time.monotonic()
        result = check("sigmoid", function, time_limit=0.2)
        assert time.monotonic() - start < 10
        assert "did not end within 0.2 seconds" in result.problem
    assert not multiprocessing.active_children()


def test_what_a_function_has_started_ends_with_it(tmp_path):
    def starts(x):
        code = f"import time; time.sleep(3); open({str(tmp_path / 'late')!r}, 'w')"
        subprocess.Popen([sys.executable, "-S", "-c", code])
        time.sleep(60)

    assert "did not end" in check("sigmoid", starts, time_limit=0.5).problem
    time.sleep(4)
    assert not (tmp_path / "late").exists()


def test_the_limit_is_for_each_call_and_earlier_trials_count():
    def slow_on_some(x):
        time.sleep(10 if x.shape == (11,) else 0.05)
        return sigmoid(x)

    result = check("sigmoid", slow_on_some, time_limit=2)
    assert result.trials == {"x of shape (3, 5)": True, "x of shape (2, 7, 3)": True}
    assert "(trial: x of shape (11,))" in result.problem


def test_a_function_that_ends_python_ends_a_child_only():
    result = check("sigmoid", lambda x: os._exit(3))
    assert "ended Python itself (status 3)" in result.problem


def test_without_a_limit_the_function_runs_in_this_process():
    seen = []
    assert check("sigmoid", lambda x: seen.append(os.getpid()) or sigmoid(x), time_limit=None).ok
    assert set(seen) == {os.getpid()}
    seen.clear()
    assert check("sigmoid", lambda x: seen.append(1) or sigmoid(x)).ok
    assert not seen


def test_without_fork_a_thread_stands_in(monkeypatch):
    monkeypatch.setattr(running.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert check("lstm_step", lstm_step).ok
    assert "undefined" in check("sigmoid", lambda x: undefined).problem  # noqa: F821
    problem = check("sigmoid", lambda x: time.sleep(1), time_limit=0.05).problem
    assert "did not end within 0.05 seconds" in problem


def test_a_learner_who_patches_the_library_changes_nothing(monkeypatch):
    def identity(x, axis=-1):
        return x, None

    right = reference.softmax
    for module in (reference, activations):
        monkeypatch.setattr(module, "softmax", identity)
    assert not check("softmax", identity).ok
    assert check("softmax", right).ok
    assert check("softmax", lambda x: right(x)[0]).ok
    assert reference.softmax is identity  # what the learner did stays
    assert "exp" in exercises.solution("softmax")
    monkeypatch.setattr(reference, "causal_mask", None)
    assert check("causal_mask", lambda T, S=None: np.tri(T, S)).ok
    monkeypatch.setattr(activations.logistic, "__code__", (lambda x: 2 * x).__code__)
    assert check("lstm_step", lstm_step).ok


def test_a_patch_inside_of_the_function_is_gone_after_it():
    def patching(x):
        reference.sigmoid = activations.logistic = lambda x: (x, None)
        return x

    before = reference.sigmoid, activations.logistic
    assert not check("sigmoid", patching).ok
    assert (reference.sigmoid, activations.logistic) == before
    assert check("sigmoid", sigmoid).ok


def test_prints_are_caught_and_shown_once(capsys):
    def chatty(x):
        print("shape", x.shape)
        return sigmoid(x)

    result = check("sigmoid", chatty)
    assert result.ok
    assert capsys.readouterr().out == ""
    assert result.printed == "  shape (3, 5)"
    assert "It printed:" in str(result)


def test_a_wrong_signature_is_explained():
    problem = check("lstm_step", lambda x, h: (x, h)).problem
    assert "Expected a function (projected, h_previous, c_previous, recurrent_kernel)" in problem
    assert "too many positional arguments" in problem

    def without_mask(x, kernel, recurrent_kernel, bias, initial_state=None, go_backwards=False,
                     return_sequences=False):  # fmt: skip
        return reference.lstm(
            x, kernel, recurrent_kernel, bias, initial_state=initial_state,
            go_backwards=go_backwards, return_sequences=return_sequences,
        )  # fmt: skip

    result = check("lstm", without_mask)
    assert not result.ok
    assert "has no parameter mask" in result.problem
    assert all(result.trials.values())


def test_callables_of_every_kind():
    class Sigmoid:
        def __call__(self, x):
            return sigmoid(x)

    assert check("sigmoid", Sigmoid()).ok
    assert check("softmax", functools.partial(reference.softmax, axis=-1)).ok
    with pytest.raises(TypeError, match="without calling it"):
        check("sigmoid", sigmoid(np.zeros(3)))
    with pytest.raises(ValueError, match="Did you mean 'sigmoid'"):
        check("sigmoids", sigmoid)


def test_an_optimizer_keeps_a_state_of_its_own():
    def adam(weights, grads, state, learning_rate, beta_1, beta_2, epsilon):
        t, m, v = state or (0, [0 * w for w in weights], [0 * w for w in weights])
        t += 1
        m = [beta_1 * a + (1 - beta_1) * g for a, g in zip(m, grads, strict=True)]
        v = [beta_2 * a + (1 - beta_2) * g * g for a, g in zip(v, grads, strict=True)]
        alpha = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        new = [
            w - alpha * a / (np.sqrt(b) + epsilon) for w, a, b in zip(weights, m, v, strict=True)
        ]
        return new, (t, m, v)

    assert check("adam", adam).ok
    result = check("adam", lambda w, g, s, **k: adam(w, g, None, **k))
    assert result.first_wrong_step == 1
    assert result.mistake.name == "adam_state_forgotten"
    assert "(weights, state)" in check("adam", lambda w, g, s, **k: w).problem


def test_html_escapes_what_the_learner_wrote():
    def broken(x):
        raise ValueError("<script>")

    page = check("sigmoid", broken)._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    page = check("softmax", lambda x: x)._repr_html_()
    assert "<table " in page
    assert "wrong" in page


def test_outputs_are_found_in_any_form():
    array = np.arange(3.0)
    for value in (array, (array, None), [0, 1, 2], (array,), {"d_x": array}, {"x": array}):
        np.testing.assert_array_equal(outputs_of(value, ("d_x",))["d_x"], array)
    with pytest.raises(Problem, match="Expected the outputs d_x"):
        outputs_of({"d_y": array}, ("d_x",))


LU_AFTER_A_CHECK = """
import numpy as np, scipy.linalg
from kerasllm.exercises import check
check("sigmoid", lambda x: 1 / (1 + np.exp(-x)), quiet=True)
scipy.linalg.lu(np.ones((5000, 17), "float32"))
print("done")
"""


def test_the_threads_of_linear_algebra_work_after_a_check():
    """OpenBLAS that starts its threads itself after a fork waits here for ever."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", LU_AFTER_A_CHECK]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert run.stdout == "done\n", run.stderr
