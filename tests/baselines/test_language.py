import gzip

import numpy as np
import pytest

from kerasllm.baselines import KneserNey, gzip_code, kneser_ney

V = 7


@pytest.fixture
def corpus(rng):
    """Sentences from a random Markov chain, so that contexts matter."""
    chain = rng.dirichlet(np.full(V, 0.3), size=V)

    def sentence(length):
        ids = [int(rng.integers(V))]
        while len(ids) < length:
            ids.append(int(rng.choice(V, p=chain[ids[-1]])))
        return ids

    return [sentence(int(n)) for n in rng.integers(1, 19, size=53)]


def nltk_model(corpus, order, discount):
    from nltk.lm import KneserNeyInterpolated

    def grams(sentence):
        padded = ("<s>", *map(str, sentence))
        for end in range(1, len(padded)):  # <s> is a context, never a prediction
            for k in range(1, min(order, end + 1) + 1):
                yield padded[end + 1 - k : end + 1]

    model = KneserNeyInterpolated(order, discount=discount)
    model.fit([list(grams(s)) for s in corpus], vocabulary_text=[str(i) for i in range(V)])
    return model


@pytest.mark.parametrize(("order", "discount"), [(2, 0.75), (3, 0.1), (3, 0.9)])
def test_agrees_with_nltk_where_the_context_is_complete(corpus, order, discount):
    oracle = nltk_model(corpus, order, discount)
    discounts = [0.0, *[discount] * (order - 1)]  # NLTK does not discount single words
    ours = KneserNey(V, order, discounts=discounts).fit(corpus)
    heldout = [sentence[::-1] for sentence in corpus]  # holds n-grams never seen
    nats, start = ours.token_nats(heldout), 0
    compared = 0
    for sentence in heldout:
        padded = ["<s>", *map(str, sentence)]
        for t in range(max(1, order - 1), len(padded)):
            expected = oracle.score(padded[t], padded[t - order + 1 : t])
            assert np.exp(-nats[start + t - 1]) == pytest.approx(expected, rel=1e-12)
            compared += 1
        start += len(sentence)
    assert compared > 300


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_probabilities_sum_to_one_after_any_context(corpus, order, modified):
    model = KneserNey(V, order, modified).fit(corpus)
    for context in ([], corpus[0], [3, 3, 3, 3, 3, 3], [0, 6, 1]):
        p = [np.exp(-model.token_nats([[*context, w]])[-1]) for w in range(V)]
        assert sum(p) == pytest.approx(1, abs=1e-12)


def test_an_oracle_by_hand():
    # Text: 0 1 0 2, one discount of 1/2, bigrams over V = 3 words, <s> in front.
    # Different words before 0: {<s>, 1}, before 1: {0}, before 2: {0}; four in all.
    # p1(1) = (1 - 1/2)/4 + (3 * 1/2)/4 * 1/3 = 1/4.   After 0 follow 1 and 2, once each:
    # p2(1|0) = (1 - 1/2)/2 + (2 * 1/2)/2 * p1(1) = 1/4 + 1/8 = 3/8.
    model = KneserNey(3, order=2, discounts=[0.5, 0.5]).fit([[0, 1, 0, 2]])
    assert np.exp(-model.token_nats([[0, 1]])[1]) == pytest.approx(3 / 8)


def test_words_never_seen_keep_some_probability(corpus):
    model = KneserNey(V + 4, order=3).fit(corpus)
    assert np.isfinite(model.token_nats([[V + 3, 0, V + 1]])).all()


def test_texts_shorter_than_the_order_are_counted_as_far_as_they_go():
    train, test = [[0, 1, 2], [0, 1], [2]], [[0, 1, 1, 2, 0], [2]]
    # With the begin mark the longest n-gram has four tokens.
    nats = [KneserNey(3, order).fit(train).token_nats(test) for order in (4, 5, 9)]
    np.testing.assert_array_equal(nats[0], nats[1])
    np.testing.assert_array_equal(nats[0], nats[2])
    assert len(KneserNey(3, 9).fit(train).levels) == 4
    assert np.isfinite(KneserNey(3, 5).fit([[0]]).token_nats([[1, 2]])).all()


