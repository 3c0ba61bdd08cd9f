"""One text as a model reads it: what a trace shows beside the numbers."""

from typing import Any, NamedTuple


class Stream(NamedTuple):
    """A row of tokens that some layers of a model work on.

    Attributes:
        tokens: T texts.
        layers: beginnings of the names of the layers whose steps are these tokens; () for all that
            no other stream names.
    """

    tokens: list
    layers: tuple = ()


class Reading(NamedTuple):
    """One example as a task reads it.

    Attributes:
        inputs: of the model, B = 1.
        streams: the `Stream`s of tokens, the main one first.
        ids: token ids (T,) of the main stream.
        predicts: what the output says: "next" token, "hidden" token, "class" of the text, "tag" of
            each word, "span", "vector"; "" where the model does not say.
        note: what was lost, "" for nothing.
    """

    inputs: Any
    streams: tuple
    ids: Any
    predicts: str = ""
    note: str = ""
