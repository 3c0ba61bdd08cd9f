"""What attention with heads shares: weights are checked, and features become heads and back."""

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.dense import dense, dense_backward


def check_weights(
    query, key, value, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o, shared=False
):  # fmt: skip
    """Raise unless the weights fit each other and what they read.

    query (B, T, D), key and value (B, S, D) are read by w_q (D, N, K), w_k (D, G, K) and
    w_v (D, G, V), and w_o (N, V, D) mixes the heads; a bias may be None. G may be less than N
    where keys are `shared`.

    Raises:
        ValueError: a wrong shape.
        TypeError: an array that holds no floats.
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        checks.rank(name, x, "BTD")
    checks.rank("w_q", w_q, "DNK")
    checks.rank("w_v", w_v, "DGV" if shared else "DNV")
    checks.rank("w_o", w_o, "NVD")
    if shared:
        checks.rank("w_k", w_k, "DGK")
    (_, N, K), V = np.shape(w_q), np.shape(w_v)[-1]
    G = np.shape(w_k)[1] if shared else N
    for name, x, w, b, size in (
        ("q", query, w_q, b_q, (N, K)), ("k", key, w_k, b_k, (G, K)), ("v", value, w_v, b_v, (G, V))
    ):  # fmt: skip
        reads = f"its input has shape {x.shape}, and w_q has {N} heads of key size {K}"
        reads += f", w_k {G}" if shared else ""
        checks.shape(f"w_{name}", w, (x.shape[-1], *size), because=reads)
        checks.shape(f"b_{name}", b, size, because=f"w_{name} has shape {np.shape(w)}")
        checks.floats(**{f"w_{name}": w, f"b_{name}": b})
    checks.shape("w_o", w_o, (N, V, np.shape(w_o)[-1]), because=f"w_v has shape {np.shape(w_v)}")
    checks.shape("b_o", b_o, np.shape(w_o)[-1:], because=f"w_o has shape {np.shape(w_o)}")
    checks.floats(w_o=w_o, b_o=b_o)


def project(x, w, b):
    """Project x for every head in one matrix product: (B, T, D) -> (B, N, T, K)."""
    D, N, K = w.shape
    y, part = dense(x, w.reshape(D, N * K), None if b is None else b.reshape(N * K))
    return split(y, N), part


def project_backward(d_heads, part, w):
    """Send the gradient of heads (B, N, T, K) back to (d_x, d_w, d_b)."""
    d_x, d_w, d_b = dense_backward(join(d_heads), part)
    return d_x, d_w.reshape(w.shape), None if d_b is None else d_b.reshape(w.shape[1:])


def split(y, N):
    """Give each of N heads its own share of the features: (B, T, N·K) -> (B, N, T, K)."""
    return y.reshape(*y.shape[:2], N, y.shape[-1] // N).swapaxes(1, 2)


def join(heads):
    """Put the heads side by side: (B, N, T, K) -> (B, T, N·K)."""
    B, N, T, K = heads.shape
    return heads.swapaxes(1, 2).reshape(B, T, N * K)
