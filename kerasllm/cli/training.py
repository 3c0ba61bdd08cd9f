"""Verbs that train: pretrain, finetune, payoff, crossvalidate, quickstart."""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli import flags
from kerasllm.cli.command import TRAIN, app
from kerasllm.cli.flags import Data, Quiet, Resume, RunFolder, settings_flags
from kerasllm.training.settings import FinetuneSettings, PretrainSettings


@app.command(rich_help_panel=TRAIN)
def quickstart(
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/quickstart"),
    seed: Annotated[int, typer.Option(help="seed of every random draw")] = 0,
):
    """Pretrain, fine-tune, compare and report, in minutes, without network.

    Example: kerasllm quickstart
    """
    flags.load_keras()
    from kerasllm.recipes.quickstart import quickstart

    quickstart(output, seed=seed)


@app.command(rich_help_panel=TRAIN)
@settings_flags(
    PretrainSettings, "kerasllm pretrain tinyshakespeare --tokenizer character --steps 2000"
)
def pretrain(
    source: Data,
    settings,
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/pretrained"),
    resume: Resume = False,
    quiet: Quiet = False,
):
    """Train a language model on text."""
    flags.load_keras()
    from kerasllm.training import pretrain

    pretrain(source, output, settings=settings, resume=resume, quiet=quiet)


@app.command(rich_help_panel=TRAIN)
@settings_flags(FinetuneSettings, "kerasllm finetune runs/pretrained sst2 --method gradual")
def finetune(
    run: RunFolder,
    data: Data,
    settings,
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/finetuned"),
    resume: Resume = False,
    quiet: Quiet = False,
):
    """Fine-tune a pretrained model on labelled texts."""
    flags.load_keras()
    from kerasllm.training import finetune

    finetune(run, data, output, settings=settings, resume=resume, quiet=quiet)


@app.command(rich_help_panel=TRAIN)
@settings_flags(FinetuneSettings, "kerasllm payoff runs/pretrained sst2 --label-counts 100")
def payoff(
    run: RunFolder,
    data: Data,
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
    flags.load_keras()
    from kerasllm.training import payoff

    options = {"label_counts": label_counts, "methods": methods, "seeds": seeds}
    payoff(run, data, output, settings=settings, quiet=quiet, **options)


@app.command(rich_help_panel=TRAIN)
@settings_flags(FinetuneSettings, "kerasllm crossvalidate runs/pretrained sms_spam --folds 5")
def crossvalidate(
    run: RunFolder,
    data: Data,
    settings,
    output: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
    folds: Annotated[int, typer.Option(help="parts that are scored in turn")] = 5,
    quiet: Quiet = False,
):
    """Fine-tune and score on each of k folds, beside the linear baseline."""
    flags.load_keras()
    from kerasllm.training import crossvalidate

    crossvalidate(run, data, output, folds=folds, settings=settings, quiet=quiet)
