"""What a classifier has to beat: cheap models, trained and scored on exactly the same rows.

- The strength C of the regression is chosen by cross-validation on the training rows only.
- Text without spaces (Chinese) is cut into 1 to 3 characters instead of 1 to 2 words.
- Of two texts with one label, each has features of its own, and what both share has some too.
"""

import numpy as np

from kerasllm.baselines.baseline import Baseline, check_examples
from kerasllm.baselines.features import SemanticSpace, fitted, semantic_space
from kerasllm.metrics.classification import classification_metrics
from kerasllm.metrics.multilabel import multilabel_metrics

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # C of the logistic regression
MULTILABEL_STRENGTH = 30.0


def majority(train, test):
    """Answer every row with the class that is most frequent in training.

    Args:
        train: classification `Dataset`.
        test: classification `Dataset`.

    Returns:
        `Baseline`.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Labelled
        >>> rows = [Labelled("win", "spam"), Labelled("see you", "ham"), Labelled("ok", "ham")]
        >>> spam = Dataset(rows, name="spam", split="train", task="classification")
        >>> round(majority(spam, spam).metrics["accuracy"], 3)
        0.667
    """
    y, labels = _targets(train, test)
    frequent = np.bincount(y, minlength=len(labels)).argmax()
    y_pred = np.full(len(test), frequent)
    return _baseline("majority", y_pred, test, labels, {"answer": labels[frequent]})


def linear(train, test, seed=0):
    """Logistic regression on TF-IDF of word 1- and 2-grams (1 to 3 characters without spaces).

    Args:
        train: classification `Dataset`.
        test: classification `Dataset`.
        seed: of the folds by which C is chosen.

    Returns:
        `Baseline`; its settings hold C, the kind of n-gram and the number of features.

    Raises:
        ValueError: only one class in training, or texts without a single word.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Labelled
        >>> rows = [Labelled("win a prize", "spam"), Labelled("see you at 8", "ham")] * 3
        >>> spam = Dataset(rows, name="spam", split="train", task="classification")
        >>> found = linear(spam, spam)
        >>> [found.labels[i] for i in found.predicted[:2]], found.metrics["accuracy"]
        (['spam', 'ham'], 1.0)
    """
    y, labels = _targets(train, test, need_two=True)
    vectorizer, features = fitted(train)
    model, strength = _regression(features, y, seed)
    y_pred = model.predict(vectorizer.transform(test.readings))
    settings = {"C": strength, "analyzer": vectorizer.analyzer, "features": features.shape[1]}
    return _baseline("linear", y_pred, test, labels, settings)


def latent_semantic(train, test, unlabelled, dimensions=100, seed=0):
    """Logistic regression on the leading singular vectors of unlabelled text.

    What pretraining has to beat: it too learns from text without labels, in seconds.

    Args:
        train: classification `Dataset`.
        test: classification `Dataset`.
        unlabelled: `Dataset` or list of str, without the test texts; or a `SemanticSpace`, for
            several draws of labels to share one decomposition.
        dimensions: singular vectors kept; fewer where the text is too small for as many.
        seed: of the decomposition and of the folds.

    Returns:
        `Baseline`; its settings hold C, the dimensions and the share of variance they explain.

    Raises:
        ValueError: only one class in training, or fewer than 3 unlabelled texts or features.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Labelled
        >>> rows = [Labelled("win a prize", "spam"), Labelled("see you at 8", "ham")] * 3
        >>> spam = Dataset(rows, name="spam", split="train", task="classification")
        >>> latent_semantic(spam, spam, [*spam.texts, "a prize for you"]).metrics["accuracy"]
        1.0

    Source: Deerwester et al. 1990, Indexing by latent semantic analysis.
    """
    if train.of_pairs:
        raise ValueError(
            f"latent semantic analysis reads one text an example, {train.name} has two: use linear."
        )
    y, labels = _targets(train, test, need_two=True)
    space = unlabelled
    if not isinstance(space, SemanticSpace):
        space = semantic_space(getattr(unlabelled, "texts", unlabelled), dimensions, seed)
    model, strength = _regression(space.encode(train.texts), y, seed)
    y_pred = model.predict(space.encode(test.texts))
    settings = {"C": strength, "dimensions": space.dimensions, "explained": space.explained}
    return _baseline("latent_semantic", y_pred, test, labels, settings)


