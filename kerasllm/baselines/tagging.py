"""What a tagger has to beat, trained and scored on exactly the same sentences."""

from collections import Counter, defaultdict

import numpy as np

from kerasllm.baselines.baseline import Baseline, check_examples
from kerasllm.metrics.entities import tagging_metrics
from kerasllm.text.tag_schemes import scheme_of

FEATURES = 2**18  # columns of the hashed features; each tag has a weight for every one
WINDOW = 2  # words looked at on each side


def frequent_tags(train, test, entities=None):
    """Tag each word as it was tagged most often in training; unknown words get the usual tag.

    Args:
        train: tagging `Dataset`.
        test: likewise.
        entities: whether the tags mark entities, which are scored then; as the training tags look
            when None.

    Returns:
        `Baseline`, whose predictions are a list of tags for each test sentence.

    Raises:
        ValueError: no sentences.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Tagged
        >>> rows = [Tagged(("in", "Rome", "now"), ("O", "B-LOC", "O"))]
        >>> data = Dataset(rows, name="x", split="train", task="tagging")
        >>> frequent_tags(data, data).predicted
        [['O', 'B-LOC', 'O']]
    """
    check_examples(train, test)
    counts, overall = defaultdict(Counter), Counter()
    for example in train:
        for word, tag in zip(example.tokens, example.tags, strict=True):
            counts[word][tag] += 1
            overall[tag] += 1
    usual = overall.most_common(1)[0][0]
    best = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
    predicted = [[best.get(word, usual) for word in example.tokens] for example in test]
    return scored("frequent", predicted, train, test, entities)


def linear_tags(train, test, entities=None, seed=0):
    """Tag each word by logistic regression on the word, its spelling and its neighbours.

    Trained by averaged stochastic gradient descent, one tag against the rest.

    Args:
        train: tagging `Dataset`.
        test: likewise.
        entities: whether the tags mark entities; see `frequent_tags`.
        seed: of the order of the words.

    Returns:
        `Baseline`, whose predictions are a list of tags for each test sentence.

    Raises:
        ValueError: no sentences, or a single tag in training.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Tagged
        >>> rows = [Tagged(("in", "Rome", "now"), ("O", "B-LOC", "O"))] * 9
        >>> data = Dataset(rows, name="x", split="train", task="tagging")
        >>> linear_tags(data, data[:1]).predicted
        [['O', 'B-LOC', 'O']]
    """
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    check_examples(train, test)
    y = [tag for example in train for tag in example.tags]
    if len(set(y)) < 2:
        raise ValueError(
            f"expected at least 2 tags in training, received {sorted(set(y))}; draw more sentences"
        )
    hasher = FeatureHasher(FEATURES, input_type="string", alternate_sign=False)
    model = SGDClassifier("log_loss", alpha=2e-6, average=True, max_iter=8, tol=None)
    model.set_params(random_state=seed)
    model.fit(hasher.transform(_all_features(train)), np.array(y))
    tags = iter(model.predict(hasher.transform(_all_features(test))).tolist())
    predicted = [[next(tags) for _ in example.tokens] for example in test]
    return scored("linear", predicted, train, test, entities)


def scored(name, predicted, train, test, entities, settings=None):
    """Return tags as a `Baseline`; whether they mark entities, the training tags say when None."""
    if entities is None:
        entities = scheme_of([example.tags for example in train]) != "none"
    true = [list(example.tags) for example in test]
    return Baseline(name, predicted, tagging_metrics(true, predicted, entities), settings or {})


def _all_features(dataset):
    return (features for example in dataset for features in word_features(example.tokens))


def word_features(tokens):
    """Return the features of each word of a sentence, as strings.

    Example:
        >>> word_features(["In", "1984"])[1][:8]
        ['0=1984', '0s=0', '0+1', '0-4', '0+19', '0-84', '0+198', '0-984']
    """
    own = [_own_features(token) for token in tokens]
    edge = ["edge"]
    rows = []
    for place in range(len(tokens)):
        row = [f"0{feature}" for feature in own[place]]
        for away in (a for a in range(-WINDOW, WINDOW + 1) if a):
            inside = 0 <= place + away < len(tokens)
            row += [f"{away}{feature}" for feature in (own[place + away] if inside else edge)]
        rows.append(row)
    return rows


def _own_features(token):
    ends = [
        f(n) for n in (1, 2, 3) for f in (lambda n: f"+{token[:n]}", lambda n: f"-{token[-n:]}")
    ]
    return [f"={token.lower()}", f"s={_shape(token)}", *ends]


def _shape(token):
    """Return the shape of a word: "Aa0" for a capital, small letters and digits in this order."""
    shape = ""
    for character in token:
        kind = "0" if character.isdigit() else "A" if character.isupper() else "a"
        kind = kind if character.isalnum() else character
        shape += kind if not shape.endswith(kind) else ""
    return shape
