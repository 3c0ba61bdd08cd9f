"""Far from 0: every entry of the elementary equations, in units of its own last digit.

A bar relative to the largest entry says nothing of the small ones: gelu(-10) is -7.6e-23, and 0
would pass. The oracles have 60 digits (Decimal); the bounds are the rounding of the arguments.
"""

import decimal
from decimal import Decimal

import numpy as np
import pytest

from kerasllm import reference as ref

decimal.getcontext().prec = 60
SMALL = [1e-300, 1e-8, 0.3, 0.6, 1.0, 2.5, 5.0, 6.1, 8.3, 10.0]
X = np.array([*SMALL, 20.0, 36.7, *(-x for x in SMALL), -20.0, -36.7])
FAR = np.array([50.0, 700.0, 1000.0, -50.0, -700.0, -1000.0])


def ulps(ours, expected):
    """Return how many units of the last digit an array is from exact values, entry by entry."""
    units = (Decimal(float(np.spacing(abs(float(value))))) for value in expected)
    pairs = zip(ours, expected, units, strict=True)
    return np.array([float(abs(Decimal(float(a)) - b) / unit) for a, b, unit in pairs])


def exactly(function, *arrays):
    return [function(*(Decimal(float(x)) for x in row)) for row in zip(*arrays, strict=True)]


def sigma(x):
    return 1 / (1 + (-x).exp())


def tanh(x):
    return 2 * sigma(2 * x) - 1 if abs(x) > Decimal("1e-20") else x


PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
ROOT = (2 * PI).sqrt()


def phi(x):
    """Return Φ(x) by its power series, which has digits to spare up to |x| = 12; Σ x^(2k+1) / ….

    Beyond, by the continued fraction of the tail.
    """
    if abs(x) > 7:
        fraction = abs(x)
        for k in range(400, 0, -1):
            fraction = abs(x) + k / fraction
        tail = (-x * x / 2).exp() / ROOT / fraction
        return tail if x < 0 else 1 - tail
    term = total = x
    for k in range(1, 400):
        term = term * x * x / (2 * k + 1)
        total += term
    return Decimal("0.5") + total * (-x * x / 2).exp() / ROOT


def slope_of_gelu(x):
    return phi(x) + x * (-x * x / 2).exp() / ROOT


ONES = np.ones(len(X))
CASES = {
    "sigmoid": (lambda x: ref.sigmoid(x)[0], sigma, 3),
    "sigmoid, backward": (
        lambda x: ref.sigmoid_backward(ONES, ref.sigmoid(x)[1]).d_x,
        lambda x: sigma(x) * sigma(-x), 5,
    ),
    "tanh": (lambda x: ref.tanh(x)[0], tanh, 2),
    "tanh, backward": (
        lambda x: ref.tanh_backward(ONES, ref.tanh(x)[1]).d_x,
        lambda x: 4 * sigma(2 * x) * sigma(-2 * x), 6,
    ),
    "gelu": (lambda x: ref.gelu(x)[0], lambda x: x * phi(x), 6),
    "gelu, backward": (
        lambda x: ref.gelu_backward(ONES, ref.gelu(x)[1]).d_x, slope_of_gelu, 10,
    ),  # not near -0.75, where the slope is 0 and both of its parts are not
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_entry_has_its_digits(name):
    ours, exact, most = CASES[name]
    assert ulps(ours(X), exactly(exact, X)).max() <= most


def test_far_tail_of_gelu():
    assert ref.gelu(np.array([-10.0]))[0][0] == pytest.approx(-7.619853024160527e-23, rel=1e-14)
    for approximate in (False, True):
        y, trace = ref.gelu(FAR, approximate)
        np.testing.assert_array_equal(y, np.maximum(FAR, 0))
        np.testing.assert_array_equal(ref.gelu_backward(1.0, trace).d_x, FAR > 0)


def softmax(row):
    weights = [x.exp() for x in row]
    return [w / sum(weights) for w in weights]


LOGITS = [
    np.array(row)
    for row in (
        [20.0, 0.0, -20.0], [50.0, -50.0, 49.0], [-1000.0, 1000.0, 999.0], [0.0, 300.0, 305.5],
        [1000.0, 1000.0, 1000.0], [-20.0, -50.0, -36.0],
    )
]  # fmt: skip


@pytest.mark.parametrize("logits", LOGITS, ids=str)
def test_softmax_and_the_losses_of_large_logits(logits):
    p = softmax([Decimal(float(x)) for x in logits])
    seen = [k for k, share in enumerate(p) if share > Decimal("1e-300")]
    np.testing.assert_array_less(ulps(ref.softmax(logits)[0][seen], [p[k] for k in seen]), 4)
    logs = [share.ln() for share in p]
    assert ulps(ref.log_softmax(logits)[0], logs).max() <= 2
    for target in range(3):
        loss, trace = ref.cross_entropy(logits[None], np.array([target]))
        assert ulps([loss], [-logs[target]])[0] <= 2
        d = ref.cross_entropy_backward(1.0, trace).d_logits[0]
        exact = [share - (k == target) for k, share in enumerate(p)]
        # exp(log p): the last digit of the logarithm is worth so much
        most = [4 + abs(float(logs[k])) for k in seen]
        np.testing.assert_array_less(ulps(d[seen], [exact[k] for k in seen]), most)


def test_binary_losses_of_large_logits():
    logits = np.array([20.0, -20.0, 50.0, -50.0, 1000.0, -1000.0, 36.0, -0.1])
    for y in (0.0, 1.0):
        _, trace = ref.binary_cross_entropy(logits, np.full(8, y))
        signed = [Decimal(float(x)) * (1 if y == 0 else -1) for x in logits]
        nats = [max(z, Decimal(0)) + (1 + (-abs(z)).exp()).ln() for z in signed]
        seen = [k for k, value in enumerate(nats) if value > Decimal("1e-300")]
        assert ulps(trace.nats[seen], [nats[k] for k in seen]).max() <= 2
        d = 8 * ref.binary_cross_entropy_backward(1.0, trace).d_logits
        exact = [sigma(z) * (1 if y == 0 else -1) for z in signed]
        assert ulps(d[seen], [exact[k] for k in seen]).max() <= 4
