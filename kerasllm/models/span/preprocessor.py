"""Questions and contexts as the windows that a `SpanExtractor` reads, and back to characters."""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm.datasets import Span
from kerasllm.models.preprocessor import (
    Preprocessor,
    check_pairs_of,
    check_text,
    together,
    weighted,
)
from kerasllm.models.reading import Reading, Stream
from kerasllm.text import windows
from kerasllm.text.batching import TextBatches
from kerasllm.text.unknown import unknown_share, unknown_warning


class Window(NamedTuple):
    """A question with a part of its context, as a model reads them.

    Attributes:
        ids: token ids: a special token, the question, the part.
        first: position in ids where the part begins.
        stop: position where it has ended.
        shift: number of the part's first token in the context.
        question: number of the question.
    """

    ids: list
    first: int
    stop: int
    shift: int
    question: int


@keras.saving.register_keras_serializable("kerasllm")
class SpanPreprocessor(Preprocessor):
    """Cuts contexts into windows, each with the whole question, and spans out of contexts.

    Args:
        tokenizer: a `Tokenizer`.
        length: tokens of a window, the question included.
        stride: tokens from one window of a long context to the next; None: half of its room.
        max_question: tokens of a question that are read.
        max_answer: tokens of an answer at most.
        threshold: an answer needs a score above this; None: any, for a model that never learned
            to give none.

    Raw input: a list of (question, context). Raw targets: for each the answers that are right, a
    list of (text, start in the context), or one such pair; an empty list where there is none.
    """

    data_task = "span"

    def __init__(
        self, tokenizer, length=256, stride=None, max_question=64, max_answer=30, threshold=0.0
    ):
        super().__init__(tokenizer)
        self.length, self.stride = length, stride
        self.max_question, self.max_answer, self.threshold = max_question, max_answer, threshold
        self._read = {}
        framed = tokenizer.frame([-1], [-1])
        # Position 0 stands for no answer: no token of the question may stand there.
        self._before = [tokenizer.bos_id] if framed[0] == -1 else []

    def dataset(self, x, y=None):
        """Return questions, contexts and answers as a `Dataset`."""
        if (found := self._check_dataset(x)) is not None:
            return found
        pairs = question_pairs(x)
        if isinstance(y, dict):
            y = list(zip(y["text"], map(int, y["start"]), strict=True))
        check_pairs_of(pairs, y, ("a question and its context", "the answers"))
        examples = [
            Span(context, question, _answers(given))
            for (question, context), given in zip(pairs, y, strict=True)
        ]
        dataset = self._as_dataset(examples)
        check_spans(dataset)
        return dataset

    def batches(self, dataset, batch_size=32, seed=0, weights=None, *, empty_windows=1.0):
        """Return `Batches` of windows and targets (B, 2), the answer's first and last position.

        Args:
            dataset: a span `Dataset`.
            batch_size: windows a batch; all of them when None.
            seed: of the orders; in the order of the data set when None.
            weights: float array, a weight for each question.
            empty_windows: share of the windows without the answer that are kept.
        """
        found, targets = window_targets(self, dataset)
        if empty_windows < 1:
            rng = np.random.default_rng([seed, 3])
            kept = targets.any(axis=1) | (rng.random(len(found)) < empty_windows)
            found = [window for window, keep in zip(found, kept, strict=True) if keep]
            targets = targets[kept]
        if not found:
            raise ValueError(
                "no window of the questions is left: raise empty_windows above 0, or give "
                "questions with answers."
            )
        bounds = [(window.first, window.stop) for window in found]
        rows = np.hstack([targets, np.array(bounds, "int32")])  # (W, 4)
        ids, owners = [window.ids for window in found], [window.question for window in found]
        batches = TextBatches(ids, rows, batch_size, seed, transform=_split)
        return weighted(batches, owners, weights, len(dataset))

    def reading(self, x):
        """Return the `Reading` of (question, context); of a long context that of its beginning."""
        if isinstance(x, str):
            raise ValueError(
                "this model answers questions on a context: give both, (question, context)."
            )
        ((question, context),) = question_pairs(x)
        check_text(question)
        check_text(context)
        windows = self.windows(0, question, context)
        window = windows[0]
        ids = np.asarray(window.ids, "int32")
        inputs = {"ids": ids[None], "context": np.array([[window.first, window.stop]], "int32")}
        part = f"the first of {len(windows)} windows" if len(windows) > 1 else None
        note = together(part, self.warning(question, context)) or ""
        return Reading(inputs, (Stream(self._tokens(ids)),), ids, "span", note)

    def shortened(self, length):  # noqa: ARG002 - a shorter window may have no room for an answer
        """Return the preprocessor as it is."""
        return self

    def warning(self, question, context):
        """Return what was lost of a question and its context, or None."""
        both, notes = (("question", question), ("context", context)), []
        for name, text in both:
            if not self.tokenizer.encode(text) or not text.strip():
                return f"the {name} is empty: there is nothing to answer"
            note = unknown_warning(text, self.tokenizer)
            notes.append(note and f"{name}: {note}")
        if len(self.tokenizer.encode(question)) > self.max_question:
            notes.append(f"only the first {self.max_question} tokens of the question were read")
        return together(*notes)

    def unknown_share(self, dataset):
        """Return the share of the tokens of contexts and questions that are unknown."""
        contexts, questions = dict.fromkeys(dataset.texts), {e.question for e in dataset}
        ids = [i for context in contexts for i in self.pieces(context)[0]]
        ids += [i for row in self.tokenizer.encode_batch(list(questions)) for i in row]
        return unknown_share(ids, self.tokenizer)

    def windows(self, number, question, context):
        """Return the `Window`s of a question and its context.

        Raises:
            ValueError: the question leaves no room for an answer.
        """
        asked = self.tokenizer.encode(question)[: self.max_question]
        frame = self._frame(asked, [-1])
        room = self.length - len(frame) + 1
        if room < self.max_answer:
            raise ValueError(self._no_room(question, len(asked), room))
        stride = min(self.stride or max(room // 2, 1), room)
        first = frame.index(-1)
        return [
            Window(self._frame(asked, part), first, first + len(part), i * stride, number)
            for i, part in enumerate(windows(self.pieces(context)[0], room, stride))
        ]

    def _frame(self, question, context):
        return [*self._before, *self.tokenizer.frame(question, context)]

    def _no_room(self, question, tokens, room):
        length, longest = self.length, self.max_answer
        return (
            f"the question {question!r:.80} takes {tokens} tokens, which leaves room for "
            f"{max(room, 0)} of its context in length={length}, while an answer may have "
            f"max_answer={longest}: raise length, or lower max_question or max_answer."
        )

    def pieces(self, context):
        """Return the token ids of a context and the characters (start, end) that each stands for.

        Contexts come with several questions each: they are read once.
        """
        if context not in self._read:
            self._read[context] = self.tokenizer.encode(context), self.tokenizer.offsets(context)
        return self._read[context]

    def tokens_of(self, context, text, start):
        """Return the numbers of the first and the last token that an answer touches, or None."""
        end = start + len(text)
        spans = self.pieces(context)[1]
        touched = [i for i, (a, b) in enumerate(spans) if a < end and b > start]
        return (touched[0], touched[-1]) if touched else None

    def characters(self, context, first, last):
        """Return (start, end) of tokens in the context, without white space at the edges."""
        spans = self.pieces(context)[1]
        start, end = spans[first][0], spans[last][1]
        text = context[start:end]
        start += len(text) - len(text.lstrip())
        return start, start + len(text.strip())


def window_targets(reader, dataset):
    """Return (windows, targets (W, 2)) of a span `Dataset`; (0, 0) where the answer is not whole.

    Of several answers the first is learned.
    """
    found, targets = [], []
    for number, example in enumerate(dataset):
        answer = None
        if example.answers:
            answer = reader.tokens_of(example.context, *example.answers[0])
        for window in reader.windows(number, example.question, example.context):
            found.append(window)
            targets.append(_target(window, answer))
    return found, np.array(targets, "int32").reshape(-1, 2)


def _target(window, answer):
    if answer is None:
        return 0, 0
    start, end = (window.first + token - window.shift for token in answer)
    return (start, end) if window.first <= start and end < window.stop else (0, 0)


def _split(ids, rows, _rng):
    return {"ids": ids, "context": rows[:, 2:]}, rows[:, :2]


def question_pairs(x):
    """Return raw input as a list of (question, context).

    Raises:
        TypeError: something else than pairs of texts.
    """
    if isinstance(x, dict):
        x = list(zip(x["question"], x["context"], strict=True))
    if len(x) == 2 and all(isinstance(part, str) for part in x):
        x = [x]
    for pair in x:
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(p, str) for p in pair):
            raise TypeError(
                f"expected pairs of a question and its context, received {pair!r:.80}: write "
                '[("Who came?", "Then Ada came.")].'
            )
    return [tuple(pair) for pair in x]


def _answers(given):
    """Return answers as pairs of a text and its start; one pair stands for a list of one."""
    if len(given) == 2 and isinstance(given[0], str):
        given = [given]
    return tuple((text, int(start)) for text, start in given)


def check_spans(dataset):
    """Raise unless no question or context is empty, and each answer stands in its context."""
    for row, example in enumerate(dataset):
        for name in ("question", "context"):
            if not getattr(example, name).strip():
                raise ValueError(
                    f"question {row} of {dataset!r} has an empty {name}: leave it out."
                )
        for text, start in example.answers:
            _check_answer(dataset, row, example, text, start)


def _check_answer(dataset, row, example, text, start):
    if text.strip() and start >= 0 and example.context.startswith(text, start):
        return
    found = example.context.find(text) if text.strip() else -1
    cure = (
        f"It stands at {found}: correct the place."
        if found >= 0
        else ("It stands nowhere in the context: correct it, or leave it out.")
    )
    raise ValueError(
        f"expected each answer in its context, question {row} of {dataset!r} "
        f"({example.question!r:.80}) has the answer {text!r:.80} at {start}. {cure}"
    )
