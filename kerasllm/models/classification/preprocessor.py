"""Texts and labels as the arrays of a `TextClassifier`."""

from functools import partial

import keras
import numpy as np

from kerasllm.datasets import Dataset, Labelled, LabelledPair
from kerasllm.models.preprocessor import (
    Preprocessor,
    check_pairs_of,
    check_text,
    class_weights,
    together,
    weighted,
)
from kerasllm.models.reading import Reading, Stream
from kerasllm.text import Cleaner, length_report
from kerasllm.text.batching import TextBatches
from kerasllm.text.unknown import unknown_warning
from kerasllm.utils.errors import check_choice

LONG_TEXTS = ("truncate", "windows")
_BETWEEN = "\n"  # labels that are given as sets


@keras.saving.register_keras_serializable("kerasllm")
class ClassificationPreprocessor(Preprocessor):
    """Turns texts into ids, labels into numbers, and logits into labels.

    Args:
        tokenizer: a `Tokenizer`.
        labels: the classes, in the order of the logits; None: those of the first training data.
        length: tokens that are read at once.
        long_texts: "truncate" keeps the beginning of a longer text; "windows" reads all of it, in
            windows that overlap by half, and the mean of their logits counts.
        clean: apply `kerasllm.text.Cleaner` first.
        multilabel: whether a text may have several labels, or none.
        pairs: whether two texts have a label together; they are read as one row, `a <sep> b <eos>`
            or as an imported encoder was pretrained, and of what is too long the longer is cut.
        thresholds: multilabel: the probability from which each label is given; 1/2 when None.

    Raw input: a list of texts; of pairs (text, text_b). Raw targets: a label, or its number, for
    each; with `multilabel` a set of labels, or a row of 0 and 1.

        >>> from kerasllm.text import train_tokenizer
        >>> tokenizer = train_tokenizer(["good bad"], kind="word", min_frequency=1)
        >>> read = ClassificationPreprocessor(tokenizer, labels=["no", "yes"], length=4)
        >>> ids, targets = read(["good", "bad bad"], ["yes", "no"])
        >>> ids.tolist(), targets.tolist()
        ([[7, 3, 0], [6, 6, 3]], [1, 0])
    """

    data_task = "classification"
    inherited = ("length", "long_texts", "clean")
    of_the_head = ("tokenizer", "labels", "multilabel")

    def __init__(
        self, tokenizer, labels=None, length=128, long_texts="truncate", clean=False,
        multilabel=False, pairs=False, thresholds=None,
    ):  # fmt: skip
        super().__init__(tokenizer)
        check_choice("long_texts", long_texts, LONG_TEXTS)
        self.labels = None if labels is None else list(labels)
        self.length, self.long_texts, self.clean = length, long_texts, clean
        self.multilabel, self.pairs, self.thresholds = multilabel, pairs, thresholds

    def dataset(self, x, y=None):
        """Return texts and labels as a `Dataset`."""
        if (found := self._check_dataset(x)) is not None:
            return found
        check_pairs_of(x, y, ("a text", "a label"))
        labels = [self._label(label) for label in y]
        info = {"label_separator": _BETWEEN} if self.multilabel else {}
        if not self.pairs:
            return self._as_dataset(map(Labelled, x, labels), info=info)
        first, second = zip(*map(self.check, x), strict=True)
        return self._as_dataset(map(LabelledPair, first, labels, second), info=info)

    def check(self, x):
        """Return one raw input, after a check that it is a text, or a pair where pairs are read.

        Raises:
            TypeError: the other one.
        """
        two = not isinstance(x, str) and len(x) == 2 and all(isinstance(p, str) for p in x)
        if self.pairs and not two:
            raise TypeError(
                "this classifier reads two texts together, received "
                f"{x!r:.80}: give (text, text_b); at a terminal --text-b, or a file with both."
            )
        if not self.pairs and not isinstance(x, str):
            raise TypeError(f"this classifier reads one text at a time, received {x!r:.80}.")
        return tuple(x) if self.pairs else x

    def _label(self, label):
        if self.multilabel:
            if len(label) and np.issubdtype(np.asarray(label).dtype, np.number):
                return _BETWEEN.join(
                    name for name, on in zip(self._named(len(label)), label, strict=True) if on
                )
            return label if isinstance(label, str) else _BETWEEN.join(sorted(label))
        if isinstance(label, str):
            return label
        number = int(label)
        if self.labels is not None and not 0 <= number < len(self.labels):
            raise ValueError(
                f"expected labels among {self.labels}, or their numbers 0 to "
                f"{len(self.labels) - 1}, received {label!r}."
            )
        return str(number) if self.labels is None else self.labels[number]

    def _named(self, count):
        return self.labels or list(map(str, range(count)))

    def rows(self, texts):
        """Return (rows of ids, owners): which text (or pair) each row is of."""
        texts = list(map(self.check, texts))
        if self.pairs:
            both = zip(*map(self._encoded, zip(*texts, strict=True)), strict=True)
            framed = [self.tokenizer.frame(*pair, length=self.length) for pair in both]
            return framed, list(range(len(framed)))
        ids = self._encoded(texts)
        if self.long_texts == "truncate":
            framed = [self.tokenizer.frame(row, length=self.length) for row in ids]
            return framed, list(range(len(ids)))
        parts = [self.tokenizer.windows(row, self.length) for row in ids]
        owners = [owner for owner, part in enumerate(parts) for _ in part]
        return [window for part in parts for window in part], owners

    def _encoded(self, texts):
        texts = Cleaner().clean_all(texts)[0] if self.clean else list(texts)
        return self.tokenizer.encode_batch(texts)

    def targets(self, dataset):
        """Return the number of each text's label (R,); of a multilabel set 0 and 1 (R, C)."""
        if self.labels is None:
            raise ValueError(
                "the classes are not known yet: give labels to the preprocessor, or fit on a list "
                "of texts and labels first."
            )
        if self.multilabel:
            # Labels that were never seen in training cannot be given.
            rows = [[name in own for name in self.labels] for own in dataset.label_sets]
            return np.array(rows, "float32")
        if unknown := set(dataset.labels_of) - set(self.labels):
            raise ValueError(
                f"expected labels among {self.labels}, the data {dataset!r} also has "
                f"{sorted(unknown)}: use data of the same task, or fine-tune again."
            )
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers[label] for label in dataset.labels_of])

    def batches(self, dataset, batch_size=32, seed=0, weights=None, *, bucket=4, word_dropout=0.0):
        """Return `Batches` of ids (B, T) and targets.

        Args:
            dataset: a labelled `Dataset`.
            batch_size: rows a batch; all of them when None.
            seed: of the orders; in the order of the data set when None.
            weights: float array, a weight for each text.
            bucket: lengths are rounded up to multiples of this.
            word_dropout: share of the tokens that are read as unknown, drawn anew in each step.
        """
        ids, owners = self.rows(dataset.readings)
        hide = partial(_hide_words, word_dropout, self.tokenizer) if word_dropout else None
        targets = self.targets(dataset)[np.asarray(owners, int)]
        batches = TextBatches(ids, targets, batch_size, seed, bucket, transform=hide)
        return weighted(batches, owners, weights, len(dataset))

    def class_table(self, class_weight):
        """Return the weight of each class; by label or by number."""
        if self.multilabel:
            raise ValueError(
                "class_weight is for one label a text, this task has several: weigh texts with "
                "sample_weight."
            )
        return class_weights(class_weight, self.labels)

    def labels_of_number(self, number):
        """Return the label of a class."""
        return self.labels[number] if self.labels else str(number)

    def reading(self, x):
        """Return the `Reading` of a text (or pair); of a long one that of its first window."""
        for text in (x,) if isinstance(self.check(x), str) else x:
            check_text(text)
        rows, _ = self.rows([x])
        ids = np.asarray(rows[0], "int32")
        part = f"the first of {len(rows)} windows" if len(rows) > 1 else None
        note = together(part, self.warning(x)) or ""
        return Reading(ids[None], (Stream(self._tokens(ids)),), ids, "class", note)

    def warning(self, text):
        """Return what was lost of a text (or pair), or None."""
        if self.pairs:
            return self._warning_of_pair(*text)
        text = Cleaner()(text) if self.clean else text
        ids, room = self.tokenizer.encode(text), self.tokenizer.room(self.length)
        if not ids:
            return "the text is empty: the answer says nothing about it"
        cut = None
        if len(ids) > room and self.long_texts == "truncate":
            cut = f"only the first {room} of {len(ids)} tokens were read"
        return together(unknown_warning(text, self.tokenizer), cut)

    def _warning_of_pair(self, *texts):
        notes, tokens = [], 0
        for name, text in zip(("text", "text_b"), texts, strict=True):
            ids = self._encoded([text])[0]
            tokens += len(ids)
            if not ids:
                notes.append(f"{name} is empty: the answer rests on the other")
            elif note := unknown_warning(text, self.tokenizer):
                notes.append(f"{name}: {note}")
        room = self.length - len(self.tokenizer.frame([], []))
        cut = f"only {room} of {tokens} tokens were read" if tokens > room else None
        return together(*notes, cut)


