"""What a report shows of a language model: the tokens that surprised it most, in their places."""

import numpy as np
from keras import ops

from kerasllm.datasets.sources import texts_of
from kerasllm.models.language.corpora import held_out_tokens
from kerasllm.models.language.scoring import token_nats
from kerasllm.models.review import Case, Piece, Review
from kerasllm.text.batching import pad_bucketed

TOKENS = 20_000  # that are read at most
WINDOW = 12  # tokens on each side of a surprise
SHOWN = 10
HOTTEST = 8.0  # nats at which a token is shaded most
BROKEN = "\N{REPLACEMENT CHARACTER}"


def causal_review(task, source):
    """Return the `Review` of the held-out part of a `Source`, whose every token is predicted."""
    reader = task.preprocessor
    ids = np.asarray(held_out_tokens(source, reader.tokenizer))[:TOKENS]
    nats = np.concatenate([[0.0], token_nats(task, ids, reader.length)])
    places = _apart(nats)
    guesses = _guesses(task, [ids[max(0, place - reader.length) : place] for place in places])
    return Review(
        [
            _surprise(reader.tokenizer, ids, nats, place, guess)
            for place, guess in zip(places, guesses, strict=True)
        ],
        "surprise",
    )


def masked_review(task, source):
    """Return the `Review` of the first held-out texts, in which some tokens are hidden."""
    reader, cases = task.preprocessor, []
    rows = reader.rows(texts_of(source)[: reader.at_once])[0][: reader.at_once]
    ids = pad_bucketed(rows, 16)
    inputs, targets = reader.hide(ids, None, np.random.default_rng(1))
    logits = task.predict_on_batch(inputs).astype("float64")
    peak = logits.max(axis=-1, keepdims=True)
    log_p = logits - peak - np.log(np.exp(logits - peak).sum(axis=-1, keepdims=True))
    for row, places in enumerate(inputs["positions"]):
        nats = np.zeros(len(rows[row]))
        hidden = [k for k in range(len(places)) if targets[row, k]]
        for k in hidden:
            nats[places[k]] = -log_p[row, k, targets[row, k]]
        for k in hidden:
            guess = int(log_p[row, k].argmax())
            cases.append(_surprise(reader.tokenizer, rows[row], nats, int(places[k]), guess))
    return Review(sorted(cases, key=lambda case: -case.wrong)[:SHOWN], "hidden")


def _apart(nats):
    """Return the places of the least likely tokens, none in the window of another."""
    places = []
    for place in np.argsort(-nats):
        if place and all(abs(place - other) > WINDOW for other in places):
            places.append(int(place))
        if len(places) == SHOWN:
            break
    return places


def _guesses(task, contexts):
    """Return the id that a causal model expects after each context."""
    features = task.backbone(pad_bucketed(contexts, 16), training=False)
    last = [len(ids) - 1 for ids in contexts]
    logits = ops.convert_to_numpy(task.logits(features))
    return [int(row[place].argmax()) for row, place in zip(logits, last, strict=True)]


def _surprise(tokenizer, ids, nats, place, guess):
    """Return the `Case` of a token among those around it."""
    window = range(max(0, place - WINDOW), min(len(ids), place + WINDOW + 1))
    pieces = _written(tokenizer, [int(ids[i]) for i in window], [nats[i] for i in window])
    truth, said = (tokenizer.id_to_token(int(token)) for token in (ids[place], guess))
    return Case(tuple(pieces), truth, said, float(nats[place]), int(ids[place]) == guess)


def _written(tokenizer, ids, nats):
    """Yield the pieces that tokens add to a text; those of one character's bytes are together."""
    done, begun = "", 0
    for end in range(1, len(ids) + 1):
        text = tokenizer.decode(ids[:end], skip_special=False)
        if text.endswith(BROKEN) and end < len(ids):
            continue
        new = text[len(done) :] if text.startswith(done) else text
        yield Piece(new, heat=float(min(1.0, max(nats[begun:end]) / HOTTEST)))
        done, begun = text, end
