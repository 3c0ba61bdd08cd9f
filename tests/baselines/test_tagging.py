import numpy as np
import pytest
from nltk.tag import DefaultTagger, UnigramTagger

from kerasllm.baselines import frequent_tags, linear_tags
from kerasllm.baselines.tagging import word_features
from kerasllm.datasets.examples import Dataset, Tagged
from kerasllm.metrics import tagging_metrics


def tagged(*pairs):
    rows = [Tagged(tuple(words.split()), tuple(tags.split())) for words, tags in pairs]
    return Dataset(rows, name="own", split="train", task="tagging")


def test_the_most_frequent_tag_of_each_word():
    train = tagged(("a b b", "O B-X O"), ("b c", "B-X O"))
    assert frequent_tags(train, tagged(("b a z", "O O O"))).predicted == [["B-X", "O", "O"]]


def test_the_linear_model_knows_neighbours_and_spelling():
    train = tagged(*[(f"to Ab{i} by x{i}", "O B-P O O") for i in range(60)])
    test = tagged(("to Abby by xy", "O B-P O O"), ("to Abe", "O B-P"))
    assert linear_tags(train, test).predicted == [["O", "B-P", "O", "O"], ["O", "B-P"]]


def test_features_of_a_word_and_its_neighbours():
    features = word_features(["Go", "to", "McX-7"])
    assert features[2][:2] == ["0=mcx-7", "0s=AaA-0"]
    assert "-1=to" in features[2] and "-2=go" in features[2] and "1edge" in features[2]
    assert "0+Mc" in features[2] and "0--7" in features[2]


def test_the_most_frequent_tag_agrees_with_nltk(rng):
    words, tags = np.array(list("abcdefg")), np.array(["DT", "NN", "VB"])

    def sentences(rows):
        lengths = rng.integers(1, 9, rows)
        return tagged(*[(" ".join(rng.choice(words, n)), " ".join(rng.choice(tags, n)))
                        for n in lengths])  # fmt: skip

    train, test = sentences(31), sentences(13)
    both = [list(zip(e.tokens, e.tags, strict=True)) for e in train]
    every = [tag for e in train for tag in e.tags]
    usual = DefaultTagger(max(dict.fromkeys(every), key=every.count))
    oracle = UnigramTagger(both, backoff=usual)
    asked = tagged(*[(" ".join(e.tokens), " ".join(e.tags)) for e in test], ("z a", "NN NN"))
    expected = [[tag for _, tag in oracle.tag(list(e.tokens))] for e in asked]
    assert frequent_tags(train, asked).predicted == expected


@pytest.mark.parametrize("baseline", [frequent_tags, linear_tags])
def test_tags_are_scored_as_entities_where_training_has_them(baseline):
    entities = tagged(("in Rome", "O B-P"), ("to Oslo", "O B-P"))
    found = baseline(entities, tagged(("in it", "O O")))
    assert found.metrics == tagging_metrics([["O", "O"]], found.predicted)
    words = tagged(("the dog", "DT NN"), ("a cat", "DT NN"))
    found = baseline(words, words)
    assert found.metrics == {"accuracy": 1.0}
    assert "f1" not in baseline(entities, entities, entities=False).metrics


@pytest.mark.parametrize("baseline", [frequent_tags, linear_tags])
def test_nothing_to_learn_from(baseline):
    rows = tagged(("a b", "O B-X"))
    with pytest.raises(ValueError, match="1 test rows and 0 training rows"):
        baseline(rows[:0], rows)
    with pytest.raises(ValueError, match="0 test rows and 1 training rows"):
        baseline(rows, rows[:0])


def test_a_single_tag():
    rows = tagged(("a b", "O O"))
    assert frequent_tags(rows, rows).predicted == [["O", "O"]]
    with pytest.raises(ValueError, match=r"at least 2 tags in training, received \['O'\]"):
        linear_tags(rows, rows)