def _hide_words(share, tokenizer, ids, targets, rng):
    """Put <unk> in the place of a share of the tokens."""
    ordinary = ~np.isin(ids, list(tokenizer.special_ids))
    hidden = (rng.random(ids.shape) < share) & ordinary
    unknown = tokenizer.eos_id if tokenizer.unk_id is None else tokenizer.unk_id
    return np.where(hidden, unknown, ids).astype("int32"), targets


def class_names(dataset):
    """Return the classes, sorted; labels that may stand together are counted one by one."""
    if not is_multilabel(dataset):
        return list(dataset.labels)
    return sorted({label for labels in dataset.label_sets for label in labels})


def is_multilabel(dataset):
    """Return whether a text of the data set may have several labels."""
    return bool(dataset.info.get("label_separator"))


def check_known(dataset: Dataset, tokenizer, length):
    """Return the length report of the texts, or raise if the tokenizer knows nothing of them."""
    report = length_report(texts_read(dataset), tokenizer, tokenizer.room(length))
    if report.all_unknown + report.empty == len(dataset):
        raise ValueError(
            f"every token of {dataset.name} is unknown to the tokenizer (or the texts are empty): "
            "it was trained on another language or script. Pretrain on text like this, or with "
            'tokenizer="bpe", which knows every text.'
        )
    return report


def texts_read(dataset):
    """Return what is read of each example as one text, for counts of its tokens."""
    return [" ".join(x) for x in dataset.readings] if dataset.of_pairs else dataset.texts
