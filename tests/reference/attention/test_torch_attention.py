"""Torch's own modules as a third party: other layout of weights, opposite sense of masks."""

import numpy as np
import pytest

from kerasllm import reference as r

torch = pytest.importorskip("torch")

B, T, S, N, K, H = 2, 5, 7, 3, 5, 11
D = N * K  # torch's heads share the features
KEYS = np.arange(S) < np.array([S, 4])[:, None]
ROWS = np.arange(T) < np.array([T, 3])[:, None]
HEADS = {
    "w_q": (D, N, K), "b_q": (N, K), "w_k": (D, N, K), "b_k": (N, K),
    "w_v": (D, N, K), "b_v": (N, K), "w_o": (N, K, D), "b_o": (D,),
}  # fmt: skip
SIZES = {**HEADS, "w_1": (D, H), "b_1": (H,), "w_2": (H, D), "b_2": (D,)}


def tensor(array):
    return torch.tensor(np.asarray(array))


def leaf(array):
    return tensor(array).requires_grad_()


def weights(names, rng):
    return [rng.standard_normal(SIZES.get(n.removeprefix("cross_"), (D,))) / 2 for n in names]


def fill(parameters, arrays):
    with torch.no_grad():
        for parameter, array in zip(parameters, arrays, strict=True):
            parameter.copy_(tensor(array))


def fill_attention(module, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o):
    """Torch stacks the three projections, transposed."""
    stacked = np.concatenate([w.reshape(D, D).T for w in (w_q, w_k, w_v)])
    bias = np.concatenate([b.ravel() for b in (b_q, b_k, b_v)])
    fill(
        [module.in_proj_weight, module.in_proj_bias, module.out_proj.weight, module.out_proj.bias],
        [stacked, bias, w_o.reshape(D, D).T, b_o],
    )


def attention_grads(module):
    """Return the gradients of torch's attention in the layout of Keras."""
    d_w, d_b = module.in_proj_weight.grad.numpy(), module.in_proj_bias.grad.numpy()
    grads = []
    for k in range(3):
        rows = slice(k * D, (k + 1) * D)
        grads += [d_w[rows].T.reshape(D, N, K), d_b[rows].reshape(N, K)]
    d_w_o = module.out_proj.weight.grad.numpy().T.reshape(N, K, D)
    return [*grads, d_w_o, module.out_proj.bias.grad.numpy()]


def agree(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("masked", ["nothing", "padding", "future"])
def test_multi_head_attention(rng, masked):
    query, key, value = (rng.standard_normal((B, n, D)) for n in (T, S, S))
    w = weights(HEADS, rng)
    module = torch.nn.MultiheadAttention(D, N, batch_first=True, dtype=torch.float64)
    fill_attention(module, *w)
    mask, options = {
        "nothing": (None, {}),
        "padding": (KEYS[:, None], {"key_padding_mask": tensor(~KEYS)}),
        "future": (r.causal_mask(T, S), {"attn_mask": tensor(~r.causal_mask(T, S))}),
    }[masked]

    output, trace = r.multi_head_attention(query, key, value, *w, mask=mask)
    leaves = [leaf(a) for a in (query, key, value)]
    theirs, shares = module(*leaves, average_attn_weights=False, **options)
    agree([output, trace.weights], [theirs.detach(), shares.detach()])

    d_output = rng.standard_normal(output.shape)
    theirs.backward(tensor(d_output))
    grads = r.multi_head_attention_backward(d_output, trace)
    agree(grads, [*(a.grad for a in leaves), *attention_grads(module)])


@pytest.mark.parametrize("causal", [False, True])
def test_scaled_dot_product_attention(rng, causal):
    query, key, value = (rng.standard_normal((B, N, T, K)) for _ in range(3))
    output, trace = r.scaled_dot_product_attention(
        query, key, value, r.causal_mask(T) if causal else None
    )
    leaves = [leaf(a) for a in (query, key, value)]
    theirs = torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=causal)
    d_output = rng.standard_normal(output.shape)
    theirs.backward(tensor(d_output))
    agree([output], [theirs.detach()])
    agree(r.scaled_dot_product_attention_backward(d_output, trace), [a.grad for a in leaves])


