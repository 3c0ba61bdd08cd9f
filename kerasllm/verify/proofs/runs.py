"""Prove a trained run: the model on its own validation data against its NumPy twin."""

import keras
import numpy as np

from kerasllm.models import ContrastiveLM, MaskedLM, TextClassifier, TokenCrossEntropy, mask_tokens
from kerasllm.text import pad_sequences
from kerasllm.verify.comparison.compare import compare
from kerasllm.verify.comparison.report import Report

__all__ = ["prove_run"]


def prove_run(run, data=None, *, steps=3, rows=4, length=24):
    """Compare a trained model with its twin: every layer, gradient, and a few optimizer steps.

    The loss and the optimizer are those of the training; the weights are put back afterwards.

    Args:
        run: run folder or `Run`.
        data: name, path, `Dataset` or list of texts; the run's own data if left out.
        steps: optimizer steps; 0 leaves them out.
        rows: validation texts.
        length: tokens of each at most.

    Returns:
        A `Report`, of a float32 model with the bars of float32.

    Raises:
        FileNotFoundError: no run folder, or one without a model.
        ValueError: the run was trained on data made in Python, and none are given.
        UnsupportedLayerError: the twin does not know a layer.
    """
    from kerasllm.training.engine.optimizers import make_optimizer
    from kerasllm.training.run import Run, load_run
    from kerasllm.training.settings.classification import FinetuneSettings
    from kerasllm.training.settings.pretraining import PretrainSettings

    run = run if isinstance(run, Run) else load_run(run)
    model, before = run.model, []
    x, y, loss = _batch(run, data, rows, length)
    if isinstance(model, ContrastiveLM):
        # The twin has no loss of spans: both outputs are proven, then the language model's loss.
        before = compare(model, x).rows
        model, x = keras.Model(model.inputs[0], model.output["logits"], name=model.name), x["ids"]
    kind = PretrainSettings if run.config["kind"] == "pretrain" else FinetuneSettings
    # The schedule begins at the peak: a warm-up would hardly move a weight.
    settings = kind(**{**run.settings, "warmup": 0.0})
    model.compile(make_optimizer(settings, max(steps, 2)), loss, jit_compile=False)
    found = compare(model, x, y, steps=steps).rows
    if before:
        found = [row for row in found if row.quantity == "loss" or row.quantity.startswith("after")]
    title = f"{run.path}: {type(run.model).__name__}, Keras against NumPy"
    return Report([*before, *found], title=title)


def _batch(run, data, rows, length):
    """Return (inputs, targets, loss) of held-out texts."""
    source = data if data is not None else run.config["data"].get("source")
    if source is None:
        raise ValueError(
            f"{run.path} was trained on data made in Python, which is not kept: give the data, "
            "prove_run(run, data)."
        )
    if isinstance(run.model, TextClassifier):
        return _labelled(run, source, rows, length)
    return _unlabelled(run, _texts(source), rows, length)


def _texts(source):
    from kerasllm.training.data import read_source
    from kerasllm.training.objectives import text_lists

    return text_lists(read_source(source))[1]


def _labelled(run, source, rows, length):
    from kerasllm.models.classification.preprocessor import label_ids, read_labelled

    data = read_labelled(source)[1].take(rows, seed=0)
    ids = run.tokenizer.encode_batch(data.texts, eos=True)
    y = label_ids(data, run.config["labels"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return pad_sequences([row[:length] for row in ids]), y.astype("int32"), loss


def _unlabelled(run, texts, rows, length):
    ids = _ragged(run.tokenizer, texts, rows, length + 1)
    if isinstance(run.model, MaskedLM):
        size, rng = run.tokenizer.vocabulary_size, np.random.default_rng(0)
        x, y = mask_tokens(ids, size, rng, run.settings["mask_share"])
        return x, y, TokenCrossEntropy()
    if isinstance(run.model, ContrastiveLM):
        return {"ids": ids[:, :-1], "spans": ids[:, :-1]}, ids[:, 1:], TokenCrossEntropy()
    return ids[:, :-1], ids[:, 1:], TokenCrossEntropy()


def _ragged(tokenizer, texts, rows, length):
    """Return ids (rows, T) of texts with 4 tokens or more, padded: the masks are proven too."""
    found = []
    for text in texts:
        ids = tokenizer.encode(text)[:length]
        if len(ids) >= 4:
            # Texts that fill the row are cut, each a little shorter, so that there is padding.
            found.append(ids[: max(4, length - 2 * len(found))])
        if len(found) == rows:
            break
    if not found:
        raise ValueError("expected a validation text with at least 4 tokens, there is none.")
    return pad_sequences(found)
