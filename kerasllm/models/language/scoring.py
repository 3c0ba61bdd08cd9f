"""The loss of a language model over a whole text: every token once, none twice."""

import keras
import numpy as np
from keras import ops

from kerasllm.models import RecurrentBackbone
from kerasllm.models.decoding.compiled import compiled

TOKENS_AT_ONCE = 2048  # a window scores few tokens, a small batch of them keeps no processor busy


def token_nats(model, tokens, length=128, batch_size=16):
    """Return -ln p(id_{t+1} | what the model sees before it) for each token but the first.

    A recurrent model carries its state through the text: `batch_size` stretches are read side by
    side, each from its own beginning. A Transformer reads windows of `length` tokens that overlap
    by half, and scores the second half of each, so that every token but those of the first window
    has at least length / 2 tokens of context.

    Args:
        model: a `CausalLM`.
        tokens: ids (n,), n ≥ 2.
        length: tokens a window.
        batch_size: windows, or stretches, at once; windows of at least 2,048 tokens are.

    Returns:
        float64 array (n - 1,).
    """
    tokens = np.asarray(tokens, dtype="int32")
    if len(tokens) < 2:
        raise ValueError(f"expected at least 2 tokens to score, received {len(tokens)}.")
    carry = isinstance(model.backbone, RecurrentBackbone)
    return (_carried if carry else _windowed)(model, tokens, length, batch_size)


def _carried(model, tokens, length, batch_size):
    lanes = max(1, min(batch_size, (len(tokens) - 1) // length))
    each = -(-(len(tokens) - 1) // lanes)
    each = -(-each // length) * length
    ids = np.zeros(lanes * each + 1, dtype="int32")
    ids[: len(tokens)] = tokens
    inputs, targets = ids[:-1].reshape(lanes, each), ids[1:].reshape(lanes, each)

    def score(x, y, state):
        features, state = model.backbone.step(x, state)
        return _nats(model.logits(features), y), state

    step = _cached(model, "_carried_nats", score)
    state, rows = model.backbone.initial_state(lanes), []
    for start in range(0, each, length):
        window = slice(start, start + length)
        nats, state = step(inputs[:, window], targets[:, window], state)
        rows.append(keras.ops.convert_to_numpy(nats))
    return np.concatenate(rows, axis=1).reshape(-1)[: len(tokens) - 1].astype("float64")


def _windowed(model, tokens, length, batch_size):
    length = max(length, 2)
    batch_size = max(batch_size, TOKENS_AT_ONCE // length)
    half = length // 2
    count = len(tokens) - 1
    starts = np.array([0, *range(half, max(count - half, 0) + half, half)])
    starts = starts[starts + (half if len(starts) > 1 else 0) < max(count, 1)]
    ids = np.zeros(starts[-1] + length + 1, dtype="int32")
    ids[: len(tokens)] = tokens

    def score(x, y):
        return _nats(model.logits(model.backbone(x, training=False)), y)

    step = _cached(model, "_windowed_nats", score)
    nats = np.zeros(len(ids) - 1)
    for first in range(0, len(starts), batch_size):
        some = starts[first : first + batch_size]
        # The last batch is filled up with its own last window: one compiled shape.
        some = np.concatenate([some, np.repeat(some[-1:], batch_size - len(some))])
        window = some[:, None] + np.arange(length)
        scored = keras.ops.convert_to_numpy(step(ids[window], ids[window + 1]))
        for start, row in zip(some, scored, strict=True):
            skip = half if start else 0
            nats[start + skip : start + length] = row[skip:]
    return nats[:count]


def _nats(logits, targets):
    logits = ops.cast(logits, "float32")
    return ops.sparse_categorical_crossentropy(
        ops.cast(ops.convert_to_tensor(targets), "int32"), logits, from_logits=True
    )


def _cached(model, name, function):
    """Compile once a model, not once a validation."""
    store = model.__dict__.setdefault("_compiled_scores", {})
    if name not in store:
        store[name] = compiled(function, model)
    return store[name]
