"""What a data set is made of: typed examples, and the sequence that holds them.

- `Text` for language models, `Labelled` for classification (`LabelledPair` where two texts have a
  label together), `Tagged` for token tagging, `Span` for extractive question answering, `Pair` for
  sequence to sequence, `Conversation` for models that chat.
- `Dataset` is an immutable sequence of one of these, with its name, split, task and labels. For a
  task of your own it holds examples of a dataclass whose `task` says so.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import cached_property

import numpy as np

from kerasllm.utils.errors import check_choice


@dataclass(frozen=True, slots=True)
class Text:
    """A text to learn language from."""

    text: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and the class that it belongs to."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class LabelledPair(Labelled):
    """Two texts and the class that they belong to together, such as question and answer."""

    text_b: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A sentence in tokens and one tag for each of them."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A question whose answers stand in the context: `context[start:start + len(text)] == text`."""

    context: str
    question: str
    answers: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and the text that it is to be turned into; `others` are right answers too."""

    source: str
    target: str
    others: tuple[str, ...] = ()

    @property
    def references(self):
        """All right answers, as a tuple of str: the target first."""
        return self.target, *self.others


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in turn, (role, content) each; those of the role "assistant" are answers.

    Example:
        >>> talk = Conversation((("user", "Hi"), ("assistant", "Good day.")))
        >>> talk.asked, talk.answers, talk.messages[0]
        (('Hi',), ('Good day.',), {'role': 'user', 'content': 'Hi'})
    """

    turns: tuple[tuple[str, str], ...]

    @property
    def messages(self):
        """The messages as a list of {"role", "content"}."""
        return [{"role": role, "content": content} for role, content in self.turns]

    @property
    def asked(self):
        """What others than the assistant say, as a tuple of str."""
        return tuple(content for role, content in self.turns if role != "assistant")

    @property
    def answers(self):
        """What the assistant says, as a tuple of str."""
        return tuple(content for role, content in self.turns if role == "assistant")


EXAMPLE_TYPES = {
    "language_model": Text,
    "classification": Labelled,
    "tagging": Tagged,
    "span": Span,
    "seq2seq": Pair,
    "chat": Conversation,
}
TASKS = tuple(EXAMPLE_TYPES)


def main_text(example):
    """Return the text of an example that a model reads first.

    Example:
        >>> main_text(Tagged(("New", "York"), ("B-LOC", "I-LOC")))
        'New York'
    """
    if isinstance(example, Tagged):
        return " ".join(example.tokens)
    if isinstance(example, Conversation):
        said = [content for role, content in example.turns if role == "user"]
        return (said or example.asked or ("",))[0]
    return getattr(example, fields(example)[0].name)


def inputs_of(example):
    """Return what a model is given of an example, without its label, tags, answer or target.

    Of an example of a task of your own these are all its texts.

    Example:
        >>> inputs_of(Span("Ada came.", "Who came?", (("Ada", 0),)))
        ('Ada came.', 'Who came?')
    """
    if isinstance(example, LabelledPair):
        return example.text, example.text_b
    if isinstance(example, Conversation):
        return example.asked
    if type(example) in EXAMPLE_TYPES.values():
        return main_text(example), getattr(example, "question", "")
    return tuple(v for v in astuple(example) if isinstance(v, str))


def answers_of(example):
    """Return what an example holds beside what a model is given of it, to be compared.

    Example:
        >>> answers_of(Labelled("win", "spam")), answers_of(Pair("a", "b", ("c",)))
        (('spam',), ('b', ('c',)))
    """
    return example.answers if isinstance(example, Conversation) else astuple(example)[1:]


def values_of(example):
    """Return all that an example holds; of a pair without other references two texts.

    Example:
        >>> values_of(Pair("a", "b")), values_of(Pair("a", "b", ("c",)))
        (('a', 'b'), ('a', 'b', ('c',)))
    """
    values = astuple(example)
    return values[:-1] if isinstance(example, Pair) and not example.others else values


