"""What a trained encoder-decoder writes, and how good that is."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from keras import ops

from kerasllm import datasets
from kerasllm.baselines.generation import BASELINES
from kerasllm.metrics import generation as translation
from kerasllm.metrics.language import language_metrics
from kerasllm.models import decode_ids
from kerasllm.models.decoding.compiled import compiled
from kerasllm.models.seq2seq.preprocessor import (
    check_pairs,
    pair_ids,
    run_tokenizers,
    shifted,
    source_ids,
    targets_of,
)
from kerasllm.text import EOS, SPECIAL_TOKENS, UNK
from kerasllm.text.batching import pad_bucketed
from kerasllm.training.run import Run, load_run
from kerasllm.training.settings.seq2seq import Seq2SeqSettings

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


def attention_of(model, tokenizers, source, target):
    """Return the `Attention` with which a model writes a target (ids without <bos>)."""
    begun = [tokenizers[1].bos_id, *target[:-1]]
    weights = model.attention(pad_bucketed([source], BUCKET), pad_bucketed([begun], BUCKET))
    weights = ops.convert_to_numpy(weights)[0, : len(target), : len(source)]
    words = (
        list(map(t.id_to_token, ids)) for t, ids in zip(tokenizers, (source, target), strict=True)
    )
    return Attention(*words, weights)


def write_answers(model, tokenizers, texts, settings, beam=None):
    """Return what the model writes for each text, "" for an empty one.

    A model that copies may also say `<unk>`: the unknown word of the source that it looks at then
    stands in its place (Luong et al. 2015, "Addressing the rare word problem").

    Args:
        model: a `Seq2Seq`.
        tokenizers: (source, target).
        texts: list of texts.
        settings: `Seq2SeqSettings`.
        beam: number of beams; that of the settings when None.
    """
    return [answer for answer, _, _ in _written(model, tokenizers, texts, settings, beam)]


def _written(model, tokenizers, texts, settings, beam=None):
    """Return (answer, ids of the source, ids of the answer) for each text."""
    sources, _ = source_ids(texts, tokenizers[0], settings.length)
    copies = model.settings.copy
    never = [t for t in range(len(SPECIAL_TOKENS)) if t != EOS and not (copies and t == UNK)]
    written = decode_ids(
        model,
        sources,
        settings.length,
        beam=beam or settings.beam,
        length_penalty=settings.length_penalty,
        never=tuple(never),
    )
    answers = []
    for text, source, ids in zip(texts, sources, written, strict=True):
        answer = tokenizers[1].decode(ids) if text.strip() else ""
        if copies and UNK in ids:
            answer = _with_unknown(model, tokenizers, text, source, ids, answer)
        answers.append((answer, source, ids))
    return answers


def _with_unknown(model, tokenizers, text, source, ids, answer):
    """Put the unknown words that the model looked at into the places of `<unk>`."""
    spans, unknown = tokenizers[0].offsets(text), np.array(source) == UNK
    weights = attention_of(model, tokenizers, source, ids).weights
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


def evaluate_seq2seq(run, data=None, split="test", with_baselines=True):
    """Score a run on held-out pairs: BLEU, chrF, ROUGE, exact match, loss.

    Args:
        run: run folder or `Run` of `train_seq2seq`.
        data: name, path or `Dataset`; the run's own data when None.
        split: "test" or "validation".
        with_baselines: also score the nearest training pair and the beginning of the source.

    Returns:
        dict with "data", "split", "rows", and "model", "interval", "baselines" as `evaluate` has.

    Raises:
        ValueError: the data holds no pairs, or an empty source or target.
    """
    run = run if isinstance(run, Run) else load_run(run)
    data = run.config["data"]["source"] if data is None else data
    test = data if isinstance(data, datasets.Dataset) else datasets.load(data, split=split)
    check_pairs(test)
    settings = dataclasses.replace(Seq2SeqSettings(**run.settings), truncate=True)
    tokenizers = run_tokenizers(run)
    answers = write_answers(run.model, tokenizers, test.texts, settings)
    nats, tokens = pair_nats(run.model, *pair_ids(test, tokenizers, settings))
    references = targets_of(test)
    result = {
        "data": test.name,
        "split": split,
        "rows": len(test),
        "model": {
            **translation.scores(answers, references),
            **language_metrics(float(nats.sum()), int(tokens.sum())),
        },
        "interval": translation.intervals(answers, references),
        "baselines": {},
    }
    source = data if isinstance(data, str | Path) else run.config["data"]["source"]
    if with_baselines and source is not None:
        train = datasets.load(source, split="train")
        for name, baseline in BASELINES.items():
            result["baselines"][name] = translation.scores(baseline(train, test.texts), references)
    return result


def predict_seq2seq(run, texts, attention=False):
    """Return what a run writes for each text.

    Args:
        run: run folder or `Run` of `train_seq2seq`.
        texts: list of texts (one text alone is taken for a list of one).
        attention: also return what the model looked at, for `kerasllm.plots.attention_map`.

    Returns:
        list of dicts: text, answer, and a warning (or None) where the text was cut, is empty, or
        holds nothing that the tokenizer knows; with `attention` an `Attention` too.

    Example:
        >>> row = predict_seq2seq("runs/dates", "3 May 1999", attention=True)  # doctest: +SKIP
        >>> source, target, weights = row[0]["attention"]  # doctest: +SKIP
        >>> figure = plots.attention_map(target, weights, source)  # doctest: +SKIP
    """
    run = run if isinstance(run, Run) else load_run(run)
    texts = [texts] if isinstance(texts, str) else list(texts)
    settings, tokenizers = Seq2SeqSettings(**run.settings), run_tokenizers(run)
    rows = []
    for text, written in zip(texts, _written(run.model, tokenizers, texts, settings), strict=True):
        warning = _warning(text, tokenizers[0], settings.length)
        rows.append({"text": text, "answer": written[0], "warning": warning})
        if attention:
            rows[-1]["attention"] = attention_of(run.model, tokenizers, *written[1:])
    return rows


def _warning(text, tokenizer, length):
    ids = tokenizer.encode(text, eos=True)
    if not text.strip():
        return "the text is empty: there is nothing to answer"
    if all(token in (UNK, EOS) for token in ids):
        return "every token is unknown to the tokenizer: the answer says nothing about this text"
    if len(ids) > length:
        return f"only the first {length} of {len(ids)} tokens were read"
    return None
