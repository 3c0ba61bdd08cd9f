"""The entropy of a generated language is a number that four independent ways agree on."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from kerasllm.datasets.examples import Text
from kerasllm.datasets.generated.loading import grammar_language, load_synthetic, markov_language

LANGUAGES = {
    "markov": lambda: markov_language(states=23, branching=3, mean_words=7, seed=5),
    "markov of order 2": lambda: markov_language(states=11, branching=3, order=2, seed=5),
    "grammar": lambda: grammar_language(seed=5),
}
FINITE = """
S = 0.8: SUBJECT REST | 0.2: so be it
REST = 0.4: | 0.6: OBJECT
SUBJECT = 0.6: ARTICLE dog | 0.1: ARTICLE2 cats | 0.3: Ana
ARTICLE = a | the
ARTICLE2 = some | all | no
OBJECT = 0.7: sees SUBJECT | 0.3: sleeps WHEN
WHEN = 0.4: | 0.6: now
"""


@pytest.fixture(params=LANGUAGES)
def language(request):
    return LANGUAGES[request.param]()


def test_mean_score_per_token_converges_to_the_entropy_rate(language):
    texts = language.sample(3000, seed=1)
    nats = -np.array([language.log_probability(text) for text in texts])
    tokens = np.array([len(text.split()) + 1 for text in texts])
    surplus = nats - language.entropy_rate * tokens  # mean 0 if and only if the rate is right
    standard_error = surplus.std() / np.sqrt(len(texts))
    assert abs(surplus.mean()) < 4 * standard_error
    assert abs(tokens.mean() - language.mean_tokens) < 4 * tokens.std() / np.sqrt(len(texts))
    assert standard_error / language.mean_tokens < 0.02 * language.entropy_rate  # it can fail


def test_scores_are_the_frequencies_of_texts():
    language = markov_language(states=3, branching=2, mean_words=2, seed=3)
    counts = Counter(language.sample(20_000, seed=2))
    for text, count in counts.most_common(12):
        expected = np.exp(language.log_probability(text))
        assert abs(count / 20_000 - expected) < 4 * np.sqrt(expected / 20_000)


def test_same_seed_same_texts(language):
    assert language.sample(5, seed=3) == language.sample(5, seed=3)
    assert language.sample(5, seed=3) != language.sample(5, seed=4)
    assert set(" ".join(language.sample(500)).split()) <= set(language.vocabulary)


def test_impossible_texts_have_probability_zero(language):
    text = language.sample(1, seed=1)[0]
    assert np.isfinite(language.log_probability(text))
    for impossible in ("", f"{text} xyzzy", "xyzzy"):
        assert language.log_probability(impossible) == -np.inf


# Markov chains


@pytest.mark.parametrize("order", [1, 2])
def test_stationary_distribution_is_that_of_the_dense_matrix(order):
    language = markov_language(states=7, branching=3, order=order, mean_words=5, seed=4)
    count = len(language.probabilities)
    dense = np.zeros((count, count))  # the end leads back to the start
    for context, row in enumerate(language.probabilities):
        for word, probability in zip(language.followers(context), row, strict=False):
            dense[context, language.step(context, word)] += probability
        dense[context, language.start] += row[-1]
    np.testing.assert_allclose(dense.sum(1), 1)
    np.testing.assert_allclose(language.stationary @ dense, language.stationary, atol=1e-14)
    logs = np.log(np.where(dense > 0, dense, 1))
    rate = -(language.stationary[:, None] * dense * logs).sum()
    assert language.entropy_rate == pytest.approx(rate, rel=1e-12)


def test_uniform_chain_has_the_entropy_that_one_can_write_down():
    language = markov_language(states=5, branching=4, mean_words=3, seed=0)
    language.probabilities[:-1] = 1 / 5  # four words or the end, each as probable
    language.probabilities[-1] = [1 / 4] * 4 + [0]
    uniform = type(language)(language.words, language.successors, language.probabilities)
    # 1 + 5 tokens: the first a choice of four, five that are a choice of five
    assert uniform.mean_tokens == pytest.approx(6)
    assert uniform.entropy_rate == pytest.approx((np.log(4) + 5 * np.log(5)) / 6)


def test_order_two_needs_two_words_of_context():
    language = markov_language(states=11, branching=3, order=2, seed=5)
    texts = [["<bos>", *text.split(), "<eos>"] for text in language.sample(4000)]
    pairs = Counter(pair for words in texts for pair in pairwise(words))
    firsts = Counter(word for words in texts for word in words[:-1])
    best_bigrams = -sum(n * np.log(n / firsts[first]) for (first, _), n in pairs.items())
    assert best_bigrams / firsts.total() > 1.1 * language.entropy_rate


def test_counting_bigrams_comes_near_the_optimum():
    data = {split: load_synthetic("markov", split) for split in ("train", "test")}
    counts = {split: Counter() for split in data}
    for split, texts in data.items():
        for text in texts.texts:
            counts[split].update(pairwise(["<bos>", *text.split(), "<eos>"]))
    firsts = Counter()
    for (first, _), n in counts["train"].items():
        firsts[first] += n
    nats = -sum(
        n * np.log(counts["train"][pair] / firsts[pair[0]]) for pair, n in counts["test"].items()
    )
    loss = nats / counts["test"].total()
    assert loss == pytest.approx(data["test"].info["entropy_rate"], rel=0.02)


def test_every_word_can_be_reached():
    language = markov_language(states=200, branching=1, seed=2)
    assert (language.stationary > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": 1}, "10,000 states"),
        ({"branching": 50}, "branching from 1 to states - 1 = 49"),
        ({"order": 3}, "order 1 or 2"),
        ({"mean_words": 1.0}, "mean_words above 1"),
    ],
)
def test_markov_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        markov_language(**options)


# Grammars


def derivations(language, parts):
    """All (words, probability) of a grammar without recursion, by brute force."""
    if not parts:
        return [((), 1.0)]
    head, *rest = parts
    heads = [((head,), 1.0)]
    if head in language.rules:
        heads = [
            (words, p * q)
            for p, right in language.rules[head]
            for words, q in derivations(language, right)
        ]
    tails = derivations(language, rest)
    return [(left + right, p * q) for left, p in heads for right, q in tails]


def test_grammar_entropy_is_that_of_all_its_sentences():
    language = grammar_language(FINITE, seed=1)
    found = derivations(language, [language.start])
    texts = [" ".join(words) for words, _ in found]
    p = np.array([probability for _, probability in found])
    assert len(texts) == len(set(texts)) == 6 * (1 + 6 + 2) + 1
    assert p.sum() == pytest.approx(1)
    tokens = p @ [len(words) + 1 for words, _ in found]
    assert language.text_entropy == pytest.approx(-p @ np.log(p), rel=1e-12)
    assert language.mean_tokens == pytest.approx(tokens, rel=1e-12)
    assert language.entropy_rate == pytest.approx(-p @ np.log(p) / tokens, rel=1e-12)
    np.testing.assert_allclose([language.log_probability(text) for text in texts], np.log(p))


def test_default_grammar_agrees_over_a_distance():
    language = grammar_language()
    assert 60 < len(language.vocabulary) < 120
    right = "this old fox near many rivers that sing sleeps again"
    assert np.isfinite(language.log_probability(right))
    assert language.log_probability(right.replace("sleeps", "sleep")) == -np.inf


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("S = 0.5: a | 0.5: a b", "two of S before 'a'"),
        ("S = A A\nA = 0.5: | 0.5: a", "two of A before 'a'"),
        ("S = 0.5: S S | 0.5: a", "two of S"),
        ("S = 0.5: a S S | 0.5: b", "grow 1-fold"),
        ("S = a B", r"none for \['B'\]"),
        ("S = 0.5: a | 0.6: b", "sum to 1"),
        ("S = 0.5: a | b", "'p: parts'"),
        ("no rule", "'NAME = word OTHER'"),
    ],
)
def test_bad_grammars(rules, message):
    with pytest.raises(ValueError, match=message):
        grammar_language(rules)


# Data sets


@pytest.mark.parametrize("name", ["markov", "grammar"])
def test_splits_are_one_language_and_different_texts(name):
    train, test = (load_synthetic(name, split, n_texts=50, seed=3) for split in ("train", "test"))
    assert isinstance(train[0], Text)
    assert train.info["entropy_rate"] == test.info["entropy_rate"] > 0
    assert train.texts != test.texts
    assert load_synthetic(name, "train", n_texts=50, seed=3).texts == train.texts
    assert len(load_synthetic(name, "validation")) == 500


def test_options_reach_the_language():
    data = load_synthetic("markov", n_texts=3, states=7, branching=2)
    assert (data.info["vocabulary_size"], data.info["states"]) == (7, 7)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ValueError, match="'markov'"):
        load_synthetic("markof")
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        load_synthetic("grammar", "trian")
    with pytest.raises(ValueError, match="0 or more"):
        load_synthetic("grammar", n_texts=-1)