def norm_grads(norm):
    return [norm.weight.grad, norm.bias.grad]


def network_grads(module):
    one, two = module.linear1, module.linear2
    return [one.weight.grad.T, one.bias.grad, two.weight.grad.T, two.bias.grad]


def fill_network(module, w_1, b_1, w_2, b_2):
    one, two = module.linear1, module.linear2
    fill([one.weight, one.bias, two.weight, two.bias], [w_1.T, b_1, w_2.T, b_2])


@pytest.mark.parametrize(("norm", "activation"), [("post", "relu"), ("pre", "gelu")])
def test_transformer_encoder(rng, norm, activation):
    x, w = rng.standard_normal((B, T, D)), weights(r.ENCODER_WEIGHTS, rng)
    module = torch.nn.TransformerEncoderLayer(
        D, N, H, dropout=0.0, activation=activation, layer_norm_eps=1e-3,
        batch_first=True, norm_first=norm == "pre", dtype=torch.float64,
    )  # fmt: skip
    fill_attention(module.self_attn, *w[:8])
    fill_network(module, *w[10:14])
    fill([module.norm1.weight, module.norm1.bias], w[8:10])
    fill([module.norm2.weight, module.norm2.bias], w[14:])

    output, trace = r.transformer_encoder(
        x, *w, mask=ROWS[:, None], norm=norm, activation=activation
    )
    leaf_x = leaf(x)
    theirs = module(leaf_x, src_key_padding_mask=tensor(~ROWS))
    agree([output], [theirs.detach()])
    d_output = rng.standard_normal(output.shape)
    theirs.backward(tensor(d_output))
    expected = [
        leaf_x.grad, *attention_grads(module.self_attn), *norm_grads(module.norm1),
        *network_grads(module), *norm_grads(module.norm2),
    ]  # fmt: skip
    agree(r.transformer_encoder_backward(d_output, trace), expected)


@pytest.mark.parametrize(("norm", "activation"), [("post", "relu"), ("pre", "gelu")])
def test_transformer_decoder(rng, norm, activation):
    x, memory = rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))
    w = weights(r.DECODER_WEIGHTS, rng)
    module = torch.nn.TransformerDecoderLayer(
        D, N, H, dropout=0.0, activation=activation, layer_norm_eps=1e-3,
        batch_first=True, norm_first=norm == "pre", dtype=torch.float64,
    )  # fmt: skip
    fill_attention(module.self_attn, *w[:8])
    fill_attention(module.multihead_attn, *w[10:18])
    fill_network(module, *w[20:24])
    for layer, pair in ((module.norm1, w[8:10]), (module.norm2, w[18:20]), (module.norm3, w[24:])):
        fill([layer.weight, layer.bias], pair)

    output, trace = r.transformer_decoder(
        x, memory, *w, mask=ROWS[:, None], memory_mask=KEYS[:, None], norm=norm,
        activation=activation,
    )  # fmt: skip
    leaves = [leaf(x), leaf(memory)]
    theirs = module(
        *leaves, tgt_mask=tensor(~r.causal_mask(T)), tgt_key_padding_mask=tensor(~ROWS),
        memory_key_padding_mask=tensor(~KEYS),
    )  # fmt: skip
    agree([output], [theirs.detach()])
    d_output = rng.standard_normal(output.shape)
    theirs.backward(tensor(d_output))
    expected = [
        *(a.grad for a in leaves), *attention_grads(module.self_attn), *norm_grads(module.norm1),
        *attention_grads(module.multihead_attn), *norm_grads(module.norm2),
        *network_grads(module), *norm_grads(module.norm3),
    ]  # fmt: skip
    agree(r.transformer_decoder_backward(d_output, trace), expected)
