"""What must hold for any shape and any mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm import reference as ref

settings.register_profile("quick", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("quick")
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
layers = pytest.mark.parametrize("name", GATES)


@st.composite
def problems(draw):
    """Draw sizes and a mask; give a function that makes arrays of any shape."""
    B, T, D, H = (draw(st.integers(1, most)) for most in (3, 6, 4, 5))
    mask = np.array(draw(st.lists(st.booleans(), min_size=B * T, max_size=B * T))).reshape(B, T)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return (B, T, D, H), mask, lambda *shape: rng.standard_normal(shape)


def _run(name, sizes, normal):
    """Return a layer with random weights, as a function of x and mask, and its backward."""
    D, H = sizes[2:]
    gates = GATES[name]
    bias = normal(2, gates * H) if name == "gru" else normal(gates * H)
    weights = normal(D, gates * H), normal(H, gates * H), bias

    def forward(x, mask=None, **options):
        return getattr(ref, name)(x, *weights, mask=mask, **options)

    return forward, getattr(ref, f"{name}_backward")


@layers
@given(problem=problems(), backwards=st.booleans())
def test_masked_input_changes_nothing_and_gets_no_gradient(name, problem, backwards):
    sizes, mask, normal = problem
    forward, backward = _run(name, sizes, normal)
    x, other = normal(*sizes[:3]), normal(*sizes[:3])
    options = {"mask": mask, "return_sequences": True, "go_backwards": backwards}
    y, trace = forward(x, **options)
    changed, _ = forward(np.where(mask[..., None], x, other), **options)
    assert np.array_equal(y, changed)
    d_x = backward(normal(*y.shape), trace).d_x
    assert not d_x[~mask].any()


@layers
@given(problem=problems(), extra=st.integers(1, 4))
def test_padding_on_the_right_changes_no_result(name, problem, extra):
    (B, T, D, _), mask, normal = problem
    forward, _ = _run(name, problem[0], normal)
    x, padding = normal(B, T, D), normal(B, extra, D)
    padded = np.concatenate([x, padding], axis=1)
    longer = np.concatenate([mask, np.zeros((B, extra), bool)], axis=1)
    short, a = forward(x, mask)
    long, b = forward(padded, longer)
    # Not bit for bit: a matrix product of another size adds up in another order.
    assert short == pytest.approx(long, abs=1e-12)
    for s, t in zip(a.state, b.state, strict=True):
        assert s == pytest.approx(t, abs=1e-12)


@layers
@given(problem=problems())
def test_a_mask_is_the_same_as_leaving_steps_out(name, problem):
    sizes, mask, normal = problem
    forward, _ = _run(name, sizes, normal)
    x = normal(*sizes[:3])
    y, _ = forward(x, mask)
    for row in range(len(x)):
        if mask[row].any():
            alone, _ = forward(x[row][mask[row]][None])
            assert y[row] == pytest.approx(alone[0], abs=1e-12)
        else:
            assert not y[row].any()


@layers
@given(problem=problems())
def test_texts_of_a_batch_do_not_see_one_another(name, problem):
    sizes, mask, normal = problem
    forward, _ = _run(name, sizes, normal)
    x = normal(*sizes[:3])
    together, _ = forward(x, mask, return_sequences=True)
    for row in range(len(x)):
        alone, _ = forward(x[row : row + 1], mask[row : row + 1], return_sequences=True)
        assert together[row] == pytest.approx(alone[0], abs=1e-12)


@layers
@given(problem=problems(), data=st.data())
def test_the_future_does_not_change_the_past(name, problem, data):
    sizes, mask, normal = problem
    forward, _ = _run(name, sizes, normal)
    t = data.draw(st.integers(0, sizes[1] - 1))
    x = normal(*sizes[:3])
    changed = x.copy()
    changed[:, t:] = normal(*changed[:, t:].shape)
    a, _ = forward(x, mask, return_sequences=True)
    b, _ = forward(changed, mask, return_sequences=True)
    assert np.array_equal(a[:, :t], b[:, :t])


@layers
@given(problem=problems(), data=st.data())
def test_a_sequence_may_be_cut_and_continued_from_its_state(name, problem, data):
    sizes, mask, normal = problem
    forward, _ = _run(name, sizes, normal)
    x = normal(*sizes[:3])
    t = data.draw(st.integers(1, sizes[1]))
    whole, a = forward(x, mask)
    _, b = forward(x[:, :t], mask[:, :t])
    if t < sizes[1]:
        _, b = forward(x[:, t:], mask[:, t:], initial_state=b.state)
    for one, two in zip(a.state, b.state, strict=True):
        assert one == pytest.approx(two, abs=1e-12)
    assert whole.shape == (sizes[0], sizes[3])


@layers
@given(problem=problems())
def test_backwards_is_forwards_on_the_reversed_text(name, problem):
    sizes, mask, normal = problem
    forward, backward = _run(name, sizes, normal)
    x = normal(*sizes[:3])
    a, a_trace = forward(x, mask, return_sequences=True, go_backwards=True)
    b, b_trace = forward(x[:, ::-1], mask[:, ::-1], return_sequences=True)
    assert np.array_equal(a, b)
    d_output = normal(*a.shape)
    d_a, d_b = backward(d_output, a_trace), backward(d_output, b_trace)
    assert np.allclose(d_a.d_x, d_b.d_x[:, ::-1], rtol=0, atol=1e-12)
    assert np.allclose(d_a.d_kernel, d_b.d_kernel, rtol=0, atol=1e-12)


@layers
@given(problem=problems())
def test_steps_make_the_sequence(name, problem):
    (B, T, D, H), _, normal = problem
    gates = GATES[name]
    kernel, recurrent = normal(D, gates * H), normal(H, gates * H)
    x = normal(B, T, D)
    y, _ = getattr(ref, name)(x, kernel, recurrent)
    state = (np.zeros((B, H)),) * (2 if name == "lstm" else 1)
    for t in range(T):
        new, _ = getattr(ref, f"{name}_step")(x[:, t] @ kernel, *state, recurrent)
        state = new if name == "lstm" else (new,)
    assert y == pytest.approx(state[0], abs=1e-12)


@given(problem=problems())
def test_gradients_add_up_over_a_batch(problem):
    sizes, mask, normal = problem
    forward, backward = _run("lstm", sizes, normal)
    x = normal(*sizes[:3])
    y, trace = forward(x, mask)
    d_output = normal(*y.shape)
    whole = backward(d_output, trace)
    parts = [
        backward(d_output[k : k + 1], forward(x[k : k + 1], mask[k : k + 1])[1])
        for k in range(len(x))
    ]
    assert np.allclose(whole.d_kernel, sum(p.d_kernel for p in parts), rtol=0, atol=1e-12)
    assert np.allclose(whole.d_bias, sum(p.d_bias for p in parts), rtol=0, atol=1e-12)


@given(problem=problems(), smoothing=st.floats(0, 0.9))
def test_cross_entropy_ignores_padding_and_is_not_negative(problem, smoothing):
    (B, T, _, H), mask, normal = problem
    V = H + 1
    targets = np.arange(B * T).reshape(B, T) % V
    logits, other = normal(B, T, V), normal(B, T, V)
    loss, trace = ref.cross_entropy(logits, targets, mask, smoothing)
    changed = np.where(mask[..., None], logits, other)
    again, _ = ref.cross_entropy(changed, targets, mask, smoothing)
    assert loss == again
    assert loss >= 0
    d_logits = ref.cross_entropy_backward(1.0, trace).d_logits
    assert not d_logits[~mask].any()
    assert np.abs(d_logits.sum(-1)).max() < 1e-12  # a constant added to all logits changes nothing


@given(problem=problems())
def test_one_hot_times_table_is_the_embedding(problem):
    (B, T, D, H), _, normal = problem
    V = H + 1
    ids = np.abs(normal(B, T) * 1000).astype(int) % V
    table, d_output = normal(V, D), normal(B, T, D)
    output, trace = ref.embedding(ids, table)
    product, product_trace = ref.dense(np.eye(V)[ids], table)
    assert np.array_equal(output, product)
    d_kernel = ref.dense_backward(d_output, product_trace).d_kernel
    assert np.allclose(ref.embedding_backward(d_output, trace).d_table, d_kernel, atol=1e-12)


@given(problem=problems(), limit=st.floats(0.01, 10))
def test_clipping_by_norm_never_leaves_more_than_the_limit(problem, limit):
    (B, T, D, H), _, normal = problem
    grads = [normal(B, T), normal(D, H)]
    for grad in ref.clip_by_norm(grads, limit):
        assert np.linalg.norm(grad) <= limit * (1 + 1e-12)
    clipped = ref.clip_by_global_norm(grads, limit)
    assert np.linalg.norm(np.concatenate([g.ravel() for g in clipped])) <= limit * (1 + 1e-12)
