"""A third party without a framework: the operator definitions of ONNX, in its own evaluator.

ONNX is where frameworks agree on what an operator means. Its recurrent weights are transposed, its
LSTM has the gates in the order i, o, f, c, and its two biases are added.
"""

import numpy as np
import pytest

from kerasllm import reference as ref

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'kerasllm[test]'")
evaluator = pytest.importorskip("onnx.reference")
B, T, S, D, H, N, K = 2, 5, 7, 3, 11, 3, 17


def operator(name, *inputs, outputs=1, domain="", **attributes):
    """Run one operator; None stands for an input that is left out."""
    build = onnx.helper
    given = {f"input_{k}": np.asarray(x) for k, x in enumerate(inputs) if x is not None}
    names = [n if (n := f"input_{k}") in given else "" for k in range(len(inputs))]
    results = [f"output_{k}" for k in range(outputs)]
    node = build.make_node(name, names, results, domain=domain, **attributes)
    types = [
        build.make_tensor_value_info(n, build.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for n, x in given.items()
    ]
    graph = build.make_graph([node], name, types, [onnx.ValueInfoProto(name=n) for n in results])
    versions = {"": onnx.defs.onnx_opset_version(), "ai.onnx.preview.training": 1}
    opsets = [build.make_opsetid(*version) for version in versions.items()]
    model = build.make_model(graph, opset_imports=opsets)
    found = evaluator.ReferenceEvaluator(model).run(None, given)
    return found if outputs > 1 else found[0]


def agree(ours, theirs, tolerance=1e-13):
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < tolerance


def reordered(matrix, order):
    """Transpose, and reorder the gates: (…, gates) -> (gates, …)."""
    return np.concatenate([np.split(matrix, len(order), axis=-1)[k].T for k in order])


# ONNX's RNN has one gate; its LSTM i, o, f, c where Keras has i, f, c, o; its GRU z, r, h as Keras.
LAYERS = {
    "RNN": (ref.simple_rnn, [0], {}),
    "LSTM": (ref.lstm, [0, 3, 1, 2], {}),
    "GRU": (ref.gru, [0, 1, 2], {"reset_after": True}),
    "GRU, reset before": (ref.gru, [0, 1, 2], {"reset_after": False}),
}


def recurrent_weights(order, reset_after, rng):
    """Return random weights of one direction: ours, and ONNX's W, R and B."""
    units = len(order) * H
    kernel, recurrent = rng.standard_normal((D, units)), rng.standard_normal((H, units)) / 2
    biases = rng.standard_normal((2, units))  # Keras keeps both only where reset comes after
    ours = (kernel, recurrent, biases if reset_after else biases.sum(0))
    B_both = np.concatenate([reordered(bias, order) for bias in biases])
    return ours, (reordered(kernel, order), reordered(recurrent, order), B_both)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("name", LAYERS)
def test_recurrent_layers(name, direction, rng):
    function, order, options = LAYERS[name]
    name, reset_after = name.split(",")[0], options.get("reset_after")
    directions = [
        recurrent_weights(order, reset_after, rng)
        for _ in range(2 if direction == "bidirectional" else 1)
    ]
    weights = [w for ours, _ in directions for w in ours]
    W, R, biases = (np.stack(w) for w in zip(*(theirs for _, theirs in directions), strict=True))
    x, states = rng.standard_normal((B, T, D)), 2 if name == "LSTM" else 1
    first = [rng.standard_normal((len(directions), B, H)) for _ in range(states)]
    theirs, *last = operator(
        name, x.swapaxes(0, 1), W, R, biases, None, *first, outputs=1 + states, hidden_size=H,
        direction=direction, **({"linear_before_reset": int(reset_after)} if options else {}),
    )  # fmt: skip
    theirs = np.concatenate(theirs.transpose(1, 2, 0, 3), axis=-1)  # (T, directions, B, H)

    options = options | {
        "return_sequences": True,
        "initial_state": [state[k] for k in range(len(directions)) for state in first],
    }
    if direction == "bidirectional":
        ours, trace = ref.bidirectional(x, *weights, layer=function, **options)
    else:
        ours, trace = function(x, *weights, go_backwards=direction == "reverse", **options)
    agree(ours[:, ::-1] if direction == "reverse" else ours, theirs)
    for k, state in enumerate(trace.state):
        agree(state, last[k % states][k // states])


def attention_arrays(rng, heads=N):
    shapes = (B, heads, T, K), (B, heads, S, K), (B, heads, S, D)
    return [rng.standard_normal(shape) for shape in shapes]


def test_attention_with_any_mask_and_a_fully_masked_row(rng):
    query, key, value = attention_arrays(rng)
    mask = rng.random((B, 1, T, S)) < 0.6
    mask[1, 0, 2] = False
    output, trace = ref.scaled_dot_product_attention(query, key, value, mask)
    theirs, _, _, weights = operator(
        "Attention", query, key, value, mask, outputs=4, qk_matmul_output_mode=3
    )
    agree(output, theirs)
    agree(trace.weights, weights)
    assert not output[1, :, 2].any()


def test_causal_attention_with_a_scale_of_its_own(rng):
    query, key, value = attention_arrays(rng)
    output, _ = ref.scaled_dot_product_attention(
        query, key, value, ref.causal_mask(T, S), scale=0.25
    )
    agree(output, operator("Attention", query, key, value, is_causal=1, scale=0.25))


def test_heads_lie_side_by_side(rng):
    query, key = rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))
    into = [rng.standard_normal(s) for s in [(D, N, K), (N, K)] * 2 + [(D, N, H), (N, H)]]
    w_o, b_o = rng.standard_normal((N, H, D)), rng.standard_normal(D)
    mask = rng.random((B, T, S)) < 0.6
    output, _ = ref.multi_head_attention(query, key, key, *into, w_o, b_o, mask=mask)
    flat = [
        x @ w.reshape(D, -1) + b.ravel()  # (B, T, N·K)
        for x, w, b in zip((query, key, key), into[::2], into[1::2], strict=True)
    ]
    z = operator("Attention", *flat, mask[:, None], q_num_heads=N, kv_num_heads=N)
    agree(output, z @ w_o.reshape(-1, D) + b_o, tolerance=1e-12)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_positions(interleaved, rng):
    x = rng.standard_normal((B, N, T, 2 * K))
    output, trace = ref.rotary(x, offset=3, interleaved=interleaved)
    caches = [np.broadcast_to(c, (B, T, K)) for c in (trace.cos, trace.sin)]
    agree(output, operator("RotaryEmbedding", x, *caches, interleaved=int(interleaved)))


ACTIVATIONS = {
    "Sigmoid": (ref.sigmoid, {}, {}),
    "Tanh": (ref.tanh, {}, {}),
    "Relu": (ref.relu, {}, {}),
    "Gelu": (ref.gelu, {}, {"approximate": "none"}),
    "Gelu, tanh": (ref.gelu, {"approximate": True}, {"approximate": "tanh"}),
    "Softmax": (ref.softmax, {"axis": 1}, {"axis": 1}),
    "LogSoftmax": (ref.log_softmax, {"axis": 1}, {"axis": 1}),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, rng):
    function, ours, theirs = ACTIVATIONS[name]
    x = 3 * rng.standard_normal((B, D, T))
    tolerance = 1e-7 if "Gelu" in name else 1e-13  # Gelu is defined with float32 constants
    agree(function(x, **ours)[0], operator(name.split(",")[0], x, **theirs), tolerance)


def test_normalisations(rng):
    x, gamma, beta = (rng.standard_normal(s) for s in [(B, T, D), D, D])
    output, trace = ref.layer_norm(x, gamma, beta, epsilon=0.25)
    theirs, mean, slope = operator("LayerNormalization", x, gamma, beta, epsilon=0.25, outputs=3)
    agree(output, theirs)
    agree(trace.mean, mean)
    agree(1 / trace.deviation, slope)
    agree(ref.rms_norm(x, gamma, 0.25)[0], operator("RMSNormalization", x, gamma, epsilon=0.25))


def test_dense_and_embedding(rng):
    x, kernel, bias = (rng.standard_normal(s) for s in [(B, D), (D, H), H])
    agree(ref.dense(x, kernel, bias)[0], operator("Gemm", x, kernel, bias))
    ids = rng.integers(0, D, (B, T))
    agree(ref.embedding(ids, kernel)[0], operator("Gather", kernel, ids))


def test_cross_entropy_leaves_padding_out_of_the_mean(rng):
    logits, targets = rng.standard_normal((B, T, H)), rng.integers(1, H, (B, T))
    targets[1, 3:] = 0
    loss, _ = ref.cross_entropy(logits, targets, mask=targets != 0)
    theirs = operator(
        "SoftmaxCrossEntropyLoss", logits.swapaxes(1, 2), targets, ignore_index=0, reduction="mean"
    )
    agree(loss, theirs)


def test_momentum_and_adam(rng):
    training = {"domain": "ai.onnx.preview.training", "norm_coefficient": 0.0, "outputs": 2}
    w, grads = rng.standard_normal(D), rng.standard_normal((T, D))
    for nesterov, mode in [(False, "standard"), (True, "nesterov")]:
        weights, state, theirs, m = [w], None, w, np.zeros(D)
        for step, grad in enumerate(grads):
            weights, state = ref.sgd(
                weights, [grad], state, learning_rate=0.1, momentum=0.9, nesterov=nesterov
            )
            theirs, m = operator(
                "Momentum", np.float64(0.1), np.int64(step), theirs, grad, m,
                alpha=0.9, beta=1.0, mode=mode, **training,
            )  # fmt: skip
        agree(weights[0], theirs, tolerance=1e-7)  # attributes of an operator are float32
    weights, state, theirs, m, v = [w], None, w, np.zeros(D), np.zeros(D)
    for step, grad in enumerate(grads, start=1):
        weights, state = ref.adam(weights, [grad], state, learning_rate=0.1, epsilon=0.25)
        theirs, m, v = operator(
            "Adam", np.float64(0.1), np.int64(step), theirs, grad, m, v,
            alpha=0.9, beta=0.999, epsilon=0.25, **training | {"outputs": 3},
        )  # fmt: skip
    agree(weights[0], theirs, tolerance=1e-5)
