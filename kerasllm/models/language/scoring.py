"""How well language models predict text: every token once, none twice."""

import keras
import numpy as np
from keras import ops

from kerasllm.baselines.language import gzip_code, kneser_ney
from kerasllm.metrics.language import language_intervals, language_metrics
from kerasllm.models.backbones.recurrent import RecurrentBackbone
from kerasllm.models.decoding.compiled import compiled
from kerasllm.models.language.corpora import (
    held_out_documents,
    held_out_pieces,
    held_out_tokens,
    text_size,
    training_tokens,
)
from kerasllm.text.batching import TextBatches
from kerasllm.text.unknown import incomparable, unknown_share

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


def stream_nats(task, rows):
    """Return -ln p of each token of rows of ids but the first of all, the rows read as one text."""
    tokens = np.concatenate([np.asarray(row, "int32") for row in rows])
    return token_nats(task, tokens, task.preprocessor.length)


def masked_nats(task, ids, limit=None):
    """Return -ln p of each hidden token; the same tokens are hidden at every call.

    Args:
        task: a `MaskedLM` with its preprocessor.
        ids: lists of token ids, or `Documents`.
        limit: stop after so many tokens.
    """
    reader = task.preprocessor
    held_out = TextBatches(ids, None, reader.at_once, seed=1, transform=reader.hide)
    nats, seen = [], 0
    for step in range(held_out.steps_per_epoch):
        inputs, targets = held_out.batch(step)
        seen += np.count_nonzero(inputs["ids"])
        if nats and limit and seen > limit:
            break
        nats.append(_hidden_nats(task, inputs, targets))
    return np.concatenate(nats)


def _hidden_nats(model, inputs, targets):
    """Return -ln p of each hidden token of a batch."""
    logits = model.predict_on_batch(inputs).astype("float64")
    logits -= logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(logits).sum(axis=-1))
    chosen = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return (log_sum - chosen)[targets != 0]


def text_scores(task, texts, nats_of):
    """Return for each text its loss in nats per token, its perplexity, and a warning or None.

    Args:
        task: a language model with its preprocessor.
        texts: list of texts; one text alone is taken for a list of one.
        nats_of: (task, rows of ids) -> nats.
    """
    texts, reader = [texts] if isinstance(texts, str) else list(texts), task.preprocessor
    found = []
    for text in texts:
        rows, warning = reader.rows([text])[0], reader.warning(text)
        known = {"text": text, "loss": None, "perplexity": None}
        if rows and text:
            nats = nats_of(task, rows)
            scores = language_metrics(float(nats.sum()), len(nats))
            known |= {name: scores[name] for name in ("loss", "perplexity")}
        found.append({**known, "warning": warning})
    return found


def causal_evaluation(task, source, train=None):
    """Return scores, intervals and baselines on the held-out part of a `Source`.

    Args:
        task: a `CausalLM` with its preprocessor.
        source: a `Source`.
        train: the `Source` whose training part baselines learn from; None leaves them out.
    """
    tokenizer = task.preprocessor.tokenizer
    tokens = np.asarray(held_out_tokens(source, tokenizer))
    nats = token_nats(task, tokens, task.preprocessor.length)
    size = text_size(held_out_pieces(source, tokenizer), tokenizer)
    unknown = {"unknown": unknown_share(tokens[1:], tokenizer)}
    scores = {**language_metrics(float(nats.sum()), len(nats), **size), **unknown}
    result = _result(nats, scores, tokenizer)
    if train is not None:
        learned = np.asarray(training_tokens(train, tokenizer))
        ngram = kneser_ney(learned, tokens, tokenizer.vocabulary_size, **size)
        result["baselines"]["kneser_ney"] = {**ngram.metrics, **unknown}
        pieces = held_out_pieces(source, tokenizer)
        if tokenizer.lowercase:
            pieces = (piece.lower() for piece in pieces)
        code = gzip_code(pieces, len(nats), **size)
        result["baselines"]["gzip"] = {**code.metrics, "unknown": 0.0}
    return result


def masked_evaluation(task, source):
    """Return the scores of the hidden tokens in the held-out part of a `Source`."""
    reader = task.preprocessor
    ids = held_out_documents(source, reader.tokenizer, reader.length)
    nats = masked_nats(task, ids)
    read = np.concatenate([np.asarray(ids[row]) for row in range(len(ids))])
    scores = language_metrics(float(nats.sum()), len(nats))
    scores["unknown"] = unknown_share(read, reader.tokenizer)
    return _result(nats, scores, reader.tokenizer)


def _result(nats, metrics, tokenizer=None):
    return {
        "rows": len(nats),
        "model": metrics,
        "interval": language_intervals(nats),
        "baselines": {},
        "notes": [] if tokenizer is None else incomparable(metrics["unknown"], tokenizer),
    }
