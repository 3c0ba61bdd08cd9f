"""Scores of language models: by hand, against scikit-learn and NLTK, and the intervals' blocks."""

import math

import numpy as np
import pytest
from nltk.lm import MLE
from scipy import stats
from sklearn.metrics import log_loss

from kerasllm.metrics import language_intervals, language_metrics
from kerasllm.metrics.language import BLOCK


def test_language_scores_agree_with_each_other():
    scores = language_metrics(total_nats=137.0, tokens=50, characters=211, bytes=307)
    assert scores["loss"] == pytest.approx(137 / 50)
    assert math.log(scores["perplexity"]) == pytest.approx(scores["loss"])
    assert scores["bits_per_character"] * 211 * math.log(2) == pytest.approx(137)
    assert scores["bits_per_byte"] * 307 == pytest.approx(scores["bits_per_character"] * 211)


def test_uniform_guess_has_the_vocabulary_as_perplexity():
    assert language_metrics(13 * math.log(97), 13)["perplexity"] == pytest.approx(97)


def test_bits_are_left_out_when_the_length_of_the_text_is_not_given():
    assert set(language_metrics(1.0, 1)) == {"loss", "perplexity", "tokens"}


def test_huge_loss_gives_infinite_perplexity_without_a_warning():
    assert language_metrics(2000.0, 2)["perplexity"] == math.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total_nats": float("nan"), "tokens": 1}, "NaN in the logits"),
        ({"total_nats": -1.0, "tokens": 1}, "sign"),
        ({"total_nats": 1.0, "tokens": 0}, "tokens of 1 or more"),
        ({"total_nats": 1.0, "tokens": 1, "bytes": 0}, "bytes of 1 or more"),
    ],
)
def test_language_metrics_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        language_metrics(**arguments)


def test_loss_and_perplexity_agree_with_scikit_learn_and_nltk(rng):
    words = rng.choice(5, size=97, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    grams, model = [(str(word),) for word in words], MLE(1)
    model.fit([grams], vocabulary_text="01234")
    p = np.array([model.score(word) for word in "01234"])
    scores = language_metrics(float(-np.log(p[words]).sum()), len(words))
    assert scores["loss"] == pytest.approx(log_loss(words, np.tile(p, (97, 1))))
    assert scores["perplexity"] == pytest.approx(model.perplexity(grams))


def test_interval_draws_whole_blocks(rng):
    # of equal blocks the mean of the text is the mean of their means
    nats = np.repeat(rng.gamma(2.0, size=31), BLOCK)
    means = (nats.reshape(31, BLOCK).mean(axis=1),)
    oracle = stats.bootstrap(means, np.mean, n_resamples=1000, method="percentile", rng=3)
    found = language_intervals(nats, seed=3)
    assert found["loss"] == pytest.approx(tuple(oracle.confidence_interval), rel=1e-12)
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"]))


def test_a_shorter_last_block_weighs_less(rng):
    nats = np.append(rng.gamma(2.0, size=260), [90.0, 90.0, 90.0])  # 20 blocks of 13, one of 3
    starts = np.arange(0, 263, 13)
    data = np.add.reduceat(nats, starts), np.diff(starts, append=263)
    oracle = stats.bootstrap(
        data, lambda s, c, axis: s.sum(axis=axis) / c.sum(axis=axis), paired=True,
        n_resamples=1000, method="percentile", rng=0,
    )  # fmt: skip
    assert language_intervals(nats)["loss"] == pytest.approx(tuple(oracle.confidence_interval))


def test_interval_of_few_tokens():
    assert language_intervals([0.5])["loss"] == (0.5, 0.5)
    low, high = language_intervals(np.array([0.5, 1.5, 1.0]))["loss"]
    assert 0.5 <= low < 1 < high <= 1.5
    assert language_intervals([800.0, 900.0])["perplexity"] == (math.inf, math.inf)
    with pytest.raises(ValueError, match="at least one row"):
        language_intervals([])
