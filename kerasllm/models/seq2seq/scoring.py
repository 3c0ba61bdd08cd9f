"""What an encoder-decoder writes, and how good that is."""

from typing import NamedTuple

import numpy as np
from keras import ops

from kerasllm.metrics.generation import (
    generation_intervals,
    generation_metrics,
    generation_signatures,
)
from kerasllm.metrics.language import language_metrics
from kerasllm.models.decoding.compiled import compiled
from kerasllm.models.decoding.decoding import decode_ids
from kerasllm.models.seq2seq.preprocessor import shifted, targets_of
from kerasllm.text import EOS, SPECIAL_TOKENS, UNK
from kerasllm.text.batching import pad_bucketed
from kerasllm.text.unknown import incomparable, unknown_share

BUCKET = 16  # fewer shapes than in training: each is compiled apart


class Attention(NamedTuple):
    """What an encoder-decoder looked at.

    Attributes:
        source: the S tokens of the source, <eos> included.
        target: the T tokens of the answer.
        weights: float array (T, S): how much each of them looked at each of those; rows sum to 1.
    """

    source: list
    target: list
    weights: np.ndarray


def attention_of(task, source, target):
    """Return the `Attention` with which a model writes a target (ids without <bos>)."""
    reader = task.preprocessor
    begun = [reader.target_tokenizer.bos_id, *target[:-1]]
    weights = task.attention(pad_bucketed([source], BUCKET), pad_bucketed([begun], BUCKET))
    weights = ops.convert_to_numpy(weights)[0, : len(target), : len(source)]
    tokenizers = reader.tokenizer, reader.target_tokenizer
    words = (
        list(map(t.id_to_token, ids)) for t, ids in zip(tokenizers, (source, target), strict=True)
    )
    return Attention(*words, weights)


def write_answers(task, texts, beam=None):
    """Return what the model writes for each text, "" for an empty one.

    A model that copies may also say `<unk>`: the unknown word of the source that it looks at then
    stands in its place (Luong et al. 2015, "Addressing the rare word problem").

    Args:
        task: a `Seq2Seq` with its preprocessor.
        texts: list of texts.
        beam: number of beams; the preprocessor's when None.
    """
    return [answer for answer, _, _ in _written(task, texts, beam)]


def written_ids(task, text):
    """Return the ids of the answer to a text, found greedily."""
    return _written(task, [text], beam=1)[0][2]


def _written(task, texts, beam=None):
    """Return (answer, ids of the source, ids of the answer) for each text."""
    reader, copies = task.preprocessor, task.settings.copy
    sources = reader.source_ids(texts)
    never = [t for t in range(len(SPECIAL_TOKENS)) if t != EOS and not (copies and t == UNK)]
    written = decode_ids(
        task,
        sources,
        reader.length,
        beam=beam or reader.beam,
        length_penalty=reader.length_penalty,
        never=tuple(never),
    )
    answers = []
    for text, source, ids in zip(texts, sources, written, strict=True):
        answer = reader.target_tokenizer.decode(ids) if text.strip() else ""
        if copies and UNK in ids:
            answer = _with_unknown(task, text, source, ids, answer)
        answers.append((answer, source, ids))
    return answers


def _with_unknown(task, text, source, ids, answer):
    """Put the unknown words that the model looked at into the places of `<unk>`."""
    spans, unknown = task.preprocessor.tokenizer.offsets(text), np.array(source) == UNK
    weights = attention_of(task, source, ids).weights
    for t in (t for t, token in enumerate(ids) if token == UNK):
        if unknown.any():
            start, end = spans[int(np.where(unknown, weights[t], -1).argmax())]
            answer = answer.replace(SPECIAL_TOKENS[UNK], text[start:end], 1)
    return answer


def pair_nats(model, sources, targets, batch_size=64):
    """Return the negative log-likelihood of each target, in nats, and its number of tokens.

    Args:
        model: a `Seq2Seq`.
        sources: R lists of ids.
        targets: R lists of ids from <bos> to <eos>.
        batch_size: pairs at once.
    """
    score = _scorer(model)
    nats, tokens = np.zeros(len(targets)), np.array([len(ids) - 1 for ids in targets])
    order = np.lexsort(([len(ids) for ids in sources], tokens))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        # The last batch is filled up with its own last pair: one compiled shape.
        some = [*rows, *[rows[-1]] * (batch_size - len(rows))]
        inputs, following = shifted(
            pad_bucketed([sources[row] for row in some], BUCKET),
            [targets[row] for row in some],
            BUCKET,
        )
        found = score(inputs["source"], inputs["target"], following)
        nats[rows] = ops.convert_to_numpy(found)[: len(rows)]
    return nats, tokens


def _scorer(model):
    """Return the compiled scores of a batch; made once a model."""
    made = model.__dict__.setdefault("_compiled_scores", {})
    if "pairs" not in made:

        def score(source, target, following):
            logits = model({"source": source, "target": target}, training=False)
            following = ops.cast(ops.convert_to_tensor(following), "int32")
            nats = ops.sparse_categorical_crossentropy(
                following, ops.cast(logits, "float32"), from_logits=True
            )
            return ops.sum(ops.where(following == 0, ops.zeros_like(nats), nats), axis=1)

        made["pairs"] = compiled(score, model, jit=False)
    return made["pairs"]


def references_of(dataset):
    """Return the references of each pair, against which its answer is scored: tuples of texts."""
    return [pair.references for pair in dataset]


def loss(task, dataset):
    """Return (total nats, tokens) of the targets of a data set, all references of each pair."""
    nats, tokens = pair_nats(task, *task.preprocessor.ids(dataset, truncate=True))
    return float(nats.sum()), int(tokens.sum())


def scores(task, dataset, beam=1):
    """Return the loss in nats per token, and the scores of what the model writes, greedily."""
    nats, tokens = loss(task, dataset)
    written = write_answers(task, dataset.texts, beam)
    return {"loss": nats / tokens, **generation_metrics(references_of(dataset), written)}


def evaluation(task, test, train=None):
    """Return scores, intervals, and those of baselines on the same pairs."""
    written, references = write_answers(task, test.texts), references_of(test)
    tokenizer = task.preprocessor.target_tokenizer
    ids = [i for row in tokenizer.encode_batch(targets_of(test)) for i in row]
    unknown = unknown_share(ids, tokenizer)
    scores = {**generation_metrics(references, written), **language_metrics(*loss(task, test))}
    return {
        "model": {**scores, "unknown": unknown},
        "interval": generation_intervals(references, written),
        "baselines": task.baseline_scores(test, train),
        "signatures": generation_signatures(references),
        "notes": incomparable(unknown, tokenizer, "loss and perplexity")[:1] if unknown else [],
    }


def answers(task, texts, attention=False):
    """Return what is written for each text, and a warning; with `attention` an `Attention` too.

    Example:
        >>> row = answers(task, ["3 May 1999"], attention=True)  # doctest: +SKIP
        >>> source, target, weights = row[0]["attention"]  # doctest: +SKIP
        >>> figure = plots.attention_map(target, weights, source)  # doctest: +SKIP
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    rows = []
    for text, written in zip(texts, _written(task, texts), strict=True):
        warning = task.preprocessor.warning(text)
        rows.append({"text": text, "answer": written[0], "warning": warning})
        if attention:
            rows[-1]["attention"] = attention_of(task, *written[1:])
    return rows
