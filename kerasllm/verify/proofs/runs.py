"""Prove a trained run: the model on its own validation data against its NumPy twin."""

from kerasllm.models import TextEncoder
from kerasllm.training import Run, load_run
from kerasllm.verify.comparison.compare import compare
from kerasllm.verify.comparison.report import Report


def prove_run(run, data=None, *, steps=3, rows=4, length=24):
    """Compare a trained model with its twin: every layer, gradient, and a few optimizer steps.

    The examples are read as in training, and the loss and the optimizer are those of the training;
    the weights are put back afterwards.

    Args:
        run: run folder or `Run`, of any task and method.
        data: name, path, `Dataset` or list of texts; the run's own data if left out.
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
    else:
        report = compare(run.compiled(steps), x, y, steps=steps)
    title = f"{run.path}: {type(run.model).__name__}, Keras against NumPy"
    return Report(report.rows, title=title, warnings=report.warnings)


def _batch(run, data, rows, length):
    """Return (inputs, targets) of held-out examples, as the run's task reads them."""
    source = data if data is not None else run.config["data"].get("source")
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
