"""What a linear model reads off a symbol, and whether that says anything.

A probe that scores well may have learned the task by itself, from the words. So a *control task*
with the same words is given to it, in which each word has a label drawn at random: what the probe
scores there it owes to its own memory. The difference is its *selectivity*.
"""

import numpy as np

from kerasllm.utils.tables import Shown, Table
from kerasllm.verify.interventions.reading import Start
from kerasllm.verify.traces.inputs import read

_CONTROLS = 5  # random labellings of the control task


class Probe(Shown):
    """What a linear probe scored on tokens of texts that it was not trained on.

    Attributes:
        accuracy: its share of right labels.
        control: that of the same probe on the control task, the mean over several.
        majority: that of the label that is most frequent in training.
        classifier: the trained pipeline of scikit-learn.
        title: what was probed.
    """

    def __init__(self, accuracy, control, majority, classifier, title):
        self.accuracy, self.control, self.majority = accuracy, control, majority
        self.classifier, self.title = classifier, title

    @property
    def selectivity(self):
        """Accuracy minus that of the control task."""
        return self.accuracy - self.control

    @property
    def table(self):
        """The four numbers."""
        rows = [("probe", self.accuracy), ("control task", self.control),
                ("selectivity", self.selectivity), ("majority", self.majority)]  # fmt: skip
        return Table(("", "accuracy"), rows, self.title)


def probe(run_or_model, texts, labels, layer, symbol, tokenizer=None, seed=0):
    """Train a linear classifier to read the labels of tokens off a symbol of a layer.

        p(label | token t) = softmax(W s_t + b)

    Args:
        run_or_model: as of `kerasllm.verify.trace`.
        texts: a list of texts.
        labels: for each text one label a token, None where a token has none.
        layer: name, as of `intervene`.
        symbol: name, as of `intervene`; the heads of an attention stand side by side.
        tokenizer: that of a model given without a run.
        seed: of the choice of the test texts (a third) and of the control tasks.

    Returns:
        A `Probe`.

    Raises:
        ValueError: labels that do not fit the tokens, fewer than two labels in training, fewer than
            three texts, an unknown layer or symbol.

    Source:
        Alain and Bengio, Understanding Intermediate Layers Using Linear Classifier Probes (2016);
        Hewitt and Liang, Designing and Interpreting Probes with Control Tasks (2019), section 2.
    """
    if len(texts) != len(labels) or len(texts) < 3:
        raise ValueError(
            f"expected three texts at least, and labels of each; received {len(texts)} texts and "
            f"labels of {len(labels)}."
        )
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(texts))
    tested = set(shuffled[: len(texts) // 3].tolist())
    rows, words, wanted, is_test = _rows(
        run_or_model, texts, labels, layer, symbol, tokenizer, tested
    )
    accuracy, classifier = _score(rows, wanted, is_test)
    controls = [_score(rows, _control(words, wanted, rng), is_test)[0] for _ in range(_CONTROLS)]
    names, counts = np.unique(wanted[~is_test], return_counts=True)
    majority = float((wanted[is_test] == names[counts.argmax()]).mean())
    title = f"{layer}: {symbol}, {is_test.sum()} tokens of {len(tested)} texts"
    return Probe(accuracy, float(np.mean(controls)), majority, classifier, title)


def _rows(run_or_model, texts, labels, layer, symbol, tokenizer, tested):
    """Return features (R, H), tokens, labels, and which rows are of test texts."""
    rows, words, wanted, is_test, twin, source = [], [], [], [], None, run_or_model
    for number, (text, own) in enumerate(zip(texts, labels, strict=True)):
        start = Start(read(source, text, tokenizer), twin)
        twin, source = start.twin, start.seen.model
        name, place = start.find(layer, symbol)
        tokens, row_at = start.trace.tokens_of(name), start.rows(name, place)
        if len(own) != len(tokens):
            raise ValueError(
                f"expected {len(tokens)} labels for {tokens} (None for no label), received "
                f"{len(own)}: {list(own)}."
            )
        for position, label in enumerate(own):
            if label is not None:
                rows.append(row_at(position)[0].ravel())
                words.append(tokens[position])
                wanted.append(str(label))
                is_test.append(number in tested)
    return np.array(rows), np.array(words), np.array(wanted), np.array(is_test, bool)


def _control(words, labels, rng):
    """Return a label for each token that hangs on the word alone, and is drawn at random."""
    names, at = np.unique(words, return_inverse=True)
    return rng.choice(labels, len(names))[at]  # as often as the labels are


def _score(rows, labels, is_test):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = np.unique(labels[~is_test])
    if not is_test.any():
        raise ValueError("no token of the test texts has a label: label more tokens, or texts.")
    if len(names) == 1:  # a control task may give all words of few the same label
        return float((labels[is_test] == names[0]).mean()), None
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))
    classifier.fit(rows[~is_test], labels[~is_test])
    return float(classifier.score(rows[is_test], labels[is_test])), classifier
