"""Which weights moved in training, and how far: the proof that what was frozen stayed frozen."""

import numpy as np


def weights_by_layer(task):
    """Return {group of layers: copies of its weights}, the head last."""
    groups = {f"group {i}": g for i, g in enumerate(task.backbone.layer_groups())}
    found = {
        name: [w.copy() for layer in layers for w in layer.get_weights()]
        for name, layers in groups.items()
    }
    return {**found, "head": [np.array(weight.numpy()) for weight in task.head_weights()]}


def moved(before, task):
    """Return ‖θ_after - θ_before‖ / ‖θ_before‖ for each group of layers."""
    after = weights_by_layer(task)
    return {name: _distance(before[name], after[name]) for name in before}


def _distance(before, after):
    change = sum(float(np.sum((a - b) ** 2)) for a, b in zip(after, before, strict=True))
    size = sum(float(np.sum(b**2)) for b in before)
    return (change / size) ** 0.5 if size else 0.0
