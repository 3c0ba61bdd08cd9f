import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from kerasllm.baselines import classification as baselines
from kerasllm.baselines.features import semantic_space, tf_idf
from kerasllm.datasets.examples import Dataset, Labelled
from kerasllm.metrics import multilabel_metrics

WORDS = {"cat": "purr fur whisker meow", "dog": "bark leash bone fetch", "cow": "moo hay milk barn"}


def dataset(rows, labels=()):
    examples = [Labelled(text, label) for text, label in rows]
    return Dataset(examples, name="made", split="train", task="classification", labels=labels)


@pytest.fixture
def animals(rng):
    """Rows whose class can be read off their words, among many words that mean nothing."""

    def row(label):
        telling = rng.choice(WORDS[label].split(), size=2)
        noise = [f"w{i}" for i in rng.integers(200, size=6)]
        return " ".join(rng.permutation([*telling, *noise])), label

    rows = [row(label) for label in rng.permutation(["cat", "dog", "cow"] * 67)]
    return dataset(rows[:101]), dataset(rows[101:])


def test_majority_answers_with_the_class_most_frequent_in_training():
    train = dataset([("x", "ham"), ("y", "spam"), ("z", "spam")])
    test = dataset([("x", "ham"), ("y", "ham"), ("z", "spam"), ("w", "ham")])
    baseline = baselines.majority(train, test)
    assert baseline.predicted.tolist() == [1, 1, 1, 1]
    assert baseline.metrics["accuracy"] == 0.25
    assert baseline.settings == {"answer": "spam"}


def test_linear_learns_which_words_tell(animals):
    baseline = baselines.linear(*animals)
    assert baseline.metrics["accuracy"] > 0.95
    assert baseline.settings["analyzer"] == "word"
    assert baseline.labels == ("cat", "cow", "dog")
    assert baseline.predicted.shape == (100,)


def test_linear_never_looks_at_the_test_labels(animals, rng):
    train, test = animals
    wrong = dataset(
        zip(test.texts, rng.permutation(test.labels_of).tolist(), strict=True), test.labels
    )
    answers = [baselines.linear(train, part).predicted for part in (test, wrong)]
    np.testing.assert_array_equal(*answers)
    assert baselines.linear(train, wrong).metrics["accuracy"] < 0.6


def test_linear_cuts_chinese_into_characters():
    good, bad = ["很好吃", "味道好极了", "非常满意"], ["太难吃了", "味道差", "不满意"]
    train = dataset([(t, "好") for t in good] + [(t, "差") for t in bad])
    baseline = baselines.linear(train, dataset([("好吃", "好"), ("真差", "差")]))
    assert baseline.settings["analyzer"] == "char"
    assert baseline.metrics["accuracy"] == 1


def test_linear_manages_a_class_with_one_row(animals):
    train, test = animals
    rare = dataset([*zip(train.texts, train.labels_of, strict=True), ("a lone emu", "emu")])
    assert baselines.linear(rare, test).settings["C"] == 10


def test_a_class_that_only_the_test_rows_hold_counts_as_wrong():
    train = dataset([("a b", "x"), ("c d", "y"), ("a e", "x"), ("c f", "y")])
    scores = baselines.linear(train, dataset([("a b", "x"), ("g h", "z")])).metrics
    assert scores["accuracy"] == 0.5
    assert [row["label"] for row in scores["per_class"]] == ["x", "y", "z"]


def test_latent_semantic_gains_from_text_without_labels(rng):
    # 300 words a topic, one labelled row each: most test words were never labelled, but
    # unlabelled text tells which words keep company.
    topics = {name: [f"{name}{i}" for i in range(300)] for name in ("sea", "sky")}

    def rows(count):
        return [
            (" ".join(rng.choice(topics[name], size=15)), name)
            for name in ("sea", "sky") for _ in range(count)
        ]  # fmt: skip

    train, test, unlabelled = dataset(rows(1)), dataset(rows(100)), dataset(rows(400))
    semantic = baselines.latent_semantic(train, test, unlabelled, dimensions=7)
    assert semantic.metrics["accuracy"] > 0.97
    assert semantic.metrics["accuracy"] > baselines.linear(train, test).metrics["accuracy"] + 0.1
    assert semantic.settings["dimensions"] == 7


