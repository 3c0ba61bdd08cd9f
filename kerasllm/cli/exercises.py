"""Verbs for the exercises, alone or in a class."""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli.command import USE, group
from kerasllm.cli.library import IN_LANGUAGE
from kerasllm.utils.terminal import say, show

exercises_app = group("exercises", "List the exercises, see how far you are, teach a class.", USE)
Names = Annotated[list[str] | None, typer.Argument(help="exercises; all of them if none")]
Language = Annotated[str | None, typer.Option(help=IN_LANGUAGE)]


@exercises_app.command("list")
def exercises_list(language: Language = None):
    """List the exercises, easy ones first.

    Example: kerasllm exercises list --language zh
    """
    from kerasllm import exercises

    show(exercises.table(language))


@exercises_app.command("progress")
def exercises_progress(language: Language = None):
    """Show which exercises are solved, which were tried, and the last mistake in each.

    Example: kerasllm exercises progress
    """
    from kerasllm import exercises

    show(exercises.progress(language))


@exercises_app.command("kit")
def exercises_kit(
    folder: Annotated[Path, typer.Argument(help="where to; nothing in it is overwritten")],
    names: Names = None,
    language: Language = None,
    notebook: Annotated[bool, typer.Option(help="also a notebook for nbgrader")] = False,
):
    """Write a kit for a class: adapters.py to fill in, and tests that say which mistake it was.

    Example: kerasllm exercises kit week-3 softmax cross_entropy --language zh
    """
    from kerasllm.exercises.teaching import write_kit

    written = write_kit(folder, names or (), language=language, notebook=notebook)
    say(f"{', '.join(path.name for path in written)} written; then: cd {folder} && pytest")


@exercises_app.command("rehearse")
def exercises_rehearse(names: Names = None):
    """Hand in every known mistake through such a kit, and count which pytest calls by its name.

    Takes some minutes; name exercises for less.

    Example: kerasllm exercises rehearse softmax lstm_step
    """
    from kerasllm.exercises.teaching import rehearse

    show(rehearse(names or ()))
