"""Checks that were missing until the catalogue of known mistakes showed it."""

import numpy as np

from kerasllm.reference import ngram_fit, ngram_log_probabilities, ngram_perplexity


def test_perplexity_weighs_every_word_alike_in_long_and_short_sentences():
    model = ngram_fit([["a", "rose", "is", "a", "rose"], ["is", "a"]], order=2)
    texts = [["a"], ["rose", "is", "a", "rose", "is", "a"]]
    nats = [ngram_log_probabilities(text, model) for text in texts]
    assert [len(n) for n in nats] == [2, 7]
    expected = np.exp(-(nats[0].sum() + nats[1].sum()) / 9)
    np.testing.assert_allclose(ngram_perplexity(texts, model), expected, rtol=1e-13)
