import keras
import numpy as np
import pytest

from kerasllm.metrics.language import language_metrics
from kerasllm.models import (
    CausalLM,
    RecurrentBackbone,
    RecurrentConfig,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.models.language.scoring import token_nats

V = 17


def randomised(model):
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def recurrent():
    keras.utils.set_random_seed(1)
    return randomised(CausalLM(RecurrentBackbone(RecurrentConfig(V, 5, 7, 2, "gru"))))


@pytest.fixture(scope="module")
def transformer():
    config = TransformerConfig(V, 8, num_layers=1, num_heads=2, max_length=11)
    return randomised(CausalLM(TransformerBackbone(config)))


def direct(model, ids):
    """Return -ln p of ids[1:], from one forward pass over all of them."""
    logits = np.asarray(model(np.asarray([ids[:-1]])), dtype="float64")[0]
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(ids) - 1), ids[1:]]


@pytest.fixture
def tokens(rng):
    return rng.integers(1, V, 53)


def test_a_recurrent_model_carries_its_state_through_the_text(recurrent, tokens):
    # 13 tokens are too few for two stretches of 10
    nats = token_nats(recurrent, tokens[:14], length=10, batch_size=3)
    assert nats.shape == (13,)
    np.testing.assert_allclose(nats, direct(recurrent, tokens[:14]), rtol=1e-4)


def test_stretches_side_by_side_begin_afresh(recurrent, tokens):
    nats = token_nats(recurrent, tokens, length=10, batch_size=3)
    # three lanes of two windows each: 20 tokens, the last of 12
    lanes = [tokens[0:21], tokens[20:41], tokens[40:53]]
    expected = np.concatenate([direct(recurrent, lane) for lane in lanes])
    np.testing.assert_allclose(nats, expected, rtol=1e-4)


@pytest.mark.parametrize("length", [11, 10])
def test_a_transformer_reads_windows_that_overlap_by_half(transformer, tokens, length):
    nats = token_nats(transformer, tokens, length=length, batch_size=4)
    half, expected = length // 2, np.full(52, np.nan)
    for start in range(0, 52, half):
        window = direct(transformer, tokens[start : start + length + 1])
        skip = half if start else 0
        expected[start + skip : start + length] = window[skip:][: max(0, 52 - start - skip)]
    np.testing.assert_allclose(nats, expected, rtol=1e-4)


@pytest.mark.parametrize("count", [2, 3, 9, 10, 11, 12, 13, 22])
def test_every_token_counts_once_whatever_the_length(recurrent, transformer, rng, count):
    tokens = rng.integers(1, V, count)
    for model in (recurrent, transformer) if count == 12 else (transformer,):
        kept = [w.copy() for w in model.get_weights()]
        model.set_weights([np.zeros_like(w) for w in kept])
        nats = token_nats(model, tokens, length=10, batch_size=4)
        model.set_weights(kept)
        np.testing.assert_allclose(nats, np.full(count - 1, np.log(V)), rtol=1e-5)


def test_a_score_depends_on_the_past_alone(transformer, recurrent, tokens):
    other = tokens.copy()
    other[30:] = other[30:][::-1]
    for model in (transformer, recurrent):
        a, b = (token_nats(model, t, length=10, batch_size=3) for t in (tokens, other))
        np.testing.assert_allclose(a[:29], b[:29], rtol=1e-5)
        assert not np.allclose(a[29:], b[29:], rtol=1e-2)


def test_new_weights_are_seen_by_the_compiled_score(recurrent, tokens):
    before = token_nats(recurrent, tokens, length=10, batch_size=3)
    kept = recurrent.get_weights()
    recurrent.set_weights([w * 2 for w in kept])
    after = token_nats(recurrent, tokens, length=10, batch_size=3)
    recurrent.set_weights(kept)
    assert not np.allclose(before, after, rtol=1e-2)


def test_perplexity_is_what_the_nats_say(transformer, tokens):
    nats = token_nats(transformer, tokens, length=10, batch_size=4)
    metrics = language_metrics(float(nats.sum()), len(nats), characters=104)
    assert metrics["perplexity"] == pytest.approx(np.exp(nats).prod() ** (1 / 52))
    assert metrics["bits_per_character"] == pytest.approx(nats.sum() / np.log(2) / 104)


def test_one_token_cannot_be_scored(recurrent):
    with pytest.raises(ValueError, match="at least 2 tokens to score, received 1"):
        token_nats(recurrent, [3])
