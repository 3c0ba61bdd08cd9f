"""The `kerasllm` command: each verb parses its flags and calls one function.

The flags of `pretrain` and `finetune` are the fields of their settings dataclasses, so that flag,
setting and documentation are one thing. Keras is loaded only when a verb needs it.
"""

import dataclasses
import inspect
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from kerasllm.training.settings import FinetuneSettings, PretrainSettings

app = typer.Typer(
    name="kerasllm",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
data_app = typer.Typer(no_args_is_help=True, help="List, show and fetch data sets.")
app.add_typer(data_app, name="data")
lessons_app = typer.Typer(no_args_is_help=True, help="List, open and build the lessons.")
app.add_typer(lessons_app, name="lessons")

RunFolder = Annotated[Path, typer.Argument(help="a run folder", show_default=False)]
Quiet = Annotated[bool, typer.Option(help="print nothing but the result")]


def main():
    """Run the command; an expected error is one message, not a traceback."""
    try:
        app()
    except (ValueError, TypeError, OSError, ArithmeticError, ImportError, RuntimeError) as error:
        if "--traceback" in sys.argv:
            raise
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@app.callback()
def options(
    traceback: Annotated[bool, typer.Option(help="show where an error arose")] = False,
):
    """Learn, run and check language models in Keras."""


def _load_keras():
    """Load Keras and its backend without their start-up notices, which no setting silences."""
    import tempfile

    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            import keras

            keras.ops.ones(1)
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def settings_flags(kind, example):
    """Give a verb one flag for each field of a settings dataclass, and an example in its help."""

    def decorate(function):
        own = [p for p in inspect.signature(function).parameters.values() if p.name != "settings"]
        fields = dataclasses.fields(kind)
        extra = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=Annotated[field.type, typer.Option(help=field.metadata["help"])],
            )
            for field in fields
        ]

        def verb(**given):
            values = {field.name: given.pop(field.name) for field in fields}
            return function(settings=kind(**values), **given)

        verb.__signature__ = inspect.Signature(
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + extra
        )
        verb.__doc__ = f"{function.__doc__}\n\n\b\nExample: {example}"
        verb.__name__ = function.__name__
        return verb

    return decorate


@app.command()
def quickstart(
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/quickstart"),
    seed: Annotated[int, typer.Option(help="seed of every random draw")] = 0,
):
    """Pretrain, fine-tune, compare and report, in minutes, without network.

    Example: kerasllm quickstart
    """
    _load_keras()
    from kerasllm.recipes.quickstart import quickstart

    quickstart(output, seed=seed)


@app.command()
@settings_flags(
    PretrainSettings, "kerasllm pretrain tinyshakespeare --tokenizer character --steps 2000"
)
def pretrain(
    source: Annotated[str, typer.Argument(help="name of a data set, or path of a file")],
    settings,
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/pretrained"),
    resume: Annotated[bool, typer.Option(help="go on where the run was cut off")] = False,
    quiet: Quiet = False,
):
    """Train a language model on text."""
    _load_keras()
    from kerasllm.training import pretrain

    pretrain(source, output, settings=settings, resume=resume, quiet=quiet)


@app.command()
@settings_flags(FinetuneSettings, "kerasllm finetune runs/pretrained sst2 --method gradual")
def finetune(
    run: RunFolder,
    data: Annotated[str, typer.Argument(help="name of a data set, or path of a file")],
    settings,
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/finetuned"),
    resume: Annotated[bool, typer.Option(help="go on where the run was cut off")] = False,
    quiet: Quiet = False,
):
    """Fine-tune a pretrained model on labelled texts."""
    _load_keras()
    from kerasllm.training import finetune

    finetune(run, data, output, settings=settings, resume=resume, quiet=quiet)


@app.command()
def evaluate(
    run: RunFolder,
    data: Annotated[str | None, typer.Argument(help="data; the run's own by default")] = None,
    split: Annotated[str, typer.Option(help="test or validation")] = "test",
    baselines: Annotated[bool, typer.Option(help="train and score the baselines too")] = True,
):
    """Score a run on held-out data, with intervals and baselines.

    Example: kerasllm evaluate runs/finetuned
    """
    _load_keras()
    from kerasllm.training import evaluate

    evaluate(run, data, split=split, with_baselines=baselines)


@app.command()
def predict(
    run: RunFolder,
    texts: Annotated[list[str] | None, typer.Argument(help="texts; standard input if none")] = None,
):
    """Label texts with a fine-tuned model.

    Example: kerasllm predict runs/finetuned "What a lovely film."
    """
    _load_keras()
    from kerasllm.training import predict

    for row in predict(run, texts or [line.rstrip("\n") for line in sys.stdin]):
        p = row["probabilities"][row["label"]]
        typer.echo(f"{row['label']}\t{p:.3f}\t{row['text']}")
        if row["warning"]:
            typer.echo(f"warning: {row['warning']}", err=True)


@app.command()
def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Argument(help="text to continue")] = "",
    max_new_tokens: Annotated[int, typer.Option(help="tokens to add at most")] = 200,
    temperature: Annotated[float, typer.Option(help="0: the likeliest token each time")] = 0.8,
    top_k: Annotated[int | None, typer.Option(help="draw among the k likeliest")] = None,
    top_p: Annotated[float | None, typer.Option(help="draw among those that reach p")] = None,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 0,
):
    """Continue a text with a pretrained model.

    Example: kerasllm generate runs/pretrained "To be, or" --temperature 0.8 --top-k 40
    """
    _load_keras()
    from kerasllm.training import generate

    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    typer.echo(generate(run, prompt, max_new_tokens=max_new_tokens, **options))


