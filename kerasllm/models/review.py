"""What a report shows of a task's answers, row by row: the same for every shape of task."""

from typing import Any, NamedTuple

import numpy as np

RIGHT, WRONG, MISSED = "right", "wrong", "missed"  # what a piece of a text is marked as


class Piece(NamedTuple):
    """A piece of a text.

    Attributes:
        text: the piece.
        mark: RIGHT, WRONG or MISSED (it should have been found); "" for none.
        name: of what it was taken for, such as a type of entity.
        heat: from 0 to 1, how strongly it is shaded.
    """

    text: str
    mark: str = ""
    name: str = ""
    heat: float = 0.0


class Case(NamedTuple):
    """One row: what was asked, what was answered, what is right.

    Attributes:
        pieces: of the text, in its order.
        truth: the right answer.
        answer: the model's.
        wrong: how wrong that is: by this number the worst errors come first.
        right: whether nothing is wrong; None where an answer has no right and wrong.
        question: that was asked of the text, if any.
    """

    pieces: tuple
    truth: str
    answer: str
    wrong: float
    right: bool | None
    question: str = ""


class Review(NamedTuple):
    """What a task made of some rows.

    Attributes:
        cases: list of `Case`.
        wrong_by: key of the sentence that says what `Case.wrong` is, such as "nats".
        classes: (columns, rows) of a table of scores, a class or type a row; None without any.
        confusion: (counts (C, C), labels), or None.
        confidence: (p (R,), whether it was right (R,)) of the answers, or None.
        attention: list of (tokens of the answer, tokens of the source, weights (T, S)).
    """

    cases: list
    wrong_by: str = "nats"
    classes: Any = None
    confusion: Any = None
    confidence: Any = None
    attention: tuple = ()

    def worst(self, count=10):
        """Return the `Case`s that are not right, the worst first."""
        order = np.argsort([-case.wrong for case in self.cases], kind="stable")
        return [self.cases[i] for i in order if not self.cases[i].right][:count]


def pieces_of(text, spans):
    """Return the `Piece`s of a text whose marked spans do not overlap.

    Args:
        text: the text.
        spans: (start, end, mark, name) of characters; of two that overlap the earlier is kept.

    Example:
        >>> [piece.text for piece in pieces_of("in Rome now", [(3, 7, RIGHT, "LOC")])]
        ['in ', 'Rome', ' now']
    """
    found, place = [], 0
    for start, end, mark, name in sorted(spans):
        if start < place:
            continue
        found += [Piece(text[place:start]), Piece(text[start:end], mark, name)]
        place = end
    return tuple(piece for piece in (*found, Piece(text[place:])) if piece.text)
