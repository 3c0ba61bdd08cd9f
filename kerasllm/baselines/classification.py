"""What a network has to beat: cheap models, trained and scored on exactly the same rows.

- `majority`, `linear`, `latent_semantic` for classification; `kneser_ney` for language models.
- The strength C of the regression is chosen by cross-validation on the training rows only.
- Text without spaces (Chinese) is cut into 1 to 3 characters instead of 1 to 2 words.
"""

import time
from dataclasses import dataclass, field

import numpy as np

from kerasllm.baselines.features import SemanticSpace, fit_tf_idf, semantic_space, tf_idf
from kerasllm.metrics.classification import classification_metrics

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # C of the logistic regression


@dataclass(frozen=True)
class Baseline:
    """A classifier that was trained, and what it scored on the test rows.

    Args:
        name: "majority", "linear" or "latent_semantic".
        y_pred: (R,) positions in `labels`, one for each test row.
        metrics: see `kerasllm.metrics.classification.classification_metrics`.
        seconds: wall time of training and predicting.
        labels: class names of training and test rows, sorted.
        settings: what was chosen, such as C.
    """

    name: str
    y_pred: np.ndarray
    metrics: dict
    seconds: float
    labels: tuple[str, ...] = ()
    settings: dict = field(default_factory=dict)


def majority(train, test) -> Baseline:
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
    start = time.perf_counter()
    y, labels = _targets(train, test)
    frequent = np.bincount(y, minlength=len(labels)).argmax()
    y_pred = np.full(len(test), frequent)
    return _baseline("majority", y_pred, test, labels, start, {"answer": labels[frequent]})


def linear(train, test, seed: int = 0) -> Baseline:
    """Logistic regression on TF-IDF of word 1- and 2-grams (1 to 3 characters without spaces).

    Args:
        train: classification `Dataset`.
        test: classification `Dataset`.
        seed: of the folds by which C is chosen.

    Returns:
        `Baseline`; its settings hold C, the kind of n-gram and the number of features.

    Raises:
        ValueError: only one class in training, or texts without a single word.
    """
    start = time.perf_counter()
    y, labels = _targets(train, test, need_two=True)
    vectorizer = tf_idf(train.texts)
    features = fit_tf_idf(vectorizer, train.texts)
    model, strength = _regression(features, y, seed)
    y_pred = model.predict(vectorizer.transform(test.texts))
    settings = {"C": strength, "analyzer": vectorizer.analyzer, "features": features.shape[1]}
    return _baseline("linear", y_pred, test, labels, start, settings)


def latent_semantic(train, test, unlabelled, dimensions: int = 100, seed: int = 0) -> Baseline:
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

    Source: Deerwester et al. 1990, Indexing by latent semantic analysis.
    """
    start = time.perf_counter()
    y, labels = _targets(train, test, need_two=True)
    space = unlabelled
    if not isinstance(space, SemanticSpace):
        space = semantic_space(getattr(unlabelled, "texts", unlabelled), dimensions, seed)
    model, strength = _regression(space.encode(train.texts), y, seed)
    y_pred = model.predict(space.encode(test.texts))
    settings = {"C": strength, "dimensions": space.dimensions, "explained": space.explained}
    return _baseline("latent_semantic", y_pred, test, labels, start, settings)


def _targets(train, test, need_two=False):
    labels = tuple(sorted({*train.labels, *test.labels}))
    y = np.array([labels.index(label) for label in train.labels_of], dtype=np.int64)
    if len(test) == 0 or len(set(y.tolist())) < 1 + need_two:
        raise ValueError(
            f"expected test rows and at least {1 + need_two} classes in training, received "
            f"{len(test)} test rows and classes {sorted(set(train.labels_of))}; "
            "draw more rows, or check the label column"
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


def _baseline(name, y_pred, test, labels, start, settings):
    y_pred = np.asarray(y_pred, dtype=np.int64)
    metrics = classification_metrics(test.labels_of, y_pred, labels)
    return Baseline(name, y_pred, metrics, time.perf_counter() - start, labels, settings)


def linear_multilabel(train, test_texts, targets):
    """Return the decisions (R, C) of one logistic regression a label, on TF-IDF n-grams.

    Args:
        train: `Dataset` of training texts.
        test_texts: list of R texts.
        targets: bool (rows of train, C).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    vectorizer = tf_idf(train.texts)
    features = fit_tf_idf(vectorizer, train.texts)
    model = OneVsRestClassifier(LogisticRegression(C=30.0, max_iter=1000))
    model.fit(features, np.asarray(targets).astype(int))
    return model.predict(vectorizer.transform(test_texts)).astype(bool)
