"""What the tests of the models share."""

import keras
import numpy as np
import pytest

from kerasllm.models import (
    RecurrentBackbone,
    RecurrentConfig,
    TransformerBackbone,
    TransformerConfig,
    decoding,
)
from kerasllm.models.compiled import compiled

V = 23

_RECURRENT = {
    "simple": {"cell": "simple", "num_layers": 2},
    "lstm": {"num_layers": 2},
    "lstm-untied": {"project": False},
    "gru-residual": {"cell": "gru", "num_layers": 2, "residual": True},
}
_TRANSFORMER = {
    "gpt": {},
    "gpt-post": {"norm": "post", "activation": "relu", "inner_dim": 5},
    "gpt-rotary": {"positions": "rotary"},
    "gpt-sinusoidal": {"positions": "sinusoidal", "activation": "gelu_tanh"},
}
CAUSAL = (*_RECURRENT, *_TRANSFORMER)
_READS_ALL = {"bert": {"causal": False}, "birnn": {"bidirectional": True}}


@pytest.fixture
def make_backbone(rng):
    """Return a function that builds a small backbone by name, with random weights."""

    def make(name, random=True, scale=0.4, **options):
        options = {**_RECURRENT, **_TRANSFORMER, **_READS_ALL}[name] | options
        if name in _RECURRENT or name == "birnn":
            config = RecurrentConfig(V, 6, 7, **options)
            backbone = RecurrentBackbone(config)
        else:
            options = {"max_length": 64} | options
            backbone = TransformerBackbone(TransformerConfig(V, 8, 2, 2, **options))
        if random:
            shapes = [w.shape for w in backbone.get_weights()]
            backbone.set_weights([rng.normal(scale=scale, size=shape) for shape in shapes])
        return backbone

    return make


@pytest.fixture
def plain_graph(monkeypatch):
    """Compile decoding loops without XLA, which takes seconds each."""
    monkeypatch.setattr(decoding, "compiled", lambda f, model: compiled(f, model, jit=False))


@pytest.fixture
def numpy():
    """Return keras.ops.convert_to_numpy, through lists and tuples."""
    return lambda x: keras.tree.map_structure(keras.ops.convert_to_numpy, x)


@pytest.fixture
def ids(rng):
    """Return three texts of 7, 4 and 1 tokens, padded."""
    ids = rng.integers(6, V, (3, 7)).astype("int32")
    return np.where(np.arange(7) < np.array([[7], [4], [1]]), ids, 0)
