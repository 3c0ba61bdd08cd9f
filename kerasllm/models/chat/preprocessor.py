"""Conversations as the arrays of a language model: all tokens are read, the answers' are learned.

- The target at t is the token at t + 1 where that is of an answer, its end token included; else it
  is 0, which no loss counts.
- Of a conversation longer than `length` the end is cut. The model looks back only: what remains is
  learned as it would be, and an answer that is cut teaches no end.
- Several conversations may share a row, with a 0 between them. A backbone that is made for it
  (`TransformerBackbone.packing`) keeps them apart.
"""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm.datasets import Conversation
from kerasllm.models.language.preprocessor import LanguagePreprocessor
from kerasllm.models.preprocessor import check_pairs_of, together, weighted
from kerasllm.models.reading import Reading, Stream
from kerasllm.text.batching import TextBatches, pad_bucketed
from kerasllm.text.conversations.encoding import encode_answers, encode_conversation
from kerasllm.text.conversations.messages import check_messages
from kerasllm.text.conversations.template import PLAIN
from kerasllm.text.unknown import unknown_share, unknown_warning


class Lesson(NamedTuple):
    """What is learned of a conversation.

    Attributes:
        ids: int array (T,), what the model reads.
        targets: int array (T,), what it should say next; 0 where that is not counted.
        lost: answers' tokens behind the cut.
        cut: tokens behind the cut.
    """

    ids: np.ndarray
    targets: np.ndarray
    lost: int
    cut: int


@keras.saving.register_keras_serializable("kerasllm")
class ChatPreprocessor(LanguagePreprocessor):
    """Turns conversations into ids, and the tokens of their answers into targets.

        x = ids of the conversation,  y_t = x_{t+1} if that is of an answer, else 0

    Args:
        tokenizer: a `Tokenizer`.
        length: tokens of a conversation that are read; the rest is cut.
        template: of jinja2, how a conversation becomes one text; None: the tokenizer's own, or
            where it has none `PLAIN`.

    Raw input: a list of conversations, each a list of {"role", "content"}; or of questions, and as
    raw targets a list of their answers.
    """

    data_task = "chat"

    def __init__(self, tokenizer, length=1024, template=None):
        super().__init__(tokenizer, length)
        self.template = template or getattr(tokenizer, "chat_template", None) or PLAIN

    def dataset(self, x, y=None):
        """Return conversations, or questions and their answers, as a `Dataset`."""
        if (found := self._check_dataset(x)) is not None:
            return found
        if y is not None:
            check_pairs_of(x, y, ("a question", "an answer"))
            talks = ([("user", q), ("assistant", a)] for q, a in zip(x, y, strict=True))
            return self._as_dataset(Conversation(tuple(turns)) for turns in talks)
        return self._as_dataset(map(conversation, x))

    def lesson(self, example):
        """Return the `Lesson` of a `Conversation`."""
        ids, counted = encode_answers(self.tokenizer, example.messages, self.template)
        targets = np.where(counted, ids, 0)[1:]
        lost, cut = np.count_nonzero(targets[self.length :]), max(0, len(targets) - self.length)
        return Lesson(ids[:-1][: self.length], targets[: self.length], int(lost), cut)

    def lessons(self, dataset):
        """Return the `Lesson` of each conversation of a data set.

        Raises:
            ValueError: no token of an answer is counted in any.
        """
        found = [self.lesson(example) for example in dataset]
        if not any(lesson.targets.any() for lesson in found):
            cut = sum(lesson.lost > 0 for lesson in found)
            why = f"in {cut} of {len(found)} they lie behind the first {self.length} tokens"
            raise ValueError(
                f"no token of an answer is left to learn in {dataset.name}/{dataset.split}: a loss "
                f"over nothing would be NaN. {why if cut else 'There are no answers'}: raise "
                "length, or give conversations with shorter questions."
            )
        return found

    def batches(self, dataset, batch_size=32, seed=0, weights=None, pack=False):
        """Return `AnswerBatches` of a data set of conversations.

        Args:
            dataset: a `Dataset`.
            batch_size: rows a step.
            seed: of the orders.
            weights: a weight for each conversation.
            pack: let several conversations share a row of `length` tokens; the backbone must keep
                them apart.

        Raises:
            ValueError: weights beside `pack`, or nothing is counted.
        """
        found = self.lessons(dataset)
        owners = [row for row, lesson in enumerate(found) if lesson.targets.any()]
        rows = [(found[row].ids, found[row].targets) for row in owners]
        if not pack:
            batches = AnswerBatches(rows, batch_size, seed, found)
            return weighted(batches, owners, weights, len(dataset))
        if weights is not None:
            raise ValueError(
                "expected no weights beside pack=True: a row holds several conversations, and has "
                "one weight. Leave pack out."
            )
        return AnswerBatches(packed(rows, self.length), batch_size, seed, found)

    def prompt_of(self, messages):
        """Return the ids that the answer to a conversation follows on."""
        return encode_conversation(self.tokenizer, messages, template=self.template)

    def reading(self, x):
        """Return the `Reading` of a conversation, or of a text that a user says."""
        ids = np.asarray(self.prompt_of(x), "int32")
        cut = f"only the first {self.length} of {len(ids)} tokens are read"
        note = cut if len(ids) > self.length else ""
        ids = ids[: self.length]
        return Reading(ids[None], (Stream(self._tokens(ids)),), ids, self.predicts, note)

    def warning(self, text):
        """Return what was lost of a question, or None."""
        if not text.strip():
            return "the text is empty: there is nothing to answer"
        return together(unknown_warning(text, self.tokenizer))

    def unknown_share(self, dataset):
        """Return the share of the tokens of all messages that are unknown."""
        texts = [content for example in dataset for _, content in example.turns]
        rows = self.tokenizer.encode_batch(texts)
        return unknown_share([i for row in rows for i in row], self.tokenizer)


