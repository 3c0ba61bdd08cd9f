"""From a text to what a model reads, and from what it answers to probabilities."""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.models import MaskedLM, Task, TextClassifier
from kerasllm.models.reading import Reading, Stream
from kerasllm.text import MASK
from kerasllm.training import Run, load_run


class Read(NamedTuple):
    """A model, and one example as it reads it.

    Attributes:
        model: the Keras model.
        reading: a `Reading` of the example.
        tokenizer: of a model given without a preprocessor, or None.
    """

    model: Any
    reading: Reading
    tokenizer: Any = None

    def label(self, number):
        """Return what an entry of the output stands for."""
        reader = getattr(self.model, "preprocessor", None)
        if reader is not None:
            return reader.labels_of_number(int(number))
        return self.tokenizer.id_to_token(int(number)) if self.tokenizer else str(number)

    def probabilities(self, twin):
        """Return the probabilities that the output stands for, without the batch; or None.

        (T, V) of tokens, (C,) of classes, (T, C) of the tags of words, (2, T) of places.
        """
        if self.reading.predicts == "hidden":
            return _hidden_one_by_one(twin, self.reading.ids)
        output = twin.predict(self.reading.inputs)
        output = output["logits"] if isinstance(output, dict) and "logits" in output else output
        if self.reading.predicts == "vector" or not isinstance(output, np.ndarray):
            return None
        return _normalised(output[0]) if self.reading.predicts else self._guessed(output)

    def _guessed(self, output):
        """Return the probabilities of a model that does not say what it predicts."""
        steps = len(self.reading.streams[0].tokens)
        vocabulary = self.tokenizer.vocabulary_size if self.tokenizer else output.shape[-1]
        if output.shape[-1] < 2:
            return None
        if output.ndim == 3 and output.shape[1:] == (steps, vocabulary):
            return _normalised(output[0])
        # Features of a text are no classes: only a head, or a softmax, says that they are.
        classes = isinstance(self.model, TextClassifier) or _is_distribution(output)
        return _normalised(output[0]) if output.ndim == 2 and classes else None


def read(source, x, tokenizer=None):
    """Return the `Read` of a raw example, of token ids (T,), or of features (T, D).

    Args:
        source: run folder, `Run`, or Keras model.
        x: a raw example of the model's task, token ids, or features.
        tokenizer: that of a model without a preprocessor; needed for a text.

    Raises:
        FileNotFoundError: no run folder, or one without a model.
        TypeError: neither a run nor a model; a text without a tokenizer.
        ValueError: an empty text, a model with inputs that cannot be guessed.
    """
    model = _model(source)
    raw = isinstance(x, str) or (isinstance(x, tuple) and any(isinstance(p, str) for p in x))
    if raw and isinstance(model, Task) and model.preprocessor is not None:
        return Read(model, model.reading(x))
    if raw:
        x = _encoded(x, tokenizer)
    return Read(model, _of_array(model, np.asarray(x), tokenizer), tokenizer)


def _model(source):
    if isinstance(source, keras.Model):
        return source
    if isinstance(source, str | Path):
        source = load_run(source)
    if not isinstance(source, Run):
        raise TypeError(
            f"expected a run folder, a Run or a Keras model, received {type(source).__name__}."
        )
    return source.model


def _encoded(text, tokenizer):
    if tokenizer is None:
        raise TypeError(
            "a text needs the tokenizer of the model: trace(model, text, tokenizer), or give the "
            "token ids instead."
        )
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError("the text is empty: give at least one token.")
    return ids


def _of_array(model, x, tokenizer):
    """Return the `Reading` of token ids (T,) or features (T, D)."""
    if x.ndim not in (1, 2) or x.size == 0 or x.dtype.kind not in "iuf":
        raise ValueError(
            "expected a text, one row of token ids (T,) or features (T, D), with at least one "
            f"token; received shape {x.shape} of {x.dtype}."
        )
    if x.ndim == 2:
        steps = [str(t) for t in range(len(x))]
        return Reading(x[None], (Stream(steps),), None)
    if x.dtype.kind == "f":
        raise ValueError(f"expected token ids as whole numbers, received {x.dtype}.")
    tokens = [tokenizer.id_to_token(int(i)) if tokenizer else str(i) for i in x]
    predicts = "hidden" if isinstance(model, MaskedLM) else ""
    return Reading(_inputs(model, x), (Stream(tokens),), x, predicts)


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
