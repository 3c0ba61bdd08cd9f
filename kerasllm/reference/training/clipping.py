"""Gradients that are too long, made shorter before a step."""

import numpy as np

from kerasllm.reference.training.updates import like

__all__ = ["clip_by_global_norm", "clip_by_norm", "clip_by_value"]


def clip_by_value(grads, limit):
    """Cut every entry to -limit … limit, which may turn the gradient's direction.

    Example:
        >>> clip_by_value([np.array([3.0, -0.5])], 1.0)
        [array([ 1. , -0.5])]
    """
    _check_limit(limit)
    return [np.clip(g, -limit, limit) for g in grads]


def clip_by_norm(grads, limit):
    """Shorten each array that is longer than the limit; its direction stays.

        grad · limit / max(‖grad‖, limit)

    Example:
        >>> clip_by_norm([np.array([3.0, 4.0]), np.array([0.1])], 1.0)
        [array([0.6, 0.8]), array([0.1])]
    """
    _check_limit(limit)
    return [g * limit / max(np.sqrt((g**2).sum()), like(g, limit)) for g in grads]


def clip_by_global_norm(grads, limit):
    """Shorten all arrays by one factor if together they are longer than the limit.

        norm = √(Σ over all arrays ‖grad‖²)
        grad · limit · min(1 / norm, 1 / limit)

    Example:
        >>> clip_by_global_norm([np.array([3.0]), np.array([4.0])], 1.0)
        [array([0.6]), array([0.8])]

    Source:
        Pascanu, Mikolov and Bengio, On the Difficulty of Training RNNs (2013), algorithm 1.
    """
    _check_limit(limit)
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    return [g * like(g, limit * min(1 / norm, 1 / limit) if norm > 0 else 1) for g in grads]


def _check_limit(limit):
    if not limit > 0:
        raise ValueError(f"expected a limit above 0, received {limit}")
