"""Prove a trained run: the model on its own validation data against its NumPy twin.

An imported run has no data of its own: it is proven on a prompt. A language model among these is
large: the steps are those of a low-rank adaptation, as it would be fine-tuned, and every weight
below is held once more.
"""

import contextlib

import keras
import numpy as np

from kerasllm.models import CausalLM, LoRA, TextEncoder, TokenCrossEntropy
from kerasllm.training import Run, load_run
from kerasllm.verify.comparison.compare import compare
from kerasllm.verify.comparison.report import Report

PROMPTS = (
    "On a mountain, water boils before it is as hot as at the sea.",
    "山上的水不到一百度就开了。",
)
RANK, RATE = 2, 1e-3  # of the adaptation


def prove_run(run, data=None, *, steps=3, rows=4, length=24):
    """Compare a trained model with its twin: every layer, gradient, and a few optimizer steps.

    The examples are read as in training, and the loss and the optimizer are those of the training;
    the weights are put back afterwards.

    Args:
        run: run folder or `Run`, of any task and method.
        data: name, path, `Dataset` or list of texts; if left out the run's own data, or a prompt
            for an imported run.
        steps: optimizer steps; 0 leaves them out.
        rows: validation examples.
        length: tokens of each at most, where the task can cut them.

    Returns:
        A `Report`, of a float32 model with the bars of float32.

    Raises:
        FileNotFoundError: no run folder, or one without a model.
        ValueError: the run was trained on data made in Python, and none are given.
        UnsupportedLayerError: the twin does not know a layer.
    """
    run = run if isinstance(run, Run) else load_run(run)
    x, y = _batch(run, data, rows, length)
    if isinstance(run.model, TextEncoder):  # vectors have neither loss nor targets
        report = compare(run.model, x)
    elif _imported(run) and isinstance(run.model, CausalLM):
        with _adapted(run.model) as model:
            report = compare(model, x, y, steps=steps)
    else:
        report = compare(run.compiled(steps), x, y, steps=steps)
    title = f"{run.path}: {type(run.model).__name__}, Keras against NumPy"
    return Report(report.rows, title=title, warnings=report.warnings)


def _imported(run):
    return "model_type" in run.config


@contextlib.contextmanager
def _adapted(task):
    """Give a task with a small adaptation, which is taken off again."""
    trainable = [layer.trainable for layer in task.backbone.layers]
    model, rng = LoRA(task, RANK), np.random.default_rng(0)
    for _, b in model.corrections:  # from 0 on, A would have no gradient
        b.assign(0.02 * rng.standard_normal(b.shape))
    model.compile(keras.optimizers.Adam(RATE), TokenCrossEntropy(), jit_compile=False)
    try:
        yield model
    finally:
        task.backbone.trainable = True
        for layer, before in zip(task.backbone.layers, trainable, strict=True):
            layer.trainable = before


def _batch(run, data, rows, length):
    """Return (inputs, targets) of held-out examples, as the run's task reads them."""
    source = data if data is not None else run.config["data"].get("source")
    if source is None and _imported(run):
        source = list(PROMPTS)
    if source is None:
        raise ValueError(
            f"{run.path} was trained on data made in Python, which is not kept: give the data, "
            "prove_run(run, data)."
        )
    examples = run.examples(source, rows)
    if isinstance(run.model, TextEncoder):
        return run.model.preprocessor.reading(examples.readings[0]).inputs, None
    reader = run.model.preprocessor.shortened(length)
    if examples.task == "language_model":
        examples = _worth_reading(examples, reader.tokenizer)
    return reader.batches(examples, rows, None).batch(0)


def _worth_reading(examples, tokenizer):
    """Return the texts of 4 tokens or more: of one token there is little to prove."""
    ids = tokenizer.encode_batch(examples.texts)
    long = [row for row, tokens in enumerate(ids) if len(tokens) >= 4]
    if not long:
        raise ValueError("expected a validation text with at least 4 tokens, there is none.")
    return examples.select(long)
