"""Answers on raw text: labels from a classifier, continuations from a language model."""

import numpy as np

from kerasllm.models import CausalLM, Sampling, TextClassifier, generate_ids
from kerasllm.text import EOS, UNK
from kerasllm.training.corpora import Reading
from kerasllm.training.finetuning import classify
from kerasllm.training.run import Run, load_run


def predict(run, texts):
    """Return, for each text, its label and the probability of every label.

    Args:
        run: run folder or `Run` of `finetune`.
        texts: list of texts (one text alone is taken for a list of one).

    Returns:
        list of dicts: text, label, probabilities, and a warning where the text was cut or holds
        nothing that the tokenizer knows.

    Raises:
        ValueError: the run is no classifier.
    """
    run = run if isinstance(run, Run) else load_run(run)
    texts = [texts] if isinstance(texts, str) else list(texts)
    if not isinstance(run.model, TextClassifier):
        raise ValueError(
            f"{run.path} holds a {type(run.model).__name__}, which gives no labels: fine-tune it "
            "first (`kerasllm finetune`), or use `kerasllm generate`."
        )
    if not texts:
        return []
    reading, labels = Reading.of(run.settings), run.config["labels"]
    logits = classify(run.model, run.tokenizer, texts, reading)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return [
        {
            "text": text,
            "label": labels[int(row.argmax())],
            "probabilities": {name: float(x) for name, x in zip(labels, row, strict=True)},
            "warning": _warning(run.tokenizer.encode(text), reading),
        }
        for text, row in zip(texts, p, strict=True)
    ]


def _warning(ids, reading):
    if not ids:
        return "the text is empty: the answer says nothing about it"
    if all(token == UNK for token in ids):
        return "every token is unknown to the tokenizer: the answer says nothing about this text"
    if len(ids) > reading.length and reading.long_texts == "truncate":
        return f"only the first {reading.length} of {len(ids)} tokens were read"
    return None


def generate(
    run, prompt="", *, max_new_tokens=100, temperature=0.8, top_k=None, top_p=None, seed=0
):
    """Continue a prompt with a causal language model.

    Args:
        run: run folder or `Run` of `pretrain` with objective "causal".
        prompt: text, or list of texts; an empty one begins a new text.
        max_new_tokens: at most so many tokens are added.
        temperature: 0 takes the likeliest token each time.
        top_k: draw among the k likeliest tokens only.
        top_p: draw among the likeliest tokens that together reach this probability.
        seed: of the draws.

    Returns:
        The prompt with its continuation, or a list of them.

    Raises:
        ValueError: the run is no causal language model, or the prompt is too long for it.
    """
    run = run if isinstance(run, Run) else load_run(run)
    if not isinstance(run.model, CausalLM):
        raise ValueError(
            f"{run.path} holds a {type(run.model).__name__}, which cannot continue a text: "
            'pretrain with objective="causal".'
        )
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    ids = [run.tokenizer.encode(text) for text in prompts]
    new = generate_ids(
        run.model, ids, max_new_tokens, Sampling(temperature, top_k, top_p), seed=seed
    )
    texts = [
        text + _continuation(run.tokenizer, *rows)
        for text, *rows in zip(prompts, ids, new, strict=True)
    ]
    return texts[0] if isinstance(prompt, str) else texts


def _continuation(tokenizer, prompt, new):
    """Decode new ids as they read after the prompt: between words goes a space."""
    new = [i for i in new if i != EOS]
    before, whole = tokenizer.decode(prompt), tokenizer.decode(prompt + new)
    return whole[len(before) :] if whole.startswith(before) else tokenizer.decode(new)