@app.command()
@settings_flags(FinetuneSettings, "kerasllm payoff runs/pretrained sst2 --label-counts 100")
def payoff(
    run: RunFolder,
    data: Annotated[str, typer.Argument(help="name of a data set, or path of a file")],
    settings,
    output: Annotated[Path | None, typer.Option(help="folder; RUN/payoff by default")] = None,
    label_counts: Annotated[list[int], typer.Option(help="numbers of labels")] = (100, 1000),
    methods: Annotated[list[str], typer.Option(help="methods")] = (
        "scratch",
        "frozen",
        "full",
        "gradual",
    ),
    seeds: Annotated[int, typer.Option(help="draws of the labels")] = 5,
    quiet: Quiet = False,
):
    """Measure what pretraining is worth at several numbers of labels."""
    _load_keras()
    from kerasllm.training import payoff

    options = {"label_counts": label_counts, "methods": methods, "seeds": seeds}
    payoff(run, data, output, settings=settings, quiet=quiet, **options)


@app.command()
@settings_flags(FinetuneSettings, "kerasllm crossvalidate runs/pretrained sms_spam --folds 5")
def crossvalidate(
    run: RunFolder,
    data: Annotated[str, typer.Argument(help="name of a data set, or path of a file")],
    settings,
    output: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
    folds: Annotated[int, typer.Option(help="parts that are scored in turn")] = 5,
    quiet: Quiet = False,
):
    """Fine-tune and score on each of k folds, beside the linear baseline."""
    _load_keras()
    from kerasllm.training import crossvalidate

    crossvalidate(run, data, output, folds=folds, settings=settings, quiet=quiet)


@app.command()
def verify(
    model: Annotated[Path | None, typer.Option(help="run folder: prove this model")] = None,
    backend: Annotated[str | None, typer.Option(help="tensorflow, jax or torch")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="print every comparison")] = False,
    json: Annotated[Path | None, typer.Option(help="file for every comparison")] = None,
    html: Annotated[Path | None, typer.Option(help="file for a page")] = None,
    table: Annotated[Path | None, typer.Option(help="file for the summary, Markdown")] = None,
):
    """Prove that NumPy and Keras agree: every equation, or a trained model.

    Example: kerasllm verify --model runs/finetuned
    """
    from kerasllm.verify.proof_command import on_backend, verify_command

    if backend is not None and backend != os.environ.get("KERAS_BACKEND"):
        files = {"--model": model, "--json": json, "--html": html, "--table": table}
        given = [part for name, path in files.items() if path for part in (name, str(path))]
        flags = [*given, *(["--rows"] if rows else []), "--backend", backend]
        raise typer.Exit(on_backend(backend, ["verify", *flags]))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # its remarks would stand between the lines
    _load_keras()
    agreed = verify_command(model, rows=rows, json=json, html=html, table=table)
    raise typer.Exit(0 if agreed else 1)


@app.command()
def trace(
    run: RunFolder,
    text: Annotated[str, typer.Argument(help="text to read", show_default=False)],
    layer: Annotated[str | None, typer.Option(help="layer; all that are drawn if none")] = None,
    symbol: Annotated[str | None, typer.Option(help="symbol, such as f, c, h or weights")] = None,
    step: Annotated[int | None, typer.Option(help="token whose equations to print")] = None,
    unit: Annotated[int, typer.Option(help="unit whose equations to print")] = 0,
    top: Annotated[int, typer.Option(help="predictions at each step")] = 5,
):
    """Show every number that a model computes on a text, and draw it into RUN/figures.

    Example: kerasllm trace runs/pretrained "To be, or not" --layer lstm_0 --symbol f
    """
    _load_keras()
    from kerasllm.verify.proof_command import show_trace

    show_trace(run, text, layer=layer, symbol=symbol, step=step, unit=unit, top=top)


@app.command()
def doctor():
    """Look over this installation, with a cure for what is wrong.

    Example: kerasllm doctor
    """
    from kerasllm.diagnosis import doctor

    raise typer.Exit(0 if doctor().ok else 1)


@data_app.command("list")
def data_list():
    """List the data sets by name.

    Example: kerasllm data list
    """
    from rich.console import Console
    from rich.table import Table

    from kerasllm.datasets.show import list_table

    rows = list_table()
    table = Table(*(name for name in rows[0]), box=None)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


@data_app.command("show")
def data_show(name: Annotated[str, typer.Argument(help="name, or path of a file")]):
    """Describe a data set: size, labels, lengths, examples, licence, duplicates.

    Example: kerasllm data show sentiment_zh
    """
    from kerasllm.datasets.show import describe

    typer.echo(describe(name))


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="name of a public data set")],
    allow_unverified: Annotated[bool, typer.Option(help="accept files without a hash")] = False,
):
    """Fetch a public data set into the cache.

    Example: kerasllm data get tinyshakespeare
    """
    from kerasllm.datasets import get

    typer.echo(get(name, allow_unverified=allow_unverified))


@lessons_app.command("list")
def lessons_list():
    """List the lessons with their minutes.

    Example: kerasllm lessons list
    """
    from kerasllm import lessons

    lessons.main(["list"])


@lessons_app.command("open")
def lessons_open(number: Annotated[str, typer.Argument(help="number of a lesson, such as 04")]):
    """Start JupyterLab at a lesson (extra `notebooks`).

    Example: kerasllm lessons open 04
    """
    from kerasllm import lessons

    lessons.open(number)


@lessons_app.command("build")
def lessons_build(
    number: Annotated[str | None, typer.Argument(help="number of a lesson; all if none")] = None,
    html: Annotated[bool, typer.Option(help="write web pages that need no network")] = False,
):
    """Execute lessons from their sources, and write notebooks or web pages.

    Example: kerasllm lessons build 04
    """
    from kerasllm import lessons

    lessons.build(number, html=html)
