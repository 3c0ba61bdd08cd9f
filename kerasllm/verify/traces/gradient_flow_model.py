"""The gradients that reach the recurrent layers of a model."""

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.utils.tables import readable
from kerasllm.verify.traces.trace import read_text
from kerasllm.verify.twins.model import Twin

__all__ = ["recurrent_calls"]

_TRACES = (ref.LSTMTrace, ref.GRUTrace, ref.SimpleRNNTrace)


def recurrent_calls(source, text, tokenizer=None):
    """Return [(name, trace, gradient of the output)] of the recurrent layers, and the tokens.

    The loss is -ln p of the likeliest answer: of the last step, or of the class. Where the model
    gives no probabilities it is the mean of the outputs.

    Raises:
        ValueError: no recurrent layer that reads forward.
    """
    reading = read_text(source, text, tokenizer)
    twin = Twin(reading.model, dtype="float64")
    tape, outputs, _ = twin._forward(reading.inputs)
    calls = [call for call in tape.calls if call.name and isinstance(call.trace, _TRACES)]
    if not calls:
        raise ValueError(
            "this model has no recurrent layer that reads forward: gradient_flow measures LSTM, "
            "GRU and SimpleRNN layers (for both directions, take one with bidirectional=False)."
        )
    outputs[0].add_gradient(_d_output(outputs[0].array, reading.probabilities(twin)))
    tape.backward()
    found = [(call.name, call.trace, _d_shown(call)) for call in calls]
    return found, [readable(token) for token in reading.tokens]


def _d_output(logits, p):
    """Return the gradient of -ln p of the likeliest answer with respect to the logits."""
    if p is None or logits.shape[-1] != p.shape[-1]:
        return np.full(logits.shape, 1 / logits.size)
    last = p if p.ndim == 1 else p[-1]
    d = np.zeros(logits.shape)
    d[(0, -1) if logits.ndim == 3 else 0] = last - np.eye(len(last))[last.argmax()]
    return d


def _d_shown(call):
    """Return what reached the output of a call; zeros where nothing did."""
    output = keras.tree.flatten(call.output)[0]
    return np.zeros_like(output.array) if output.d is None else output.d
