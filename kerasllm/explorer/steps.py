"""From a layer of Keras to a step of the page: what it does, its name, its settings and weights."""

import keras
import numpy as np

from kerasllm import layers
from kerasllm.layers.embedding import MIX, NEVER
from kerasllm.models.language.masked_lm import GatherPositions
from kerasllm.models.tagging.token_tagger import GatherWords
from kerasllm.verify.twins.rules.kerasllm import LogitsTrace
from kerasllm.verify.twins.rules.recurrent import equation
from kerasllm.verify.twins.rules.tagging import allowed

_CELLS = {keras.layers.LSTM: "lstm", keras.layers.GRU: "gru", keras.layers.SimpleRNN: "simple"}
_BENDS = ("linear", "softmax", "relu", "tanh", "sigmoid")


def step_of(call, add):
    """Return the steps, none or several, of one call of a layer.

    Args:
        call: a `Call` of the twin.
        add: (weight, name=None) -> what describes it, of a `Blob`.

    Raises:
        ValueError: a layer that the page does not compute, or not with these settings.
    """
    for kind, make in _STEPS.items():
        if isinstance(call.layer, kind):
            return make(call, call.layer, add)
    raise ValueError(
        f"the explorer does not compute the layer {type(call.layer).__name__} ({call.name!r}). See "
        "its numbers with kerasllm trace, and change them with kerasllm.intervene."
    )


def _named(layer, add, *names):
    """Return {name: weight} in the order of the layer's weights, None for one that it lacks."""
    weights = [add(weight) for weight in layer.weights]
    return dict(zip(names, [*weights, *[None] * len(names)], strict=False))


def _nothing(_call, _layer, _add):
    return []


def _token_embedding(call, layer, add):
    if isinstance(call.trace, LogitsTrace):
        return [{"op": "logits", "name": call.name, "table": add(layer.output_table),
                 "never": None if layer.score_pad else float(NEVER)}]  # fmt: skip
    table = add(layer.embeddings)
    if layer.positions == "learned":
        places = add(layer.position_embeddings)
    else:
        places = {"sinusoidal": True} if layer.positions == "sinusoidal" else None
    segments = add(layer.segment_embeddings) if layer.segments else None
    pairs = add(layer.pair_embeddings) if layer.pairs else None
    return [{"op": "embedding", "name": call.name, "table": table, "positions": places,
             "segments": segments, "separator": int(layer.separator), "pairs": pairs,
             "mix": MIX}]  # fmt: skip


def _embedding(call, layer, add):
    _refuse(layer, layer.mask_zero and "mask_zero=True")
    return [{"op": "embedding", "name": call.name, "table": add(layer.embeddings)}]


def _cell(layer, name, add):
    """Return one recurrent layer."""
    _refuse(layer, (layer.stateful and "stateful=True"))
    kind = next(cell for keras_layer, cell in _CELLS.items() if isinstance(layer, keras_layer))
    _, options = equation(layer, layer.cell)
    step = {"name": name, "cell": kind, "backwards": bool(layer.go_backwards), **options}
    step |= {"kernel": add(layer.cell.kernel), "bias": None, "recurrent_bias": None}
    step["recurrent_kernel"] = add(layer.cell.recurrent_kernel)
    if layer.use_bias:
        rows = np.atleast_2d(keras.ops.convert_to_numpy(layer.cell.bias))
        path = layer.cell.bias.path
        two = len(rows) == 2
        step["bias"] = add(rows[0], f"{path}[0]" if two else path)
        step["recurrent_bias"] = add(rows[1], f"{path}[1]") if two else None
    return step


