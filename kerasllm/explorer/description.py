"""A model and some texts as plain values and one row of float32 numbers: what the page is given.

A model is a row of steps, each of which reads what the one before hands on. Their names, and those
of their symbols, are a trace's. A model of another shape is refused, and the error says why. Of a
model that is too large the numbers of its texts are given, and its weights are not.
"""

import json

import keras
import numpy as np

from kerasllm.explorer.steps import step_of
from kerasllm.explorer.tokens import names_of, reading_of, tokenizer_of
from kerasllm.models import Seq2Seq, SpanExtractor, TextEncoder
from kerasllm.training import Run
from kerasllm.verify.interventions.changed import ChangedTwin
from kerasllm.verify.traces.inputs import read
from kerasllm.verify.traces.trace import trace_of
from kerasllm.verify.twins.graph import output_names
from kerasllm.verify.twins.tape import Composition

SHAPES = (
    "language models (of the next token, or of hidden ones), classifiers and taggers, recurrent or "
    "Transformer"
)
INSTEAD = "See its numbers with kerasllm trace, and change them with kerasllm.intervene."
_PREDICTS = ("next", "hidden", "class", "tag")
_OTHERS = {
    SpanExtractor: "a model that finds answers, which reads a question and a text",
    Seq2Seq: "an encoder-decoder, which reads one text and writes another",
    TextEncoder: "a text encoder, which answers with a vector",
}
# What is stored of a text, in the order in which it is kept where not all has room.
_COMPARED = (
    "weights", "h", "c", "f", "i", "o", "g", "z", "r", "candidate", "inner", "output", "logits",
    "normalized", "x", "a", "gate", "up", "rows", "q", "k", "v",
)  # fmt: skip
LARGEST = 12_000_000  # bytes of a page
WEIGHTS = 11_000_000  # bytes that weights may have in it
WIDE = 1000  # columns of a symbol of which the last row is stored
LIKELIEST = 10  # answers that are stored at each token of a model without its weights
SMALL = 4096  # numbers of a weight that is stored all the same


