"""Answers on raw text: labels from a classifier, continuations from a language model."""

import itertools

import numpy as np

from kerasllm.models import CausalLM, Sampling, TextClassifier, decode_ids
from kerasllm.models.decoding.long_texts import generate_long, stream_long
from kerasllm.models.language.continuations import continuation, cut, pieces, stop_ids
from kerasllm.training import shapes
from kerasllm.training.classification import classify
from kerasllm.training.data import Reading
from kerasllm.training.run import Run, load_run


def predict(run, texts, *, attention=False):
    """Return, for each text, its label (or labels) and the probability of every label.

    Args:
        run: run folder or `Run` of `finetune`, or of a tagger, an encoder-decoder or an answerer.
        texts: list of texts (one text alone is taken for a list of one); for an answerer, of pairs
            (question, context).
        attention: of an encoder-decoder: also return what it looked at.

    Returns:
        list of dicts: text, label, probabilities, and a warning where the text was cut or holds
        nothing that the tokenizer knows. Other runs give what `predict_tagger`, `predict_seq2seq`
        and `predict_span` say.

    Raises:
        ValueError: the run gives no answers, or has no attention to return.
    """
    run = run if isinstance(run, Run) else load_run(run)
    texts = [texts] if isinstance(texts, str) else list(texts)
    if attention and run.config["kind"] != "seq2seq":
        raise ValueError(
            f"{run.path} holds a {type(run.model).__name__}, and only an encoder-decoder looks "
            "from its answer at a source: leave attention out, or use `kerasllm trace`."
        )
    if run.config["kind"] in shapes.SHAPES:
        options = {"attention": True} if attention else {}
        return shapes.function("predict", run.config["kind"])(run, texts, **options)
    if not isinstance(run.model, TextClassifier):
        raise ValueError(
            f"{run.path} holds a {type(run.model).__name__}, which gives no labels: fine-tune it "
            "first (`kerasllm finetune`), or use `kerasllm generate`."
        )
    if not texts:
        return []
    reading, labels = Reading.of(run.settings), run.config["labels"]
    logits = classify(run.model, run.tokenizer, texts, reading)
    if several := run.config.get("multilabel"):
        p = 1 / (1 + np.exp(-logits))
    else:
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
    return [
        {
            "text": text,
            **_answer(labels, row, several),
            "probabilities": {name: float(x) for name, x in zip(labels, row, strict=True)},
            "warning": _warning(run.tokenizer.encode(text), reading, run.tokenizer),
        }
        for text, row in zip(texts, p, strict=True)
    ]


def _answer(labels, p, several):
    """Return the likeliest label; where there may be several, all with p ≥ 1/2."""
    if several:
        return {"labels": [name for name, x in zip(labels, p, strict=True) if x >= 0.5]}
    return {"label": labels[int(p.argmax())]}


def _warning(ids, reading, tokenizer):
    if not ids:
        return "the text is empty: the answer says nothing about it"
    if all(token == tokenizer.unk_id for token in ids):
        return "every token is unknown to the tokenizer: the answer says nothing about this text"
    room = tokenizer.room(reading.length)
    if len(ids) > room and reading.long_texts == "truncate":
        return f"only the first {room} of {len(ids)} tokens were read"
    return None


def generate(
    run,
    prompt="",
    *,
    max_new_tokens=100,
    temperature=0.8,
    top_k=None,
    top_p=None,
    repetition_penalty=1.0,
    beam=1,
    prefix="",
    stop=(),
    seed=0,
    stream=False,
):
    """Continue a prompt with a causal language model.

    Args:
        run: run folder or `Run` of `pretrain` with objective "causal".
        prompt: text, or list of texts; an empty one begins a new text.
        max_new_tokens: at most so many tokens are added. Where they do not fit into the model's
            context, its second half is read again each time it is full (not with a beam search).
        temperature: 0 takes the likeliest token each time.
        top_k: draw among the k likeliest tokens only.
        top_p: draw among the likeliest tokens that together reach this probability.
        repetition_penalty: above 1 avoids what the text holds already; 1.2 is usual.
        beam: more than 1: the best continuation that a beam search finds, which draws nothing.
        prefix: text that every continuation begins with.
        stop: text, or list of texts: a continuation ends before the first of them.
        seed: of the draws.
        stream: return a generator of the text's pieces, the prompt first, as they are made.

    Returns:
        The prompt with its continuation, or a list of them, or with `stream` the generator.

    Raises:
        ValueError: the run is no causal language model, a prompt fills its context (a beam search
            needs room for the new tokens too), or several prompts or beams are to be streamed.
    """
    run = run if isinstance(run, Run) else load_run(run)
    if not isinstance(run.model, CausalLM):
        raise ValueError(
            f"{run.path} holds a {type(run.model).__name__}, which cannot continue a text: "
            'pretrain with objective="causal".'
        )
    if stream and (beam > 1 or not isinstance(prompt, str)):
        raise ValueError(
            "a stream is of one prompt, token by token: give one text and beam=1, or set "
            "stream=False."
        )
    tokenizer = run.tokenizer
    stops = [text for text in ([stop] if isinstance(stop, str) else stop) if text]
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    ids = [tokenizer.encode(text) or [tokenizer.eos_id] for text in prompts]
    options = {
        "max_new_tokens": max_new_tokens,
        "stop": stop_ids(tokenizer, stops),
        "never": tuple(sorted(tokenizer.special_ids - {tokenizer.eos_id})),
        "prefix": tokenizer.encode(prefix),
    }
    sampling = Sampling(temperature, top_k, top_p, repetition_penalty)
    if stream:
        tokens = stream_long(run.model, ids[0], sampling=sampling, seed=seed, **options)
        return itertools.chain([prompt], pieces(tokenizer, ids[0], tokens, stops))
    if beam > 1:
        new = decode_ids(run.model, ids, beam=beam, **options)
    else:
        new = generate_long(run.model, ids, sampling=sampling, seed=seed, **options)
    texts = [
        text + cut(continuation(tokenizer, *rows), stops)
        for text, *rows in zip(prompts, ids, new, strict=True)
    ]
    return texts[0] if isinstance(prompt, str) else texts
