"""SwiGLU: against its equation written entry by entry, and what an open or closed gate does."""

import math

import numpy as np
import pytest

from kerasllm import reference as r

B, T, D, H = 2, 3, 5, 7


def test_each_number_by_itself(rng):
    x, w_gate, w_up = rng.normal(size=(B, T, D)), *rng.normal(size=(2, D, H))
    w_down = rng.normal(size=(H, D))
    output, trace = r.swiglu(x, w_gate, w_up, w_down)
    b, t, d = 1, 2, 3
    total = 0.0
    for h in range(H):
        a = sum(x[b, t, k] * w_gate[k, h] for k in range(D))
        up = sum(x[b, t, k] * w_up[k, h] for k in range(D))
        assert math.isclose(trace.gate[b, t, h], a / (1 + math.exp(-a)), rel_tol=1e-12)
        total += a / (1 + math.exp(-a)) * up * w_down[h, d]
    assert math.isclose(output[b, t, d], total, rel_tol=1e-12)


def test_silu_far_from_zero_is_its_limit():
    x = np.array([-1e4, -50.0, 50.0, 1e4])
    output, trace = r.silu(x)
    np.testing.assert_allclose(output, [0, -50 * math.exp(-50), 50, 1e4], rtol=1e-12)
    np.testing.assert_allclose(r.silu_backward(np.ones(4), trace).d_x, [0, 0, 1, 1], atol=1e-15)


def test_positions_know_nothing_of_each_other(rng):
    x, w = rng.normal(size=(B, T, D)), rng.normal(size=(2, D, H))
    other = x.copy()
    other[0, 1] += 1
    changed = r.swiglu(x, *w, w[0].T)[0] != r.swiglu(other, *w, w[0].T)[0]
    assert changed[0, 1].all()
    changed[0, 1] = False
    assert not changed.any()


def test_shapes_that_do_not_fit_are_named(rng):
    x, w = rng.normal(size=(B, D)), rng.normal(size=(D, H))
    with pytest.raises(ValueError, match=r"cannot multiply x of shape \(2, 5\) by w_gate"):
        r.swiglu(x, w.T, w.T, w)
    with pytest.raises(ValueError, match=r"expected w_up of shape \(5, 7\)"):
        r.swiglu(x, w, w[:, :-1], w.T)
    with pytest.raises(ValueError, match=r"expected w_down of shape \(7, 7\)"):
        r.swiglu(x, w, w, w)
