"""n-gram models against nltk.lm on the same n-grams, and by hand."""

import math
from itertools import product

import numpy as np
import pytest
from nltk.lm import MLE, KneserNeyInterpolated, Lidstone, Vocabulary
from nltk.lm.counter import NgramCounter

from kerasllm import reference as r

TEXT = """the cat sat on the mat . the dog sat on the log . a cat saw the dog .
the dog saw a mat . san francisco is a city . the cat is in san francisco ."""
SENTENCES = [s.split() for s in TEXT.split(".") if s.split()]
TEST = ["the", "city", "sat", "in", "a", "mat"]


def nltk_model(cls, order, **options):
    """Return a model of nltk that has counted what can be predicted: no n-gram ends in <bos>."""
    grams = []
    for sentence in SENTENCES:
        words = ["<bos>"] * (order - 1) + sentence + ["<eos>"]
        for t in range(order - 1, len(words)):
            grams.append([tuple(words[t - n : t + 1]) for n in range(order)])
    vocabulary = Vocabulary([w for s in SENTENCES for w in s] + ["<eos>"], unk_label="<unk>")
    return cls(order=order, vocabulary=vocabulary, counter=NgramCounter(grams), **options)


def contexts(order):
    """Return contexts of 0 to n-1 words: seen, unseen, and sentence beginnings."""
    words = ["<bos>", "the", "cat", "san", "mat"]
    every = [c for n in range(order) for c in product(words, repeat=n)]
    return [c for c in every if "<bos>" not in c[c.count("<bos>") :]]


def add_k(word, context, model):
    return r.ngram_add_k(word, context, model, k=0.3)


def kneser_ney(word, context, model):
    return r.ngram_kneser_ney(word, context, model, discount=0.4)


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "order"),
    [
        *((r.ngram_mle, MLE, {}, order) for order in (1, 2, 3)),
        *((add_k, Lidstone, {"gamma": 0.3}, order) for order in (1, 2, 3)),
        *((kneser_ney, KneserNeyInterpolated, {"discount": 0.4}, order) for order in (2, 3, 4)),
    ],
)
def test_every_probability_agrees_with_nltk(ours, theirs, options, order):
    model, other = r.ngram_fit(SENTENCES, order), nltk_model(theirs, order, **options)
    assert len(model.vocabulary) == len(other.vocab)
    for context in contexts(order):
        for word in model.vocabulary:
            # nltk's score() looks <bos> up in its vocabulary; it is no word that can be predicted.
            expected = other.unmasked_score(word, context)
            assert ours(word, context, model) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("estimator", [r.ngram_mle, r.ngram_add_k, r.ngram_kneser_ney])
def test_probabilities_sum_to_one(order, estimator):
    model = r.ngram_fit(SENTENCES, order, min_count=2)
    for context in list(model.counts)[:40]:
        if len(context) == order - 1:
            total = sum(estimator(word, context, model) for word in model.vocabulary)
            assert total == pytest.approx(1.0, rel=1e-12)


def test_kneser_ney_by_hand():
    model = r.ngram_fit(SENTENCES, 2)
    # "san" is always followed by "francisco" (2 of 2), which follows nothing else: it continues
    # one word, of all different pairs of words.
    pairs = {p for s in SENTENCES for p in zip(["<bos>", *s], [*s, "<eos>"], strict=True)}
    lower = 1 / len(pairs)
    assert r.ngram_kneser_ney("francisco", ["san"], model, 0.5) == pytest.approx(
        (2 - 0.5) / 2 + 0.5 * 1 / 2 * lower
    )
    assert r.ngram_kneser_ney("francisco", ["log"], model) < r.ngram_mle("francisco", [], model)
    assert r.ngram_kneser_ney("francisco", ["never seen"], model) == pytest.approx(lower)


def test_perplexity():
    uniform = r.ngram_fit([["a"], ["b"], ["c"]], order=2)
    assert r.ngram_perplexity([["a"], ["b"]], uniform, r.ngram_mle) == pytest.approx(3**0.5)
    model = r.ngram_fit(SENTENCES, 3)
    log_p = r.ngram_log_probabilities(TEST, model)
    assert len(log_p) == len(TEST) + 1
    assert r.ngram_perplexity([TEST], model) == pytest.approx(math.exp(-log_p.mean()))
    assert r.ngram_perplexity([TEST], model, r.ngram_mle) == math.inf
    assert r.ngram_perplexity(SENTENCES, model) < r.ngram_perplexity([TEST], model)
    np.testing.assert_allclose(log_p[0], math.log(r.ngram_kneser_ney("the", ["<bos>"] * 2, model)))


def test_rare_words_make_room_for_unknown_ones():
    model = r.ngram_fit(SENTENCES, 2, min_count=2)
    assert "log" not in model.vocabulary and "<unk>" in model.vocabulary
    assert r.ngram_kneser_ney("never seen", ["the"], model) == r.ngram_kneser_ney(
        "log", ["the"], model
    )
    assert r.ngram_perplexity([["never", "seen"]], model) < math.inf
    assert r.ngram_perplexity([["never", "seen"]], r.ngram_fit(SENTENCES, 2)) == math.inf


def test_bad_input_is_explained():
    with pytest.raises(TypeError, match=r"expected a list of words, received the string 'the cat'"):
        r.ngram_fit(["the cat"], 2)
    with pytest.raises(TypeError, match="split it first"):
        r.ngram_log_probabilities("the cat", r.ngram_fit(SENTENCES, 2))
    with pytest.raises(ValueError, match="order >= 1"):
        r.ngram_fit(SENTENCES, 0)
    with pytest.raises(ValueError, match="0 sentences"):
        r.ngram_fit([], 2)