def test_sequences_do_not_see_each_other(corpus):
    model = KneserNey(V, order=3).fit(corpus)
    one_by_one = np.concatenate([model.token_nats([sentence]) for sentence in corpus])
    np.testing.assert_array_equal(model.token_nats(corpus), one_by_one)
    sums = [model.token_nats([sentence]).sum() for sentence in corpus]
    np.testing.assert_allclose(model.sequence_nats(corpus), sums, rtol=1e-12)


def test_reaches_the_entropy_rate_of_a_markov_chain(rng):
    chain = rng.dirichlet(np.full(V, 0.3), size=V)
    steps = rng.random(60_000)
    ids, cumulative = [0], chain.cumsum(axis=1)
    for u in steps:
        ids.append(min(int(np.searchsorted(cumulative[ids[-1]], u)), V - 1))
    train, test = np.array(ids[:50_000], dtype=np.uint16), np.array(ids[50_000:], dtype=np.uint16)
    truth = -np.log(chain[test[:-1], test[1:]]).mean()
    loss = KneserNey(V, order=3).fit(train).token_nats(test).mean()
    assert truth - 0.005 < loss < truth + 0.02


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: KneserNey(V, order=0), ValueError, "order=0"),
        (lambda: KneserNey(V, 3, discounts=[0.5]), ValueError, r"shape \(3,\) or \(3, 3\)"),
        (lambda: KneserNey(V).fit([]), ValueError, "at least one token"),
        (lambda: KneserNey(V).fit([[0, V]]), ValueError, "between 0 and 6"),
        (lambda: KneserNey(V).fit([0, 1]), TypeError, "put it into another list"),
        (lambda: KneserNey(V).token_nats([[0]]), RuntimeError, "call fit first"),
    ],
)
def test_refuses(act, error, message):
    with pytest.raises(error, match=message):
        act()


def test_kneser_ney_reports_nats_per_real_token(rng):
    train = [rng.integers(5, size=n).tolist() for n in (13, 7, 11)]
    test = [[0, 1, 2], [3, 4]]
    baseline = kneser_ney(train, test, vocabulary_size=5, order=3, bytes=17)
    nats = KneserNey(5, 3).fit(train).token_nats(test)
    assert baseline.metrics["loss"] == pytest.approx(nats.mean())
    assert baseline.metrics["tokens"] == 5
    assert baseline.predicted == pytest.approx([nats[:3].sum(), nats[3:].sum()])
    assert baseline.metrics["bits_per_byte"] == pytest.approx(nats.sum() / np.log(2) / 17)


def test_kneser_ney_takes_one_stream(rng):
    stream = rng.integers(5, size=211)
    baseline = kneser_ney(stream[:150], stream[150:], vocabulary_size=5)
    assert baseline.metrics["tokens"] == 61


@pytest.mark.parametrize("test", [[], [[]]])
def test_nothing_to_score(test):
    with pytest.raises(ValueError, match="at least one token"):
        kneser_ney([[0, 1]], test, vocabulary_size=2)


def test_ptb_five_gram_is_near_the_published_perplexity(data_root):
    def lines(split):
        text = (data_root / "ptb" / f"ptb.{split}.txt").read_text(encoding="utf-8")
        return [[*line.split(), "<eos>"] for line in text.splitlines()]

    train, test = lines("train"), lines("test")
    ids = {word: i for i, word in enumerate(sorted({w for line in train for w in line}))}
    train, test = ([[ids[w] for w in line] for line in part] for part in (train, test))
    perplexity = np.exp(KneserNey(len(ids)).fit(train).token_nats(test).mean())
    assert len(ids) == 10_000
    assert perplexity == pytest.approx(141.2, rel=0.03)  # Mikolov 2012, KN5


def test_gzip_needs_as_many_bits_as_the_packed_text_has():
    pieces = ["to be, or not to be, ", "that is 问题 "]
    packed = gzip.compress("".join(pieces).encode("utf-8"), 9)
    found = gzip_code(iter(pieces), tokens=13, characters=31, bytes=37).metrics
    assert found["bits_per_byte"] == pytest.approx(8 * len(packed) / 37)
    assert found["bits_per_character"] == pytest.approx(8 * len(packed) / 31)
    assert found["loss"] == pytest.approx(8 * len(packed) * np.log(2) / 13)
