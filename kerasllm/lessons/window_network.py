"""The network of lessons 19 and 20: some tokens before the next one, in NumPy, gradients by hand.

    e = the rows of the embedding of the last K tokens, side by side       (K D,)
    h = tanh(e W + b)                                                      (H,)
    log p(next token) = log softmax(h U + c)                               (V,)

It learns in a second, so that a lesson can train dozens. `each_gradient` keeps the gradients of the
examples apart, which a private step needs. Weights are a list: embedding, W, b, U, c.
"""

import numpy as np

from kerasllm.reference import private_gradient


def windows(texts, K, length=None):
    """Return the K ids before each token (R, T, K), and the tokens (R, T), padded with 0.

    Args:
        texts: list of lists of ids; the first id of each is only read, never asked for.
        K: tokens that are seen; 0 where the text has not begun.
        length: T; that of the longest text if left out, and longer ones are cut.
    """
    length = length or max(map(len, texts)) - 1
    ids = np.zeros((len(texts), K + length), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[K - 1 : K - 1 + min(len(text), length + 1)] = text[: length + 1]
    seen = np.lib.stride_tricks.sliding_window_view(ids, K, axis=1)[:, :length]
    return seen, ids[:, K:]


def new_weights(V, K, D, H, seed, dtype="float64"):
    """Return random weights: V tokens, K of them seen, D features of each, H units."""
    rng = np.random.default_rng(seed)
    made = [
        rng.standard_normal((V, D)),
        rng.standard_normal((K * D, H)) / np.sqrt(K * D),
        np.zeros(H),
        rng.standard_normal((H, V)) / np.sqrt(H),
        np.zeros(V),
    ]
    return [array.astype(dtype) for array in made]


def _forward(weights, x):
    table, W, b, U, c = weights
    e = table[x].reshape(*x.shape[:2], -1)  # (R, T, K D)
    h = np.tanh(e @ W + b)
    z = h @ U + c
    z = z - z.max(-1, keepdims=True)
    return e, h, z - np.log(np.exp(z).sum(-1, keepdims=True))


def nats(weights, x, y):
    """Return -ln p of each token (R, T), 0 for padding."""
    log_p = _forward(weights, x)[2]
    return -np.take_along_axis(log_p, y[..., None], -1)[..., 0] * (y > 0)


def mean_loss(weights, x, y):
    """Return the mean of -ln p over the real tokens."""
    return float(nats(weights, x, y).sum() / (y > 0).sum())


def _backward(weights, x, y, share):
    """Return what the products of the gradients are made of; `share` weighs each token."""
    e, h, log_p = _forward(weights, x)
    d = np.exp(log_p)
    np.put_along_axis(d, y[..., None], np.take_along_axis(d, y[..., None], -1) - 1, -1)
    d *= share[..., None]
    dh = (d @ weights[3].T) * (1 - h**2)
    de = (dh @ weights[1].T).reshape(len(x), -1, weights[0].shape[1])  # (R, T K, D)
    hot = np.zeros((*de.shape[:2], len(weights[0])), de.dtype)
    np.put_along_axis(hot, x.reshape(len(x), -1, 1), 1, -1)  # (R, T K, V)
    return e, h, d, dh, de, hot


def each_gradient(weights, x, y):
    """Return the gradients of the mean loss of each example: (R, …) for each weight."""
    real = y > 0
    share = (real / real.sum(1, keepdims=True)).astype(weights[0].dtype)
    e, h, d, dh, de, hot = _backward(weights, x, y, share)
    e, h, hot = (a.transpose(0, 2, 1) for a in (e, h, hot))
    return [hot @ de, e @ dh, dh.sum(1), h @ d, d.sum(1)]


def mean_gradient(weights, x, y):
    """Return the gradients of the mean loss of all examples."""
    real = y > 0
    share = (real / real.sum(1, keepdims=True) / len(x)).astype(weights[0].dtype)
    e, h, d, dh, de, hot = (a.reshape(-1, a.shape[-1]) for a in _backward(weights, x, y, share))
    return [hot.T @ de, e.T @ dh, dh.sum(0), h.T @ d, d.sum(0)]


def train(
    weights, x, y, steps, seed, *, batch=32, rate=0.005, clip=None, sigma=0.0, decay=False,
    store=None, watch=None,
):  # fmt: skip
    """Train by Adam, and return the weights; those given stay as they are.

    Args:
        weights: to begin from.
        x: windows (R, T, K).
        y: tokens (R, T).
        steps: how many.
        seed: of batches and noise.
        batch: examples a step; with `clip` each is drawn by a coin of its own, so many on average.
        rate: learning rate.
        clip: None, or the longest gradient of one example: see `reference.private_gradient`.
        sigma: noise, as a multiple of `clip`.
        decay: let the rate fall to 0, as half a cosine.
        store: None, or what rounds a weight after each step.
        watch: None, or called with (step, weights).
    """
    rng, weights = np.random.default_rng(seed), list(weights)
    m, v = [[np.zeros_like(w) for w in weights] for _ in "mv"]
    for step in range(1, steps + 1):
        if clip is None:
            rows = rng.integers(len(x), size=batch)
            grads = mean_gradient(weights, x[rows], y[rows])
        else:
            rows = np.flatnonzero(rng.random(len(x)) < batch / len(x))
            noise = [sigma * rng.standard_normal(w.shape) for w in weights]
            grads = private_gradient(each_gradient(weights, x[rows], y[rows]), clip, noise)
        now = rate * np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        now *= (1 + np.cos(np.pi * step / steps)) / 2 if decay else 1
        for k, g in enumerate(grads):
            m[k] += 0.1 * (g - m[k])
            v[k] += 0.01 * (g**2 - v[k])
            stepped = weights[k] - (now * m[k] / (np.sqrt(v[k]) + 1e-8)).astype(g.dtype)
            weights[k] = stepped if store is None else store(stepped)
        if watch:
            watch(step, weights)
    return weights
