"""Questions and contexts as the windows that a `SpanExtractor` reads, and back to characters."""

from typing import NamedTuple

import numpy as np

from kerasllm.text import windows
from kerasllm.text.batching import TextBatches


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


class SpanReader:
    """Cuts contexts into windows, each with the whole question.

    Args:
        tokenizer: of the backbone.
        settings: resolved `SpanSettings`, as a dict.
    """

    def __init__(self, tokenizer, settings):
        self.tokenizer, self.settings = tokenizer, settings
        self._read = {}
        framed = tokenizer.frame([-1], [-1])
        # Position 0 stands for no answer: no token of the question may stand there.
        self._before = [tokenizer.bos_id] if framed[0] == -1 else []

    def windows(self, number, question, context):
        """Return the `Window`s of a question and its context.

        Raises:
            ValueError: the question leaves no room for an answer.
        """
        asked = self.tokenizer.encode(question)[: self.settings["max_question"]]
        frame = self._frame(asked, [-1])
        room = self.settings["length"] - len(frame) + 1
        if room < self.settings["max_answer"]:
            raise ValueError(self._no_room(question, len(asked), room))
        stride = min(self.settings["stride"] or max(room // 2, 1), room)
        first = frame.index(-1)
        return [
            Window(self._frame(asked, part), first, first + len(part), i * stride, number)
            for i, part in enumerate(windows(self.pieces(context)[0], room, stride))
        ]

    def _frame(self, question, context):
        return [*self._before, *self.tokenizer.frame(question, context)]

    def _no_room(self, question, tokens, room):
        length, longest = self.settings["length"], self.settings["max_answer"]
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


def window_batches(found, targets, settings):
    """Return `TextBatches` of windows: inputs of a `SpanExtractor`, targets (B, 2).

    Args:
        found: list of `Window`.
        targets: int array (W, 2).
        settings: resolved `SpanSettings`.
    """
    rng = np.random.default_rng([settings.seed, 3])
    kept = targets.any(axis=1) | (rng.random(len(found)) < settings.empty_windows)
    if not kept.any():
        raise ValueError(
            "no window of the training questions is left: raise empty_windows above 0, or give "
            "questions with answers."
        )
    found = [window for window, keep in zip(found, kept, strict=True) if keep]
    bounds = [(window.first, window.stop) for window in found]
    rows = np.hstack([targets[kept], np.array(bounds, "int32")])  # (W, 4)
    ids = [window.ids for window in found]
    return TextBatches(ids, rows, settings.batch_size, settings.seed, transform=_split)


def _split(ids, rows, _rng):
    return {"ids": ids, "context": rows[:, 2:]}, rows[:, :2]