class Blob:
    """Arrays one behind the other; each is described by its name, its shape and where it begins."""

    def __init__(self, largest=None):
        self.parts, self.size, self.largest, self._weights = [], 0, largest, {}

    def add(self, array):
        """Add an array, and return what describes it."""
        array = np.asarray(array, "<f4")
        described = {"shape": list(array.shape), "at": self.size, "size": int(array.size)}
        self.parts.append(array.ravel())
        self.size += array.size
        return described

    def weight(self, variable, name=None):
        """Add a variable of Keras, or an array; a variable that several layers share once.

        One of more than `largest` numbers is described and not added.
        """
        if id(variable) not in self._weights:
            array = keras.ops.convert_to_numpy(variable)
            without = self.largest is not None and array.size > self.largest
            described = {"shape": list(array.shape)} if without else self.add(array)
            described["name"] = name or getattr(variable, "path", "weights")
            self._weights[id(variable)] = variable, described  # held, so that no other gets its id
        return self._weights[id(variable)][1]

    @property
    def written(self):
        """How many bytes the numbers have in base64."""
        return written(self.size)

    def numbers(self):
        """Return all of them, float32, the lowest byte first."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, "<f4")


def written(count):
    """Return how many bytes some float32 numbers have in base64."""
    return 4 * -(-4 * count // 3)


def size_of(description):
    """Return how many bytes a description has as it is written into a page."""
    return len(json.dumps(description, ensure_ascii=False).encode())


def describe(run_or_model, texts, tokenizer=None, largest=LARGEST):
    """Return (description, numbers) of a model and of what NumPy computes when it reads the texts.

    Args:
        run_or_model: as of `kerasllm.verify.trace`.
        texts: to read.
        tokenizer: that of a model given without a run.
        largest: bytes that both may have. Weights that do not fit are left out.

    Raises:
        ValueError: a model of another shape, weights that are not finite, an empty text.
    """
    model = run_or_model.model if isinstance(run_or_model, Run) else run_or_model
    twin, traces = None, []
    for kind, what in _OTHERS.items():
        if isinstance(model, kind):
            _refuse(what)
    for text in texts:
        seen = read(model, text, tokenizer)
        predicts, model = _predicts(seen), seen.model
        twin = twin or _finite(ChangedTwin(model))
        tape, outputs, _ = twin._forward(seen.reading.inputs)
        chain = _chain(outputs[_answering(model)])
        trace = trace_of(seen, twin, [call for call in tape.calls if call.name])
        traces.append(({"text": _text(text), **_read(seen)}, trace, chain))
    preprocessor = getattr(model, "preprocessor", None)
    tokenizer = tokenizer or (preprocessor and preprocessor.tokenizer)
    made = {
        "predicts": predicts,
        "multilabel": bool(getattr(preprocessor, "multilabel", False)),
        "labels": None if predicts in ("next", "hidden") else _labels(seen, chain),
        "answers": int(chain[-1].output.array.shape[-1]),
        "reading": reading_of(preprocessor, tokenizer, model),
    }
    count = sum({id(v): int(np.prod(v.shape)) for v in model.variables}.values())
    if written(count) <= min(WEIGHTS, largest):
        whole = _whole(made, chain, predicts, tokenizer, preprocessor)
        if whole[1].written + size_of(whole[0]) <= largest:
            return _with_symbols(*whole, traces, largest)
    small = _small(made, chain, predicts, tokenizer, traces, count)
    return _with_symbols(*small, traces, largest)


def _whole(made, chain, predicts, tokenizer, preprocessor):
    """Return (description, blob) of a model with its weights."""
    blob = Blob()
    steps = _steps(chain, predicts, blob)
    return {
        **made, "computes": True, "steps": steps, "why": "",
        "normalised": steps[-1].get("activation") == "softmax",
        "tokenizer": tokenizer_of(tokenizer, preprocessor),
    }, blob  # fmt: skip


def _small(made, chain, predicts, tokenizer, traces, count):
    """Return (description, blob) of a model without its weights."""
    blob = Blob(SMALL)
    steps = _steps(chain, predicts, blob)
    why = (
        f"This page shows what NumPy computed: with {count:,} weights the model is too large for a "
        "page that computes it. Nothing can be typed or changed here: give texts to kerasllm "
        "explore RUN TEXT …, and change numbers with kerasllm.intervene."
    )
    if predicts == "hidden":
        why += " An answer is that with its own token hidden; the pictures are of the whole text."
    ids = set()
    for stored, trace, _ in traces:
        ids |= set(stored["ids"])
        if predicts in ("next", "hidden"):
            stored["answers"] = _likeliest(trace.probabilities)
            ids |= {one for row in stored["answers"] for one, _ in row}
    shown = {"tokens": names_of(tokenizer, sorted(ids)), "kind": None, "mask": None, "why": ""}
    return {
        **made, "computes": False, "steps": steps, "why": why, "tokenizer": shown,
        "normalised": steps[-1].get("activation") == "softmax",
    }, blob  # fmt: skip


def _with_symbols(made, blob, traces, largest):
    """Return (description, numbers), with as many symbols of the texts as have room."""
    made["traces"] = [stored for stored, *_ in traces]
    found = []
    for number, (_, trace, chain) in enumerate(traces):
        found += [(number, *one) for one in _symbols(trace, chain, made["computes"])]
    left = largest - blob.written - size_of(made)
    kept, without = {}, set()
    for place in sorted(range(len(found)), key=lambda k: _COMPARED.index(found[k][2])):
        number, layer, symbol, first, array = found[place]
        described = {"layer": layer, "symbol": symbol, "from": first}
        need = written(array.size) + size_of(described) + 60  # its shape and place
        if need > left:
            without.add(symbol)
            continue
        left -= need
        kept[place] = number, {**described, **blob.add(array)}
    for stored in made["traces"]:
        stored["symbols"] = []
    for place in sorted(kept):
        number, described = kept[place]
        made["traces"][number]["symbols"].append(described)
    if without and not made["computes"]:
        made["why"] += f" For want of room without some of {', '.join(sorted(without))}."
    if not all(stored["symbols"] for stored in made["traces"]):
        raise ValueError(
            f"a page of {largest / 1e6:.0f} MB has no room for the numbers of these texts: give "
            f"shorter or fewer ones. {INSTEAD}"
        )
    return made, blob.numbers()


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
    """Return "next", "hidden", "class" or "tag".

    Raises:
        ValueError: a model that answers something else.
    """
    predicts = seen.reading.predicts
    if not predicts:  # a Keras model, which does not say
        predicts = "class" if len(seen.model.outputs[0].shape) == 2 else "next"
    if predicts not in _PREDICTS:
        _refuse(f"a model that answers with {predicts!r}")
    return predicts


def _refuse(what):
    raise ValueError(f"the explorer shows {SHAPES}; this is {what}. {INSTEAD}")


def _chain(value):
    """Return the calls that an output was computed by, each of which reads the one before.

    Raises:
        ValueError: a layer that reads several others.
    """
    chain = []
    while value.source is not None:
        call = value.source
        if sum(one.is_float for one in call.inputs) > 1 or not call.inputs:
            _refuse(
                f"a model in which the layer {call.name!r} reads several others, and the page "
                "computes layers that read the one before"
            )
        chain.insert(0, call)
        value = call.inputs[0]
    return chain


def _steps(chain, predicts, blob):
    """Return the steps of a model, from the calls of its layers."""
    steps = [step for call in chain for step in step_of(call, blob.weight)]
    if predicts == "class" and not any(step["op"] in ("pool", "last") for step in steps):
        _refuse("a model that reads no text to one answer")
    return steps


def _text(text):
    return text if isinstance(text, str) else " ".join(map(str, np.ravel(text).tolist()))


def _read(seen):
    """Return the ids of a text, and the words of a tagger."""
    stored = {"ids": np.ravel(seen.reading.ids).tolist(), "note": seen.reading.note}
    if seen.reading.predicts == "tag":
        words = list(seen.reading.streams[-1].tokens)
        stored["positions"] = np.ravel(seen.reading.inputs["positions"])[: len(words)].tolist()
        stored["words"] = words
    return stored


def _symbols(trace, chain, computes):
    """Return (layer, symbol, from which row, array) of every symbol that the page computes too."""
    last, names = chain[-1], {call.name for call in chain}
    found = [
        (layer, symbol, *_shown(array))
        for layer, one in trace.layers.items()
        for symbol, array in one.arrays.items()
        if symbol in _COMPARED and layer.split("/")[0] in names
        if not isinstance(one.trace, Composition)
    ]
    if last.output.array.ndim == 2:  # of the whole text: no symbol of a token
        found.append((last.name, "output", 0, last.output.array[0]))
    # Without the weights a picture needs the rows of all tokens.
    return found if computes else [one for one in found if one[2] == 0]


def _shown(array):
    """Return a symbol; of scores of a whole vocabulary those of the last position alone."""
    first = len(array) - 1 if array.ndim == 2 and array.shape[1] > WIDE else 0
    return first, array[first:]


def _likeliest(p):
    """Return the likeliest tokens at each position with their probabilities."""
    best = np.argsort(-p, axis=-1, kind="stable")[:, :LIKELIEST]
    pairs = zip(p, best, strict=True)
    return [[[int(k), round(float(row[k]), 6)] for k in order] for row, order in pairs]


def _labels(seen, chain):
    """Return the names of the classes or tags; numbers, of a model that has none."""
    named = getattr(seen.model, "preprocessor", None) is not None
    count = chain[-1].output.array.shape[-1]
    return [seen.label(k) if named else str(k) for k in range(count)]