def conversation(given):
    """Return a `Conversation` as it is given: as one, or as a list of {"role", "content"}.

    Raises:
        TypeError, ValueError: it is none, or has no answer.

    Example:
        >>> conversation([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
        Conversation(turns=(('user', 'a'), ('assistant', 'b')))
    """
    if isinstance(given, Conversation):
        return given
    if isinstance(given, str):
        raise TypeError(
            f"expected a conversation as a list of messages, received one text ({given!r:.40}): "
            "give questions as x and their answers as y."
        )
    found = Conversation(tuple((m["role"], m["content"]) for m in check_messages(given)))
    if not found.answers:
        raise ValueError(
            f"expected a conversation with an answer of the assistant, received {given!r:.120}: "
            "there is nothing to learn in it."
        )
    return found


def packed(rows, length):
    """Return rows that hold several conversations each, a 0 between two of them.

    The longest first, each into the first row that has room: few tokens are left empty.

    Args:
        rows: pairs (ids, targets).
        length: tokens of a row at most.

    Example:
        >>> [ids.tolist() for ids, _ in packed([([7], [8]), ([9, 9, 9], [0, 0, 1]), ([5], [6])], 5)]
        [[9, 9, 9, 0, 7], [5]]
    """
    shared = []  # [tokens, rows]
    for row in sorted(rows, key=lambda row: -len(row[0])):
        size = len(row[0]) + 1
        place = next((one for one in shared if one[0] + size <= length + 1), None)
        if place is None:
            shared.append(place := [0, []])
        place[0] += size
        place[1].append(row)
    return [tuple(_joined(parts) for parts in zip(*own, strict=True)) for _, own in shared]


def _joined(parts):
    return np.concatenate([np.append(part, 0) for part in parts])[:-1].astype("int32")


class AnswerBatches(TextBatches):
    """Rows of ids, and what should be said after each of them, padded with 0.

    Args:
        rows: pairs (ids, targets) of int arrays (T,).
        batch_size: rows a batch; all of them when None.
        seed: of the orders; in the order of the rows when None.
        lessons: that the rows were made of, for whoever asks what was cut.
    """

    def __init__(self, rows, batch_size=32, seed=0, lessons=()):
        ids, targets = ([row[side] for row in rows] for side in (0, 1))
        super().__init__(ids, targets, batch_size, seed)
        self.lessons = lessons

    def batch(self, step):
        """Return ids (B, T) and targets (B, T)."""
        rows, longest = self.rows(step), self.lengths.max()
        return tuple(
            pad_bucketed([part[row] for row in rows], self.bucket, longest)
            for part in (self.sequences, self.targets)
        )
