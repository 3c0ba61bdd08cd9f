"""From a text to what a model reads, and from what it answers to probabilities."""

from typing import Any, NamedTuple

import numpy as np

from kerasllm import reference as ref
from kerasllm.models import MaskedLM, TextClassifier
from kerasllm.text import MASK

__all__ = ["Reading", "read"]


class Reading(NamedTuple):
    """One text as a model reads it.

    Attributes:
        model: the Keras model.
        tokenizer: its tokenizer, or None.
        run: the run it is from, or None.
        tokens: T texts.
        ids: (T,), or None for features.
        inputs: for the twin, B = 1.
        note: for the reader.
    """

    model: Any
    tokenizer: Any
    run: Any
    tokens: list
    ids: Any
    inputs: Any
    note: str = ""

    @property
    def masked(self):
        """Whether each token is predicted from all the others."""
        return isinstance(self.model, MaskedLM)

    def token(self, number):
        """Return the text of a token id."""
        return self.tokenizer.id_to_token(int(number)) if self.tokenizer else str(number)

    def label(self, number):
        """Return the name of a class."""
        labels = self.run.config.get("labels") if self.run else None
        return labels[number] if labels else str(number)

    def probabilities(self, twin):
        """Return (T, V) of tokens, (C,) of classes, or None."""
        if self.masked:
            return _hidden_one_by_one(twin, self.ids)
        output = twin.predict(self.inputs)
        output = output["logits"] if isinstance(output, dict) and "logits" in output else output
        if not isinstance(output, np.ndarray) or output.shape[-1] < 2:
            return None
        vocabulary = self.tokenizer.vocabulary_size if self.tokenizer else output.shape[-1]
        if output.ndim == 3 and output.shape[1:] == (len(self.tokens), vocabulary):
            return _normalised(output[0])
        # Features of a text are no classes: only a head says that they are.
        classes = isinstance(self.model, TextClassifier) or _is_distribution(output)
        return _normalised(output[0]) if output.ndim == 2 and classes else None


def read(source, text_or_ids):
    """Return the `Reading` of a text, of token ids (T,), or of features (T, D).

    Args:
        source: (model, tokenizer or None, run or None).
        text_or_ids: a text, token ids or features.
    """
    model, tokenizer, run = source
    if isinstance(text_or_ids, str):
        ids, note = _encode(model, tokenizer, run, text_or_ids)
    else:
        ids, note = np.asarray(text_or_ids), ""
    if ids.ndim not in (1, 2) or ids.size == 0 or ids.dtype.kind not in "iuf":
        raise ValueError(
            "expected a text, one row of token ids (T,) or features (T, D), with at least one "
            f"token; received shape {ids.shape} of {ids.dtype}."
        )
    if ids.ndim == 2:
        steps = [str(t) for t in range(len(ids))]
        return Reading(model, tokenizer, run, steps, None, ids[None], note)
    if ids.dtype.kind == "f":
        raise ValueError(f"expected token ids as whole numbers, received {ids.dtype}.")
    tokens = [tokenizer.id_to_token(int(i)) if tokenizer else str(i) for i in ids]
    return Reading(model, tokenizer, run, tokens, ids, _inputs(model, ids), note)


def _encode(model, tokenizer, run, text):
    if tokenizer is None:
        raise TypeError(
            "a text needs the tokenizer of the model: trace(model, text, tokenizer), or give the "
            "token ids instead."
        )
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError("the text is empty: give at least one token.")
    if isinstance(model, TextClassifier):
        ids = tokenizer.encode(text, eos=True)  # as in training
    settings = getattr(getattr(model, "backbone", None), "settings", None)
    limits = [getattr(settings, "max_length", None)]
    if run is not None and isinstance(model, TextClassifier):
        limits.append(run.settings.get("length"))
    limit = min((n for n in limits if n), default=len(ids))
    note = f"only the first {limit} of {len(ids)} tokens are read" if len(ids) > limit else ""
    return np.asarray(ids[:limit]), note


def _inputs(model, ids):
    """Return a batch of one text in the form that the model takes."""
    row = ids[None].astype("int32")
    names = [tensor.name for tensor in model.inputs]
    if len(names) == 1:
        return row
    extra = {"positions": np.arange(len(ids))[None], "spans": np.concatenate([row, row])}
    if "ids" in names and set(names) <= {"ids", *extra}:
        return {name: row if name == "ids" else extra[name] for name in names}
    raise ValueError(
        f"this model has the inputs {names}, and a text is one: call verify.twin(model).trace(x) "
        "with all of them."
    )


def _hidden_one_by_one(twin, ids):
    """Return the probabilities (T, V) of each token, that token hidden."""
    rows = np.repeat(ids[None], len(ids), axis=0).astype("int32")  # (T,) -> (T, T)
    np.fill_diagonal(rows, MASK)
    positions = np.arange(len(ids))[:, None]
    return _normalised(twin.predict({"ids": rows, "positions": positions}, batch_size=16)[:, 0])


def _normalised(output):
    """Return probabilities, of logits where they are none yet."""
    return output if _is_distribution(output) else ref.softmax(output)[0]


def _is_distribution(output):
    return bool(np.all(output >= 0) and np.allclose(output.sum(axis=-1), 1, atol=1e-5))
