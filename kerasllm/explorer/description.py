"""A model and some texts as plain values and one row of float32 numbers: what the page is given.

A model is a row of steps, each of which reads what the one before hands on. Their names, and those
of their symbols, are a trace's. A model of another shape is refused, and the error says why.
"""

import keras
import numpy as np

from kerasllm.explorer.steps import step_of
from kerasllm.explorer.tokens import reading_of, tokenizer_of
from kerasllm.verify.interventions.changed import ChangedTwin
from kerasllm.verify.traces.inputs import read
from kerasllm.verify.traces.trace import trace_of
from kerasllm.verify.twins.graph import output_names
from kerasllm.verify.twins.tape import Composition

SHAPES = "causal language models, classifiers and taggers, recurrent or Transformer"
_PREDICTS = ("next", "class", "tag")
_COMPARED = {
    "x", "i", "f", "g", "o", "c", "h", "z", "r", "inner", "candidate", "q", "k", "v", "weights",
    "a", "gate", "up", "normalized", "rows", "logits", "output",
}  # fmt: skip
WIDE = 1000  # columns of a symbol of which the last row is stored


class Blob:
    """Arrays one behind the other; each is described by its shape and where it begins."""

    def __init__(self):
        self.parts, self.size, self._weights = [], 0, {}

    def add(self, array):
        """Add an array, and return what describes it."""
        array = np.asarray(array, "<f4")
        described = {"shape": list(array.shape), "at": self.size, "size": int(array.size)}
        self.parts.append(array.ravel())
        self.size += array.size
        return described

    def weight(self, variable):
        """Add a variable of Keras, or an array; a variable that several layers share once."""
        if id(variable) not in self._weights:
            array = self.add(keras.ops.convert_to_numpy(variable))
            self._weights[id(variable)] = variable, array  # held, so that no other gets its id
        return self._weights[id(variable)][1]

    def numbers(self):
        """Return all of them, float32, the lowest byte first."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, "<f4")


def describe(run_or_model, texts, tokenizer=None):
    """Return (description, numbers) of a model and of what NumPy computes when it reads the texts.

    Raises:
        ValueError: a model of another shape, weights that are not finite, an empty text.
    """
    blob, traces, twin, source = Blob(), [], None, run_or_model
    for text in texts:
        seen = read(source, text, tokenizer)
        predicts = _predicts(seen)
        twin, source = twin or _finite(ChangedTwin(seen.model)), seen.model
        tape, outputs, _ = twin._forward(seen.reading.inputs)
        chain = _chain(outputs[_answering(seen.model)])
        if not traces:
            steps = _steps(chain, predicts, blob)
        trace = trace_of(seen, twin, [call for call in tape.calls if call.name])
        traces.append({"text": text, **_trace(seen, trace, chain, blob)})
    preprocessor = getattr(source, "preprocessor", None)
    tokenizer = tokenizer or preprocessor.tokenizer
    return {
        "steps": steps,
        "predicts": predicts,
        "multilabel": bool(getattr(preprocessor, "multilabel", False)),
        "normalised": steps[-1].get("activation") == "softmax",
        "labels": _labels(seen, chain) if predicts != "next" else None,
        "tokenizer": tokenizer_of(tokenizer, splits=predicts != "tag"),
        "reading": reading_of(preprocessor, tokenizer, seen.model),
        "traces": traces,
    }, blob.numbers()


def _finite(twin):
    """Return a twin whose weights are all finite.

    Raises:
        ValueError: they are not.
    """
    for variable, weight in zip(twin.variables, twin.get_weights(), strict=True):
        if not np.isfinite(weight).all():
            raise ValueError(
                f"{variable.path} holds NaN or infinity: the training failed. Train again with a "
                "lower learning rate, or clip the gradients."
            )
    return twin


def _answering(model):
    """Return the place of the output that answers: the logits, where a model has several."""
    names = output_names(model)
    return names.index("logits") if "logits" in names else 0


def _predicts(seen):
    """Return "next", "class" or "tag".

    Raises:
        ValueError: a model that answers something else.
    """
    predicts = seen.reading.predicts
    if not predicts:  # a Keras model, which does not say
        predicts = "class" if len(seen.model.outputs[0].shape) == 2 else "next"
    if predicts not in _PREDICTS:
        raise ValueError(
            f"the explorer shows {SHAPES}; this model answers with {predicts!r}. See its numbers "
            "with kerasllm trace, and change them with kerasllm.intervene."
        )
    return predicts


def _chain(value):
    """Return the calls that an output was computed by, each of which reads the one before.

    Raises:
        ValueError: a layer that reads several others.
    """
    chain = []
    while value.source is not None:
        call = value.source
        if sum(one.is_float for one in call.inputs) > 1 or not call.inputs:
            raise ValueError(
                f"the explorer shows {SHAPES}, in which each layer reads the one before; the layer "
                f"{call.name!r} reads several."
            )
        chain.insert(0, call)
        value = call.inputs[0]
    return chain


def _steps(chain, predicts, blob):
    """Return the steps of a model, from the calls of its layers."""
    steps = [step for call in chain for step in step_of(call, blob.weight)]
    if predicts == "class" and not any(step["op"] in ("pool", "last") for step in steps):
        raise ValueError(f"the explorer shows {SHAPES}; this model reads no text to one answer.")
    return steps


def _trace(seen, trace, chain, blob):
    """Return the ids of a text, and every symbol that the page computes too."""
    last, names = chain[-1], {call.name for call in chain}
    symbols = [
        {"layer": layer, "symbol": symbol, **_shown(array, blob)}
        for layer, found in trace.layers.items()
        for symbol, array in found.arrays.items()
        if symbol in _COMPARED and layer.split("/")[0] in names
        if not isinstance(found.trace, Composition)
    ]
    if last.output.array.ndim == 2:  # of the whole text: no symbol of a token
        array = blob.add(last.output.array[0])
        symbols.append({"layer": last.name, "symbol": "output", "from": 0, **array})
    read = {"ids": np.ravel(seen.reading.ids).tolist(), "note": seen.reading.note}
    if seen.reading.predicts == "tag":
        words = list(seen.reading.streams[-1].tokens)
        read["positions"] = np.ravel(seen.reading.inputs["positions"])[: len(words)].tolist()
        read["words"] = words
    return {**read, "symbols": symbols}


def _shown(array, blob):
    """Add a symbol; of scores of a whole vocabulary those of the last position alone."""
    first = len(array) - 1 if array.ndim == 2 and array.shape[1] > WIDE else 0
    return {"from": first, **blob.add(array[first:])}


def _labels(seen, chain):
    """Return the names of the classes or tags; numbers, of a model that has none."""
    named = getattr(seen.model, "preprocessor", None) is not None
    count = chain[-1].output.array.shape[-1]
    return [seen.label(k) if named else str(k) for k in range(count)]