def test_latent_semantic_takes_fewer_dimensions_from_little_text(animals):
    train, test = animals
    assert baselines.latent_semantic(train, test, train.texts[:6]).settings["dimensions"] == 5


def test_one_semantic_space_serves_several_draws_of_labels(animals):
    train, test = animals
    space = semantic_space(train.texts, dimensions=11)
    shared = baselines.latent_semantic(train, test, space)
    alone = baselines.latent_semantic(train, test, train, dimensions=11)
    np.testing.assert_array_equal(shared.predicted, alone.predicted)


def test_same_seed_gives_the_same_answers(animals):
    train, test = animals
    first, second = (baselines.latent_semantic(train, test, train, 11) for _ in range(2))
    np.testing.assert_array_equal(first.predicted, second.predicted)
    assert first.settings == second.settings


@pytest.mark.parametrize("baseline", [baselines.linear, baselines.majority])
def test_no_test_rows(animals, baseline):
    with pytest.raises(ValueError, match="received 0 test rows"):
        baseline(animals[0], animals[1][:0])


def test_one_class_only():
    rows = dataset([("good", "yes"), ("bad", "yes")])
    with pytest.raises(ValueError, match=r"at least 2 classes in training.*\['yes'\]"):
        baselines.linear(rows, rows)


def test_texts_without_words():
    rows = dataset([("", "yes"), (" ", "no")])
    with pytest.raises(ValueError, match="expected texts with words"):
        baselines.linear(rows, rows)


def test_too_little_unlabelled_text(animals):
    with pytest.raises(ValueError, match="at least 3 unlabelled texts"):
        baselines.latent_semantic(*animals, ["one two three", "four five six"])


def test_no_training_rows(animals):
    with pytest.raises(ValueError, match="100 test rows and 0 training rows"):
        baselines.majority(animals[0][:0], animals[1])


def test_majority_agrees_with_scikit_learn(animals):
    train, test = animals
    dummy = DummyClassifier(strategy="most_frequent").fit(train.texts, train.labels_of)
    found = baselines.majority(train, test)
    assert [found.labels[i] for i in found.predicted] == dummy.predict(test.texts).tolist()


def several(*rows):
    info = {"label_separator": "|"}
    examples = [Labelled(text, label) for text, label in rows]
    return Dataset(examples, name="own", split="train", task="classification", info=info)


NEWS = (("oil ship", "oil|ship"), ("wheat ship", "ship|wheat"), ("oil", "oil"), ("gold", ""))


def test_multilabel_agrees_with_one_against_the_rest():
    data = several(*NEWS * 5)
    found = baselines.linear_multilabel(data, data)
    targets = np.array([[name in own for name in found.labels] for own in data.label_sets])
    vectors = tf_idf(data.texts).fit_transform(data.texts)
    model = OneVsRestClassifier(LogisticRegression(C=30.0, max_iter=1000)).fit(vectors, targets)
    np.testing.assert_array_equal(found.predicted, model.predict(vectors).astype(bool))
    assert found.labels == ("oil", "ship", "wheat")
    assert found.metrics == multilabel_metrics(targets, found.predicted)


@pytest.mark.parametrize(
    ("rows", "labels", "predicted"),
    [
        ((("a b", "x"), ("c d", "x")), None, [[True], [True]]),  # every text has the label
        ((("a b", "x"), ("c d", "")), ("x", "y"), [[True, False], [False, False]]),
        ((("a b", ""), ("c d", "")), ("x",), [[False], [False]]),  # and none has
        ((("a b", ""), ("c d", "")), None, [[], []]),
    ],
)
def test_multilabel_with_labels_that_all_texts_have_or_none(rows, labels, predicted):
    data = several(*rows)
    found = baselines.linear_multilabel(data, data, labels)
    assert found.predicted.tolist() == predicted