class Dataset(Sequence):
    """An immutable sequence of examples of one kind.

    Args:
        examples: iterable of `Text`, `Labelled`, `Tagged`, `Span`, `Pair` or `Conversation`.
        name: what the set is called, such as "sms_spam".
        split: which part this is: "train", "validation" or "test".
        task: one of `TASKS`, or the `task` of the examples' own class.
        labels: all class names (or tags). Left out: those that occur. Kept sorted.
        language: "en", "zh" and so on.
        info: dict of facts about this set, such as how it was split.
        example_type: class of the examples of a task of your own, where there are none.

    Raises:
        ValueError: for an unknown task, or a label that is not among `labels`.
        TypeError: for an example of another task.

    Example:
        >>> spam = Dataset(
        ...     [Labelled("win a prize", "spam"), Labelled("see you at 8", "ham")],
        ...     name="spam", split="train", task="classification",
        ... )
        >>> spam.labels, spam.label_ids.tolist(), spam[1:].texts
        (('ham', 'spam'), [1, 0], ['see you at 8'])
    """

    def __init__(
        self, examples, *, name, split, task, labels=(), language="en", info=None, example_type=None
    ):
        self.examples = tuple(examples)
        self.name, self.split, self.task, self.language = name, split, task, language
        self.info = dict(info or {})
        self.example_type = self._check_examples(example_type)
        found = self._labels_that_occur()
        self.labels = tuple(sorted(set(labels))) or tuple(sorted(found))
        if unknown := found - set(self.labels):
            raise ValueError(
                f"{name}: the examples hold labels that are not in `labels`: {sorted(unknown)}; "
                f"expected only {list(self.labels)}."
            )

    def _check_examples(self, given):
        """Return the class of the examples, after a check that all are of it."""
        first = type(self.examples[0]) if self.examples else given
        own = first if getattr(first, "task", None) == self.task else None
        wanted = EXAMPLE_TYPES.get(self.task) or own
        if wanted is None:
            check_choice("task", self.task, TASKS)
        for row, example in enumerate(self.examples):
            if not isinstance(example, wanted):
                raise TypeError(
                    f"{self.name}: a data set for {self.task} holds {wanted.__name__} examples, "
                    f"received {type(example).__name__} at position {row}."
                )
            if isinstance(example, LabelledPair) != (first is LabelledPair):
                raise TypeError(
                    f"{self.name}: expected a second text in all examples or in none, the one at "
                    f"position {row} differs: give LabelledPair alone, or Labelled alone."
                )
        return wanted

    def _labels_that_occur(self):
        if self.task == "classification":
            return {example.label for example in self.examples}
        if self.task == "tagging":
            return {tag for example in self.examples for tag in example.tags}
        return set()

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._with(self.examples[index])
        return self.examples[index]

    def __repr__(self):
        classes = f", {len(self.labels)} labels" if self.labels else ""
        return f"<Dataset {self.name}/{self.split}: {len(self):,} {self.task} examples{classes}>"

    def _with(self, examples, **changes):
        names = ("name", "split", "task", "labels", "language", "example_type")
        kept = {key: getattr(self, key) for key in names}
        return Dataset(examples, **{**kept, "info": self.info, **changes})

    def select(self, indices, **changes):
        """Return the examples at these positions, in this order, as a data set.

        Args:
            indices: iterable of int.
            **changes: fields to replace, such as `split="test"` or `info={...}`.
        """
        return self._with((self.examples[int(i)] for i in indices), **changes)

    @property
    def texts(self):
        """The text of each example, as a list of str (tokens joined by spaces for tagging)."""
        return [main_text(example) for example in self.examples]

    @property
    def of_pairs(self):
        """Whether a label belongs to two texts together."""
        return bool(self.examples) and isinstance(self.examples[0], LabelledPair)

    @property
    def readings(self):
        """What a model reads of each example: its text, or (text, text_b) of two with one label."""
        if not self.of_pairs:
            return self.texts
        return [(example.text, example.text_b) for example in self.examples]

    @property
    def labels_of(self):
        """The label of each example, as a list of str."""
        if self.task != "classification":
            raise TypeError(
                f"{self.name} is a set for {self.task}: its examples have no single label. "
                + self.info.get("hint", "Use a classification set here.")
            )
        return [example.label for example in self.examples]

    @property
    def label_sets(self):
        """The labels of each example, as a list of tuples of str.

        In a set with several labels a text, `info["label_separator"]` stands between those of a
        text: "grain|wheat" are two labels, "" is none.
        """
        separator = self.info.get("label_separator")
        if not separator:
            return [(label,) for label in self.labels_of]
        return [tuple(label.split(separator)) if label else () for label in self.labels_of]

    @property
    def label_ids(self):
        """The position in `labels` of each example's label, as an int64 array (len(self),)."""
        positions = {label: i for i, label in enumerate(self.labels)}
        return np.array([positions[label] for label in self.labels_of], dtype="int64")

    @cached_property
    def fingerprint(self):
        """sha256 of the examples in their order: equal exactly if the content is equal."""
        digest = hashlib.sha256(self.task.encode())
        for row, example in enumerate(self.examples):
            text = json.dumps(values_of(example), ensure_ascii=False)
            try:
                digest.update(text.encode("utf-8"))
            except UnicodeEncodeError:
                raise ValueError(
                    f"{self.name}: example {row} holds half of a character ({text!r:.60}): read "
                    "it with its right encoding, or leave it out."
                ) from None
        return digest.hexdigest()

    def shuffled(self, seed=0):
        """Return the same examples in another order; the same seed gives the same order."""
        return self.select(np.random.default_rng(seed).permutation(len(self)))

    def take(self, n, seed=0):
        """Return `n` examples drawn at random without replacement.

        A draw with another `n` and the same seed starts with the same examples, so that learning
        curves over growing `n` are nested.

        Raises:
            ValueError: if there are fewer than `n` examples.
        """
        if not 0 <= n <= len(self):
            raise ValueError(
                f"{self.name}/{self.split} has {len(self):,} examples, received n={n}; "
                f"ask for 0 to {len(self):,}."
            )
        return self.select(np.random.default_rng(seed).permutation(len(self))[:n])
