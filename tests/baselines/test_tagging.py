from kerasllm.baselines.tagging import frequent_tags, linear_tags, word_features
from kerasllm.datasets.examples import Dataset, Tagged


def tagged(*pairs):
    rows = [Tagged(tuple(words.split()), tuple(tags.split())) for words, tags in pairs]
    return Dataset(rows, name="own", split="train", task="tagging")


def test_the_most_frequent_tag_of_each_word():
    train = tagged(("a b b", "O B-X O"), ("b c", "B-X O"))
    assert frequent_tags(train, tagged(("b a z", "O O O"))) == [["B-X", "O", "O"]]


def test_the_linear_model_knows_neighbours_and_spelling():
    train = tagged(*[(f"to Ab{i} by x{i}", "O B-P O O") for i in range(60)])
    test = tagged(("to Abby by xy", "O B-P O O"), ("to Abe", "O B-P"))
    assert linear_tags(train, test) == [["O", "B-P", "O", "O"], ["O", "B-P"]]


def test_features_of_a_word_and_its_neighbours():
    features = word_features(["Go", "to", "McX-7"])
    assert features[2][:2] == ["0=mcx-7", "0s=AaA-0"]
    assert "-1=to" in features[2] and "-2=go" in features[2] and "1edge" in features[2]
    assert "0+Mc" in features[2] and "0--7" in features[2]