def _targets(train, test, need_two=False):
    check_examples(train, test)
    labels = tuple(sorted({*train.labels, *test.labels}))
    y = np.array([labels.index(label) for label in train.labels_of], dtype=np.int64)
    if need_two and len(set(y.tolist())) < 2:
        raise ValueError(
            "expected at least 2 classes in training, received "
            f"{sorted(set(train.labels_of))}; draw more rows, or check the label column"
        )
    return y, labels


def _regression(features, y, seed):
    """Fit a logistic regression; return it and the C that did best across the folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    def model(strength):
        # on sparse text this solver takes a fifth of the time of the default one, to the same end
        return LogisticRegression(C=strength, solver="newton-cg", max_iter=1000)

    wanted = 5 if len(y) < 5000 else 3
    folds = min(wanted, np.bincount(y)[np.unique(y)].min())
    best, highest = 10.0, -np.inf
    for strength in STRENGTHS if folds >= 2 else ():  # a class of one row cannot be held out
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
        # by likelihood: with few rows many C give the same accuracy, and the smallest the majority
        score = cross_val_score(model(strength), features, y, cv=parts, scoring="neg_log_loss")
        if score.mean() < highest:
            break  # it has one peak, and a larger C only takes longer
        best, highest = strength, score.mean()
    return model(best).fit(features, y), best


def _baseline(name, y_pred, test, labels, settings):
    y_pred = np.asarray(y_pred, dtype=np.int64)
    metrics = classification_metrics(test.labels_of, y_pred, labels)
    return Baseline(name, y_pred, metrics, settings, labels)


def linear_multilabel(train, test, labels=None):
    """One logistic regression a label, on TF-IDF of the n-grams that `linear` takes.

    Args:
        train: classification `Dataset` with several labels a text.
        test: likewise; labels that `labels` does not hold are left out.
        labels: the C labels; those of the training texts when None.

    Returns:
        `Baseline`, whose predictions are decisions (R, C).

    Raises:
        ValueError: no rows, or texts without a single word.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Labelled
        >>> rows = [Labelled("oil", "oil"), Labelled("wheat", "grain"), Labelled("ship", "")] * 3
        >>> info = {"label_separator": "|"}
        >>> news = Dataset(rows, name="x", split="train", task="classification", info=info)
        >>> linear_multilabel(news, news).metrics["f1_micro"]
        1.0
    """
    check_examples(train, test)
    if labels is None:
        labels = sorted({label for own in train.label_sets for label in own})
    vectorizer, features = fitted(train)
    asked = vectorizer.transform(test.readings)
    columns = [_decisions(features, y, asked) for y in _indicators(train, labels).T]
    predicted = np.array(columns, dtype=bool).reshape(-1, len(test)).T  # (R, C)
    metrics = multilabel_metrics(_indicators(test, labels), predicted)
    settings = {"C": MULTILABEL_STRENGTH, "features": features.shape[1]}
    return Baseline("linear", predicted, metrics, settings, tuple(labels))


def _indicators(dataset, labels):
    return np.array([[label in own for label in labels] for own in dataset.label_sets], dtype=bool)


def _decisions(features, y, asked):
    """Return yes or no for each row of `asked`; always the same where training knows one only."""
    from sklearn.linear_model import LogisticRegression

    if y.all() or not y.any():
        return np.full(asked.shape[0], y[0])
    return LogisticRegression(C=MULTILABEL_STRENGTH, max_iter=1000).fit(features, y).predict(asked)