def _recurrent(call, layer, add, name=None, residual=False):
    name = name or call.name
    if isinstance(layer, keras.layers.Bidirectional):
        _refuse(layer, layer.merge_mode != "concat" and f"merge_mode={layer.merge_mode!r}")
        parts = {"forward": layer.forward_layer, "backward": layer.backward_layer}
        cells = {way: _cell(one, f"{name}/{way}", add) for way, one in parts.items()}
        _refuse(layer, not layer.return_sequences and "return_sequences=False")
        return [{"op": "both", "name": name, "residual": residual, **cells}]
    cell = _cell(layer, name, add)
    _refuse(layer, cell["backwards"] and "go_backwards=True")
    step = {**cell, "op": "recurrent", "residual": residual}
    return [step] if layer.return_sequences else [step, {"op": "last", "name": f"{name}/last"}]


def _stack(call, layer, add):
    names = (f"{call.name}/{part.name}" for part in layer.layers)
    pairs = zip(layer.layers, names, strict=True)
    return [s for part, name in pairs for s in _recurrent(call, part, add, name, layer.residual)]


def _dense(call, layer, add):
    bend = getattr(layer.activation, "__name__", "linear")
    _refuse(layer, bend not in _BENDS and f"activation={bend!r}")
    return [{"op": "dense", "name": call.name, "activation": bend,
             **_named(layer, add, "kernel", "bias")}]  # fmt: skip


def _norm(call, layer, add):
    return [{"op": "norm", "name": call.name, **_norm_settings(layer, add)}]


def _norm_settings(layer, add):
    if isinstance(layer, keras.layers.RMSNormalization):
        return {"rms": True, "epsilon": float(layer.epsilon), "gamma": add(layer.scale)}
    given = (("gamma", layer.gamma), ("beta", layer.beta))
    weights = {name: None if weight is None else add(weight) for name, weight in given}
    return {"epsilon": float(layer.epsilon), **weights}


def _attention(layer, add):
    names = ("kernel", "output_kernel", "bias", "output_bias")
    rotary = {"base": layer.rotary_base, "interleaved": layer.interleaved}
    return {"heads": layer.num_heads, "groups": layer.groups, "size": layer.head_size,
            "causal": bool(layer.causal), "rotary": rotary if layer.rotary else None,
            **_named(layer, add, *names)}  # fmt: skip


def _block(call, layer, add):
    names = ("w_1", "b_1", "w_2", "b_2") if layer.feed_forward.use_bias else ("w_1", "w_2")
    feed_forward = {"activation": layer.feed_forward.activation, "b_1": None, "b_2": None,
                    **_named(layer.feed_forward, add, *names)}  # fmt: skip
    return [{"op": "block", "name": call.name, "norm": layer.norm,
             "attention": _attention(layer.attention, add), "feed_forward": feed_forward,
             "attention_norm": _norm_settings(layer.attention_norm, add),
             "feed_forward_norm": _norm_settings(layer.feed_forward_norm, add)}]  # fmt: skip


def _pool(call, layer, add):
    query = add(layer.query) if layer.mode == "attention" else None
    return [{"op": "pool", "name": call.name, "mode": layer.mode, "query": query}]


def _gather(call, _layer, _add):
    return [{"op": "gather", "name": call.name}]


def _crf(call, layer, add):
    arrays = allowed(layer, [keras.ops.convert_to_numpy(weight) for weight in layer.weights])
    named = zip(("transitions", "start", "end"), arrays, strict=True)
    weights = {name: add(array, f"{call.name}/{name}") for name, array in named}
    return [{"op": "crf", "name": call.name, **weights}]


def _refuse(layer, what):
    if what:
        raise ValueError(
            f"the explorer computes {type(layer).__name__}, but not with {what} (layer "
            f"{layer.name!r}). See its numbers with kerasllm trace."
        )


_STEPS = {
    keras.layers.Dropout: _nothing,
    layers.TokenEmbedding: _token_embedding,
    keras.layers.Embedding: _embedding,
    layers.StackedRNN: _stack,
    (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN): _recurrent,
    keras.layers.Bidirectional: _recurrent,
    keras.layers.Dense: _dense,
    (keras.layers.LayerNormalization, keras.layers.RMSNormalization): _norm,
    layers.TransformerEncoder: _block,
    layers.MaskedPooling: _pool,
    (GatherWords, GatherPositions): _gather,
    layers.CRF: _crf,
}
