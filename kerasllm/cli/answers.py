"""Verbs that use a trained run: evaluate, predict, generate."""

import sys
from typing import Annotated

import typer

from kerasllm.cli import flags
from kerasllm.cli.command import USE, app
from kerasllm.cli.flags import RunFolder


@app.command(rich_help_panel=USE)
def evaluate(
    run: RunFolder,
    data: Annotated[str | None, typer.Argument(help="data; the run's own by default")] = None,
    split: Annotated[str, typer.Option(help="test or validation")] = "test",
    baselines: Annotated[bool, typer.Option(help="train and score the baselines too")] = True,
):
    """Score a run on held-out data, with intervals and baselines.

    Example: kerasllm evaluate runs/finetuned
    """
    flags.load_keras()
    from kerasllm.training import evaluate

    evaluate(run, data, split=split, with_baselines=baselines)


@app.command(rich_help_panel=USE)
def predict(
    run: RunFolder,
    texts: Annotated[list[str] | None, typer.Argument(help="texts; standard input if none")] = None,
):
    """Label texts with a fine-tuned model.

    Example: kerasllm predict runs/finetuned "What a lovely film."
    """
    flags.load_keras()
    from kerasllm.training import predict

    for row in predict(run, texts or [line.rstrip("\n") for line in sys.stdin]):
        p = row["probabilities"][row["label"]]
        typer.echo(f"{row['label']}\t{p:.3f}\t{row['text']}")
        if row["warning"]:
            typer.echo(f"warning: {row['warning']}", err=True)


@app.command(rich_help_panel=USE)
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
    flags.load_keras()
    from kerasllm.training import generate

    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    typer.echo(generate(run, prompt, max_new_tokens=max_new_tokens, **options))
