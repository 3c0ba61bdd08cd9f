"""Preprocessors: raw examples to the arrays that a task reads, and its output back to answers."""

import inspect

import numpy as np

from kerasllm import datasets
from kerasllm.text import restore_tokenizer
from kerasllm.text.batching import WeightedBatches
from kerasllm.text.unknown import unknown_share


class Preprocessor:
    """What the preprocessors of all tasks have in common.

    A subclass says which data it reads (`data_task`), how raw input becomes a `Dataset`
    (`dataset`), and how that becomes batches of arrays (`batches`).

    Args:
        tokenizer: a `Tokenizer`.

    Attributes:
        data_task: the `task` of the data sets that it reads, of `datasets.TASKS`.
        inherited: what it takes over from the run that a backbone comes from, unless given.
        of_the_head: options that the head of a task depends on.
    """

    data_task = None
    inherited = ("length",)
    of_the_head = ("tokenizer", "labels")

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, x, y=None, sample_weight=None):
        """Return (inputs, targets) of raw examples in one batch, and their weights where given."""
        return self.batches(self.dataset(x, y), None, None, weights=sample_weight).batch(0)

    def dataset(self, x, y=None):
        """Return raw input and targets as a `Dataset` of this task.

        Raises:
            TypeError, ValueError: x and y are not of the form that this task takes.
        """
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def batches(self, dataset, batch_size=32, seed=0, weights=None):
        """Return `Batches` of a data set.

        Args:
            dataset: a `Dataset` of this task.
            batch_size: rows a batch; all of them when None.
            seed: of the orders; in the order of the data set when None.
            weights: float array, a weight for each example.
        """
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def reading(self, x):
        """Return the `Reading` of one raw example: what the model is given, token by token.

        Args:
            x: a text; for questions (question, context); for pairs (source, target).

        Raises:
            ValueError: the example is empty, or not of the form that this task reads.
        """
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def unknown_share(self, dataset):
        """Return the share of the tokens of a `Dataset` that are unknown."""
        ids = self.tokenizer.encode_batch(dataset.texts)
        return unknown_share([i for row in ids for i in row], self.tokenizer)

    def _tokens(self, ids, tokenizer=None):
        """Return ids as texts that a person can read."""
        return [(tokenizer or self.tokenizer).id_to_token(int(i)) for i in ids]

    def class_table(self, class_weight):
        """Return the weight (C,) of each number that a target may be, from {class: weight}.

        Raises:
            ValueError: a target of this task is no class.
        """
        raise ValueError(
            f"class_weight needs targets that are classes, those of a {type(self).__name__} are "
            f"not (received {class_weight!r:.60}): weigh whole examples with sample_weight."
        )

    def labels_of_number(self, number):
        """Return what an entry of the output stands for, as a text."""
        return str(number)

    def changed(self, **options):
        """Return a preprocessor with other options."""
        return type(self).from_config({**self.get_config(), **options})

    def shortened(self, length):
        """Return a preprocessor that reads `length` tokens of an example at most."""
        return self.changed(length=min(length, self.length))

    def get_config(self):
        """Return what rebuilds this preprocessor, its tokenizer included, as JSON values."""
        names = [name for name in inspect.signature(type(self)).parameters if name != "tokenizer"]
        config = {name: getattr(self, name) for name in names}
        return {"tokenizer": self.tokenizer.state(), **config}

    @classmethod
    def from_config(cls, config):
        """Rebuild a preprocessor."""
        config = dict(config)
        return cls(restore_tokenizer(config.pop("tokenizer")), **config)

    def __repr__(self):
        return f"{type(self).__name__}({self.tokenizer!r})"

    def _as_dataset(self, examples, **options):
        """Return typed examples as a `Dataset`."""
        options = {"name": "data", "split": "given", "task": self.data_task, **options}
        return datasets.Dataset(examples, **options)

    def _check_dataset(self, x):
        """Return x if it is a `Dataset` of this task, None if it is none, or raise."""
        if not isinstance(x, datasets.Dataset):
            return None
        if x.task != self.data_task:
            raise ValueError(
                f"expected a data set for {self.data_task}, received {x!r}, one for {x.task}: "
                "choose another set, or the task that fits it."
            )
        return x


def together(*notes):
    """Return notes as one, None where there is none.

    Example:
        >>> together(None, "cut", None, "unknown"), together(None)
        ('cut; unknown', None)
    """
    return "; ".join(note for note in notes if note) or None


def check_text(text):
    """Raise unless there is a text to read."""
    if not isinstance(text, str):
        raise TypeError(f"expected a text, received {text!r:.60}.")
    if not text.strip():
        raise ValueError(f"the text is empty ({text!r:.20}): give at least one token.")


def weighted(batches, owners, weights, examples):
    """Return batches with the weight of its example for each row; without weights, as they are.

    Args:
        batches: `Batches` that know their rows.
        owners: the example that each row is of.
        weights: float array, a weight for each example, or None.
        examples: how many there are.
    """
    if weights is None:
        return batches
    weights = np.asarray(weights, "float32")
    if weights.shape != (examples,):
        raise ValueError(
            f"expected sample_weight with a number for each of {examples} examples, received "
            f"shape {weights.shape}."
        )
    return WeightedBatches(batches, weights[np.asarray(owners)])


def class_weights(given, classes, what="classes"):
    """Return the weight of each class (C,), 1 for those not named.

    Args:
        given: {class: weight}, classes by name or number.
        classes: their names.
        what: what they are called.

    Example:
        >>> class_weights({"yes": 3.0, 0: 2.0}, ["maybe", "no", "yes"])
        [2.0, 1.0, 3.0]
    """
    numbers = {name: number for number, name in enumerate(classes)}
    weights = [1.0] * len(numbers)
    for name, weight in given.items():
        number = numbers.get(name, name)
        if number not in range(len(weights)):
            raise ValueError(
                f"expected class_weight for {what} among {list(classes)!s:.300}, or their numbers, "
                f"received {name!r}."
            )
        weights[int(number)] = float(weight)
    return weights


def check_pairs_of(x, y, what):
    """Raise unless x is a list and y has an entry for each of its entries.

    Args:
        x: raw input.
        y: raw targets.
        what: what an entry of each is, such as ("a text", "a label").
    """
    if isinstance(x, str):
        raise TypeError(
            f"expected a list, {what[0]} an entry, received one text ({x!r:.40}): put it in a "
            "list, [text]."
        )
    if y is None or len(x) != len(y):
        received = "none" if y is None else len(y)
        raise ValueError(
            f"expected {what[1]} for each of {len(x)} examples, received {received}: give y."
        )
