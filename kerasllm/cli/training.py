"""Verbs that train: quickstart, recipe, pretrain, train, finetune, import, payoff and more."""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli import flags
from kerasllm.cli.command import TRAIN, app
from kerasllm.cli.flags import (
    PASSED_ON,
    Data,
    Overwrite,
    Processes,
    Quiet,
    Resume,
    RunFolder,
    flags_of_the_data,
    settings_flags,
)
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.settings.pretraining import PretrainSettings
from kerasllm.utils.terminal import say

Pretrained = Annotated[
    Path | None, typer.Option(help="run folder whose backbone to start from; from scratch if none")
]


@app.command(rich_help_panel=TRAIN)
def quickstart(
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/quickstart"),
    seed: Annotated[int, typer.Option(help="seed of every random draw")] = 0,
    overwrite: Overwrite = False,
):
    """Pretrain, fine-tune, compare and report, in minutes, without network.

    Example: kerasllm quickstart
    """
    flags.load_keras()
    from kerasllm.recipes.quickstart import quickstart

    quickstart(output, seed=seed, overwrite=overwrite)


@app.command(rich_help_panel=TRAIN, context_settings=PASSED_ON)
def recipe(context: typer.Context):
    """Train one application on public data, from its data to its row; without a name, list them.

    The flags depend on the recipe: see kerasllm recipe NAME --help.

    Example: kerasllm recipe news ag_news --fast
    """
    from kerasllm.recipes.shared.listing import called, recipes

    words = context.args
    if not words or words[0].startswith("-"):
        if words == ["--help"]:
            say(context.get_help())
        for name, what in recipes().items():
            say(f"{name:17} {what}")
        raise typer.Exit(0 if words in ([], ["--help"]) else 2)
    name, *given = words
    if "--help" not in given:
        flags.load_keras()
    inner = typer.Typer(add_completion=False, rich_markup_mode="rich")
    with called(name, given) as main:
        inner.command()(main)
        flags.run(inner, f"kerasllm recipe {name}", given)


@app.command(rich_help_panel=TRAIN)
@settings_flags(
    PretrainSettings, "kerasllm pretrain tinyshakespeare --tokenizer character --steps 2000"
)
def pretrain(
    data: Data,
    settings,
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/pretrained"),
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    processes: Processes = 1,
):
    """Train a language model on text."""
    flags.begin_training(processes)
    from kerasllm.training import pretrain

    pretrain(data, output, settings=settings, resume=resume, overwrite=overwrite, quiet=quiet)


@app.command(rich_help_panel=TRAIN, context_settings=PASSED_ON)
@flags_of_the_data("kerasllm train conll2003 --output runs/entities")
def train(
    data: Data,
    settings,
    pretrained: Pretrained = None,
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/trained"),
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    processes: Processes = 1,
):
    """Train on labelled texts, tagged sentences, pairs or questions: the task follows from them."""
    flags.begin_training(processes)
    from kerasllm.training import train

    options = {"settings": settings, "resume": resume, "overwrite": overwrite, "quiet": quiet}
    train(data, output, pretrained=pretrained, **options)


@app.command(rich_help_panel=TRAIN, context_settings=PASSED_ON)
@flags_of_the_data("kerasllm finetune runs/pretrained sst2 --method gradual")
def finetune(
    run: RunFolder,
    data: Data,
    settings,
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/finetuned"),
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    processes: Processes = 1,
):
    """Fine-tune a pretrained model on data of any task."""
    flags.begin_training(processes)
    from kerasllm.training import finetune

    finetune(run, data, output, settings=settings, resume=resume, overwrite=overwrite, quiet=quiet)


@app.command("import", rich_help_panel=TRAIN)
def import_(
    source: Annotated[
        str, typer.Argument(help="folder, GGUF file, name on the Hugging Face hub, or smollm2")
    ],
    output: Annotated[Path, typer.Option(help="run folder")] = Path("runs/imported"),
    revision: Annotated[str | None, typer.Option(help="branch, tag or commit on the hub")] = None,
    base: Annotated[
        Path | None, typer.Option(help="SOURCE is an adapter of peft: the run it was trained on")
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
):
    """Take over a BERT, RoBERTa, GPT-2 or Llama of another project, ready to fine-tune.

    Example: kerasllm import smollm2 --output runs/smollm2
    """
    if base is not None:
        flags.load_keras()
        from kerasllm.training import import_adapter

        import_adapter(source, base, output, overwrite=overwrite, quiet=quiet)
        return
    from kerasllm.utils.hub.fetching import find

    find(source, revision)  # which fails at once, or fetches, before Keras is loaded
    flags.load_keras()
    from kerasllm.training import import_checkpoint

    import_checkpoint(source, output, revision=revision, overwrite=overwrite, quiet=quiet)


@app.command(rich_help_panel=TRAIN)
def export(
    run: RunFolder,
    folder: Annotated[Path, typer.Argument(help="folder to write, or a file NAME.gguf")],
    kind: Annotated[str, typer.Option(help="of a GGUF file's values: F32, F16 or Q8_0")] = "F16",
    adapter: Annotated[
        bool, typer.Option(help="method lora: the corrections alone, as peft keeps them")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
):
    """Write a run's backbone as a folder that `transformers` loads, or a Llama's as a GGUF file.

    Example: kerasllm export runs/finetuned exported
    """
    flags.load_keras()
    from kerasllm.training import export_adapter, export_checkpoint

    if adapter:
        export_adapter(run, folder, overwrite=overwrite, quiet=quiet)
        return

    export_checkpoint(run, folder, kind=kind, overwrite=overwrite, quiet=quiet)


@app.command(rich_help_panel=TRAIN)
@settings_flags(ClassificationSettings, "kerasllm payoff runs/pretrained sst2 --label-counts 100")
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
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
):
    """Measure what pretraining is worth at several numbers of labels."""
    flags.load_keras()
    from kerasllm.training import payoff

    options = {"label_counts": label_counts, "methods": methods, "seeds": seeds, "resume": resume}
    payoff(run, data, output, settings=settings, overwrite=overwrite, quiet=quiet, **options)


@app.command(rich_help_panel=TRAIN, context_settings=PASSED_ON)
@flags_of_the_data("kerasllm crossvalidate runs/pretrained sms_spam --folds 5")
def crossvalidate(
    run: RunFolder,
    data: Data,
    settings,
    output: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
    folds: Annotated[int, typer.Option(help="parts that are scored in turn")] = 5,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
):
    """Fine-tune and score on each of k folds, beside the linear baseline."""
    flags.load_keras()
    from kerasllm.training import crossvalidate

    crossvalidate(
        run, data, output, folds=folds, settings=settings, overwrite=overwrite, quiet=quiet
    )
