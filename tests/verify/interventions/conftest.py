"""A language model whose mechanism was built in by hand: one unit of its cell is the subject."""

import keras
import numpy as np
import pytest

from kerasllm.layers import LSTM

TOKENS = ["<pad>", "<unk>", "cat", "cats", "near", "old", "is", "are"]
SUBJECT, NEAR, CLOCK = 0, 1, 2  # units
OPEN = 40.0  # of a gate: σ(40) is 1 to 17 digits


class Words:
    """A tokenizer of words, as much as a trace needs."""

    vocabulary_size = len(TOKENS)

    def encode(self, text):
        return [TOKENS.index(word) for word in text.split()]

    def id_to_token(self, number):
        return TOKENS[number]


def built_by_hand():
    """Return a model of ids that says "are" after "cats", "is" after "cat", whatever follows.

    The cell of unit 0 is +1 from "cats" on and -1 from "cat" on: its input gate opens for these two
    words alone, and its forget gate is always open. Unit 1 remembers "near" in the same way, and
    the output does not read it; unit 2 forgets all. No unit reads the states of the others.
    """
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(len(TOKENS), len(TOKENS), name="embedding"),
            LSTM(3, return_sequences=True, name="lstm"),
            keras.layers.Dense(len(TOKENS), name="head"),
        ]
    )
    i, f, g, o = (np.zeros((len(TOKENS), 3)) for _ in range(4))
    i[:] = -OPEN
    i[[2, 3], SUBJECT] = i[4, NEAR] = OPEN
    i[:, CLOCK] = OPEN
    g[3, SUBJECT], g[2, SUBJECT], g[4, NEAR], g[:, CLOCK] = OPEN, -OPEN, OPEN, 0.3
    bias = np.zeros((4, 3))
    bias[1], bias[3] = (OPEN, OPEN, -OPEN), OPEN
    head = np.zeros((3, len(TOKENS)))
    head[SUBJECT, [6, 7]] = -2.0, 2.0
    kernel = np.concatenate([i, f, g, o], axis=1)
    model.set_weights([np.eye(len(TOKENS)), kernel, np.zeros((3, 12)), bias.ravel(), head,
                       np.zeros(len(TOKENS))])  # fmt: skip
    return model


@pytest.fixture(scope="module")
def by_hand():
    return built_by_hand()


@pytest.fixture(scope="module")
def words():
    return Words()


@pytest.fixture
def random_model():
    """Return a function from layers to a model of ids with random weights."""

    def build(*layers, size=11, width=3, seed=0):
        rng = np.random.default_rng(seed)
        model = keras.Sequential(
            [keras.Input((None,), dtype="int32"), keras.layers.Embedding(size, width), *layers]
        )
        model.set_weights([0.7 * rng.standard_normal(w.shape) for w in model.get_weights()])
        return model

    return build
