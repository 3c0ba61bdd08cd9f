"""What the tests of the models share."""

import keras
import numpy as np
import pytest

from kerasllm.models import (
    CausalLM,
    RecurrentBackbone,
    RecurrentConfig,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.models.decoding import steps as decoding_steps
from kerasllm.text import BOS, MASK, PAD, SEP, UNK

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
def uncompiled(monkeypatch):
    """Run decoding loops step by step: to compile one takes seconds. JAX has no other way."""
    if keras.backend.backend() != "jax":
        monkeypatch.setattr(decoding_steps, "compiled", lambda function, _model: function)


@pytest.fixture
def make_lm(make_backbone):
    """Return a function that builds a language model whose greedy texts vary."""

    def make(name, **options):
        transformer = name.startswith("gpt")
        model = CausalLM(make_backbone(name, scale=0.5 if transformer else 3, **options))
        # Large biases would say one token for ever, large embeddings the last one again.
        for weight in model.weights:
            if len(weight.shape) == 1:
                weight.assign(0.1 * weight + weight.path.endswith("gamma"))
            elif weight.path.endswith("embedding/embeddings") and not transformer:
                weight.assign(0.1 * weight)
        return model

    return make


@pytest.fixture
def next_logits():
    """Return what makes a model the step function that `reference` decodes with.

    It runs the whole text through the model for each new token: no cache, no state.
    """

    def make(model, never=(PAD, UNK, BOS, SEP, MASK), source=None):
        def step(tokens):
            inputs = np.asarray(tokens, "int32")
            if source is not None:
                rows = np.tile(np.array([source], "int32"), (len(inputs), 1))
                inputs = {"source": rows, "target": inputs}
            logits = keras.ops.convert_to_numpy(model(inputs))[:, -1].astype("float64")
            logits[:, list(never)] = -1e30
            return logits

        return step

    return make


@pytest.fixture
def numpy():
    """Return keras.ops.convert_to_numpy, through lists and tuples."""
    return lambda x: keras.tree.map_structure(keras.ops.convert_to_numpy, x)


@pytest.fixture
def ids(rng):
    """Return three texts of 7, 4 and 1 tokens, padded."""
    ids = rng.integers(6, V, (3, 7)).astype("int32")
    return np.where(np.arange(7) < np.array([[7], [4], [1]]), ids, 0)
