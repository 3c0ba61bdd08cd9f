"""The twin of span extraction: two cross-entropies over the places of the context."""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.models import (
    RecurrentBackbone,
    RecurrentConfig,
    SpanExtractor,
    TransformerBackbone,
    TransformerConfig,
)

pytestmark = pytest.mark.usefixtures("float64")
V, T = 11, 7
X = {
    "ids": np.array([[3, 1, 4, 1, 5, 0, 0], [2, 7, 1, 8, 2, 8, 1]]),
    "context": np.array([[2, 5], [3, 7]]),
}
SPANS = np.array([[2, 4], [0, 0]])  # the second question has no answer
BACKBONES = {
    "recurrent": lambda: RecurrentBackbone(
        RecurrentConfig(V, hidden_dim=3, units=5, bidirectional=True)
    ),
    "transformer": lambda: TransformerBackbone(
        TransformerConfig(V, hidden_dim=4, num_layers=1, num_heads=2, max_length=T, causal=False)
    ),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_a_span_extractor(name, proven):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    proven(SpanExtractor(BACKBONES[name]()), X, SPANS, loss)


def test_no_score_stands_outside_of_the_context(randomized):
    logits = verify.twin(randomized(SpanExtractor(BACKBONES["recurrent"]()))).predict(X)
    assert (logits[0, 0] > -1e9).tolist() == [True, False, True, True, True, False, False]
    assert (logits[1, 1] > -1e9).tolist() == [True, False, False, True, True, True, True]
