"""A third party: torch's own recurrent layers, whose gates lie in another order."""

import numpy as np
import pytest

from kerasllm import reference as ref

torch = pytest.importorskip("torch")
D, H = 3, 7


def _reordered(matrix, order):
    """Reorder gates along the last axis."""
    parts = np.split(matrix, len(order), axis=-1)
    return np.concatenate([parts[k] for k in order], axis=-1)


def _weights(layer, order, suffix="", two_biases=False):
    """Return torch's weights in Keras' layout: transposed, gates reordered, biases added."""
    named = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    kernel, recurrent = (_reordered(named[f"weight_{k}_l0{suffix}"].T, order) for k in ("ih", "hh"))
    biases = [_reordered(named[f"bias_{k}_l0{suffix}"], order) for k in ("ih", "hh")]
    return kernel, recurrent, np.stack(biases) if two_biases else sum(biases)


# torch's LSTM has i, f, g, o like Keras; its GRU has r, z, n where Keras has z, r, candidate.
LAYERS = {
    "RNN": (ref.simple_rnn, ref.simple_rnn_backward, [0], False),
    "LSTM": (ref.lstm, ref.lstm_backward, [0, 1, 2, 3], False),
    "GRU": (ref.gru, ref.gru_backward, [1, 0, 2], True),
}


def _layer(name, **options):
    torch.manual_seed(0)
    return getattr(torch.nn, name)(D, H, batch_first=True, dtype=torch.float64, **options)


@pytest.mark.parametrize("name", LAYERS)
def test_forward_states_and_gradients_agree(name, rng):
    function, backward, order, two_biases = LAYERS[name]
    layer = _layer(name)
    x = torch.tensor(rng.standard_normal((2, 5, D)), requires_grad=True)
    first = [torch.tensor(rng.standard_normal((1, 2, H)), requires_grad=True) for _ in range(2)]
    first = first if name == "LSTM" else first[:1]
    theirs, last = layer(x, tuple(first) if name == "LSTM" else first[0])
    ours, trace = function(
        x.detach().numpy(), *_weights(layer, order, two_biases=two_biases),
        initial_state=tuple(s.detach().numpy()[0] for s in first), return_sequences=True,
    )  # fmt: skip
    assert np.abs(ours - theirs.detach().numpy()).max() < 1e-12
    last = last if name == "LSTM" else (last,)
    for a, b in zip(trace.state, last, strict=True):
        assert np.abs(a - b.detach().numpy()[0]).max() < 1e-12

    d_output = rng.standard_normal(ours.shape)
    theirs.backward(torch.tensor(d_output))
    grads = backward(d_output, trace)
    assert np.abs(grads.d_x - x.grad.numpy()).max() < 1e-12
    for a, b in zip(grads.d_initial_state, first, strict=True):
        assert np.abs(a - b.grad.numpy()[0]).max() < 1e-12
    d_kernel = _reordered(layer.weight_ih_l0.grad.numpy().T, order)
    d_recurrent = _reordered(layer.weight_hh_l0.grad.numpy().T, order)
    d_bias = _reordered(layer.bias_hh_l0.grad.numpy(), order)
    assert np.abs(grads.d_kernel - d_kernel).max() < 1e-12
    assert np.abs(grads.d_recurrent_kernel - d_recurrent).max() < 1e-12
    assert np.abs((grads.d_bias[1] if two_biases else grads.d_bias) - d_bias).max() < 1e-12


@pytest.mark.parametrize("name", LAYERS)
def test_right_padding_agrees_with_packed_sequences(name, rng):
    function, _, order, two_biases = LAYERS[name]
    layer, lengths = _layer(name), [5, 2]
    x = rng.standard_normal((2, 5, D))
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), lengths, batch_first=True)
    output, _ = torch.nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
    ours, _ = function(
        x, *_weights(layer, order, two_biases=two_biases), return_sequences=True,
        mask=np.arange(5) < np.array(lengths)[:, None], zero_output_for_mask=True,
    )  # fmt: skip
    assert np.abs(ours - output.detach().numpy()).max() < 1e-12


@pytest.mark.parametrize("name", LAYERS)
def test_both_directions_agree(name, rng):
    function, _, order, two_biases = LAYERS[name]
    layer = _layer(name, bidirectional=True)
    x = rng.standard_normal((2, 5, D))
    weights = [w for s in ("", "_reverse") for w in _weights(layer, order, s, two_biases)]
    ours, _ = ref.bidirectional(x, *weights, layer=function, return_sequences=True)
    assert np.abs(ours - layer(torch.tensor(x))[0].detach().numpy()).max() < 1e-12


def test_optimizers_agree_where_the_formulas_do(rng):
    # torch's RMSprop and Adam put epsilon elsewhere: with a tiny one the difference vanishes.
    start, grads = rng.standard_normal(5), rng.standard_normal((20, 5))
    pairs = [
        (ref.adam, torch.optim.Adam, {}, {"eps": 1e-30}, {"epsilon": 1e-30}),
        (ref.adamw, torch.optim.AdamW, {"weight_decay": 0.1}, {"eps": 1e-30}, {"epsilon": 1e-30}),
        (ref.rmsprop, torch.optim.RMSprop, {"momentum": 0.5, "centered": True},
         {"alpha": 0.9, "eps": 1e-30}, {"rho": 0.9, "epsilon": 1e-30}),
        (ref.sgd, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, {}, {}),
    ]  # fmt: skip
    for function, theirs, both, only_torch, only_ours in pairs:
        parameter = torch.nn.Parameter(torch.tensor(start))
        optimizer = theirs([parameter], lr=0.01, **both, **only_torch)
        weights, state = [start], None
        for grad in grads:
            parameter.grad = torch.tensor(grad)
            optimizer.step()
            weights, state = function(
                weights, [grad], state, learning_rate=0.01, **both, **only_ours
            )
        assert np.abs(weights[0] - parameter.detach().numpy()).max() < 1e-10, function.__name__
