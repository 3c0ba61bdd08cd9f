"""The network of lessons 19 and 20: gradients against differences, windows by hand."""

import numpy as np

from kerasllm import reference
from kerasllm.lessons import window_network as net


def some(rng):
    x, y = net.windows([rng.integers(1, 11, size=n).tolist() for n in (3, 7, 5)], 3)
    weights = [w + 0.1 * rng.standard_normal(w.shape) for w in net.new_weights(11, 3, 2, 5, 0)]
    return weights, x, y


def test_windows_by_hand():
    x, y = net.windows([[2, 7, 8], [2, 9]], 2)
    assert x.tolist() == [[[0, 2], [2, 7]], [[0, 2], [2, 9]]] and y.tolist() == [[7, 8], [9, 0]]
    x, y = net.windows([[2, 7, 8, 9]], 2, length=2)
    assert y.tolist() == [[7, 8]]


def test_gradients_are_those_of_the_differences(rng):
    weights, x, y = some(rng)
    each = net.each_gradient(weights, x, y)
    for place, w in enumerate(weights):
        for at in rng.integers(w.size, size=4):
            losses = []
            for sign in (1, -1):
                moved = [a.copy() for a in weights]
                moved[place].flat[at] += sign * 1e-6
                found = net.nats(moved, x, y)
                losses.append(found.sum(1) / (y > 0).sum(1))
            slope = (losses[0] - losses[1]) / 2e-6
            np.testing.assert_allclose(each[place].reshape(3, -1)[:, at], slope, atol=1e-8)
    for mean, own in zip(net.mean_gradient(weights, x, y), each, strict=True):
        np.testing.assert_allclose(mean, own.mean(0), atol=1e-14)


def test_training_learns_rounds_and_hides(rng):
    weights, x, y = some(rng)
    before = net.mean_loss(weights, x, y)
    learned = net.train(weights, x, y, 40, 0, batch=3)
    assert net.mean_loss(learned, x, y) < before - 0.3
    rounded = net.train(weights, x, y, 2, 0, store=np.rint)
    assert all((w == np.rint(w)).all() for w in rounded)
    seen = []
    net.train(weights, x, y, 3, 0, batch=3, clip=1e-3, sigma=1e6, watch=lambda k, w: seen.append(k))
    assert seen == [1, 2, 3]
    # All three are drawn where the batch is as large as the text: the step is the reference's.
    first = net.train(weights, x, y, 1, 0, batch=3, clip=0.1)
    grads = reference.private_gradient(
        net.each_gradient(weights, x, y), 0.1, [0 * w for w in weights]
    )
    for a, b, g in zip(weights, first, grads, strict=True):  # Adam's first step: rate · sign
        moved = np.abs(g) > 1e-5
        np.testing.assert_allclose((a - b)[moved], 0.005 * np.sign(g)[moved], rtol=1e-2)
