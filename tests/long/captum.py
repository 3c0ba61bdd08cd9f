"""Integrated gradients and saliency beside those of captum, on the same weights: `captum`.

`python -m tests.long captum` needs captum and torch (`pip install captum`), and Keras on torch. It
writes tests/long/figures/captum.json, and fails where a token's value differs by more than 1e-5.
"""

import json
import os
from pathlib import Path

BAR = 1e-5


def models():
    """Yield (name, model of ids, the part of it above the embedding)."""
    import keras

    from kerasllm import layers

    shapes = {
        "lstm": [layers.StackedRNN(7, num_layers=2), layers.MaskedPooling("max")],
        "gru": [layers.StackedRNN(7, cell="gru", bidirectional=True), layers.MaskedPooling("mean")],
        "transformer": [layers.TransformerEncoder(2), layers.MaskedPooling("first")],
    }
    for name, parts in shapes.items():
        parts.append(keras.layers.Dense(3))
        ids, features = keras.Input((None,), dtype="int32"), keras.Input((None, 6))
        rows = keras.layers.Embedding(23, 6)(ids)
        whole, above = rows, features
        for part in parts:
            whole, above = part(whole), part(above)
        yield name, keras.Model(ids, whole), keras.Model(features, above)


def theirs(model, above, ids, baseline, target, steps):
    """Return captum's integrated gradients and saliency, one number a token."""
    import torch
    from captum.attr import IntegratedGradients, Saliency

    table = torch.tensor(model.get_weights()[0])
    x, nothing = table[torch.tensor(ids)][None], table[torch.tensor([baseline] * len(ids))][None]
    found = IntegratedGradients(above).attribute(x, nothing, target=target, n_steps=steps)
    steep = Saliency(above).attribute(x.requires_grad_(), target=target, abs=False)
    return found.sum(-1)[0].detach().numpy(), steep.norm(dim=-1)[0].detach().numpy()


def main(_arguments):
    """Compare, print and write the differences."""
    if os.environ.setdefault("KERAS_BACKEND", "torch") != "torch":
        print("captum reads torch alone: KERAS_BACKEND=torch python -m tests.long captum")
        return 2
    import captum
    import numpy as np

    from kerasllm import verify

    rng, figures = np.random.default_rng(0), {"captum": captum.__version__}
    for name, model, above in models():
        model.set_weights([0.5 * rng.standard_normal(w.shape) for w in model.get_weights()])
        ids, worst = rng.integers(2, 23, 11), {"integrated gradients": 0.0, "saliency": 0.0}
        for target in range(3):
            integrated, steep = theirs(model, above, ids, 1, target, 50)
            ours = verify.integrated_gradients(model, ids, target, steps=50)
            for method, mine, other in (("integrated gradients", ours.values, integrated),
                                        ("saliency", verify.saliency(model, ids, target).values,
                                         steep)):  # fmt: skip
                far = float(np.abs(mine - other).max() / np.abs(other).max())
                worst[method] = max(worst[method], far)
        figures[name] = {method: f"{far:.1e}" for method, far in worst.items()}
        print(name, figures[name])
        if max(worst.values()) > BAR:
            return 1
    path = Path(__file__).parent / "figures" / "captum.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    return 0
