"""Verbs for data sets and lessons."""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli.command import USE, group
from kerasllm.cli.flags import Data
from kerasllm.utils.terminal import console, say, show

data_app = group("data", "List, show and fetch data sets.", USE)
lessons_app = group("lessons", "List, open and build the lessons.", USE)


@data_app.command("list")
def data_list():
    """List the data sets by name.

    Example: kerasllm data list
    """
    from kerasllm.datasets.show import list_table

    screen, rows = console(), list_table()
    for task in dict.fromkeys(row["task"] for row in rows):
        screen.print(_table([row for row in rows if row["task"] == task], task, screen.width))
    screen.print("More on one of them: kerasllm data show NAME")


_LONGEST_NAME = 23
_ROOM_FOR_LICENCE = 130


def _table(rows, task, width):
    """Return the sets of one task: a line each, the name whole however narrow the terminal."""
    from rich.table import Table

    names = ["name", "language", "size", "here", "title"]
    names += ["licence"] if width >= _ROOM_FOR_LICENCE else []
    table = Table(title=task.replace("_", " "), title_justify="left", box=None, pad_edge=False)
    shown = {"name": {"min_width": _LONGEST_NAME}, "size": {"min_width": 7, "justify": "right"}}
    shown |= {"language": {"min_width": 8}, "here": {"min_width": 8}}
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis", **shown.get(name, {}))
    for row in rows:
        table.add_row(*(str(row[name]) for name in names))
    return table


@data_app.command("show")
def data_show(name: Data):
    """Describe a data set: size, labels, lengths, examples, licence, duplicates.

    Example: kerasllm data show sentiment_zh
    """
    from kerasllm.datasets.show import describe

    show(describe(name))


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="name of a public data set")],
    allow_unverified: Annotated[bool, typer.Option(help="accept files without a hash")] = False,
):
    """Fetch a public data set into the cache.

    Example: kerasllm data get tinyshakespeare
    """
    from kerasllm.datasets import get

    say(get(name, allow_unverified=allow_unverified))


@data_app.command("mask")
def data_mask(
    source: Annotated[Path, typer.Argument(help="a file of texts: csv, jsonl, txt and the like")],
    output: Annotated[Path, typer.Argument(help="the file to write")],
    kinds: Annotated[list[str], typer.Option(help="what to mask; all if not given")] = (),
):
    """Write a file again with [EMAIL], [PHONE] and the like in place of personal data.

    Found by rules, in English and Chinese: mail and page addresses, phone, card, identity and
    account numbers. Names of people are not.

    Example: kerasllm data mask reviews.csv masked.csv
    """
    from kerasllm.datasets.masking import mask_file

    counts = mask_file(source, output, tuple(kinds) or None)
    say(
        f"{output}: "
        + (", ".join(f"{n:,} {kind}" for kind, n in counts.items()) or "nothing found")
    )


@data_app.command("clean")
def data_clean(
    downloads: Annotated[bool, typer.Option(help="delete downloaded data sets too")] = False,
    dry_run: Annotated[bool, typer.Option(help="show what would go, delete nothing")] = False,
):
    """Show what the cache holds, and free it: tokenised texts, docstrings, broken downloads.

    Example: kerasllm data clean --dry-run
    """
    from kerasllm.datasets.cache import clean, parts
    from kerasllm.datasets.public.registry import cache_folder

    there = parts()
    gone = clean(downloads, dry_run)
    for part in there:
        what = "kept" if part not in gone else "would go" if dry_run else "deleted"
        say(f"{part.bytes / 1e6:10.1f} MB  {what:8}  {part.kind}  {part.name}")
    freed = f"{sum(part.bytes for part in gone) / 1e6:.1f} MB"
    say(f"{freed} {'would be' if dry_run else 'are'} freed in {cache_folder()}")


IN_LANGUAGE = "en or zh; KERASLLM_LANGUAGE by default, or en"


@lessons_app.command("list")
def lessons_list(language: Annotated[str | None, typer.Option(help=IN_LANGUAGE)] = None):
    """List the lessons with their minutes.

    Example: kerasllm lessons list --language zh
    """
    from kerasllm import lessons

    for lesson in lessons.all_lessons(language=language):
        say(f"{lesson.number}  {lesson.minutes:3d} min  {lesson.title}")


@lessons_app.command("open")
def lessons_open(
    number: Annotated[str, typer.Argument(help="number of a lesson, such as 05")],
    browser: Annotated[bool, typer.Option(help="open it in the browser")] = True,
    language: Annotated[str | None, typer.Option(help=IN_LANGUAGE)] = None,
):
    """Start JupyterLab at a lesson (extra `notebooks`); its exercises speak its language.

    Example: kerasllm lessons open 05
    """
    from kerasllm import lessons

    raise typer.Exit(lessons.start_jupyter(number, browser=browser, language=language) or 0)


@lessons_app.command("copy")
def lessons_copy(
    folder: Annotated[Path, typer.Argument(help="where to; nothing in it is overwritten")],
):
    """Copy the notebooks, in both languages, to a folder of your own.

    Example: kerasllm lessons copy my-lessons
    """
    from kerasllm import lessons

    written = lessons.copy(folder)
    say(f"{len(written)} notebooks copied; start: jupyter lab {folder}")


@lessons_app.command("build")
def lessons_build(
    number: Annotated[str | None, typer.Argument(help="number of a lesson; all if none")] = None,
    language: Annotated[
        str | None, typer.Option(help="en or zh: one edition alone; zh executes nothing")
    ] = None,
):
    """Execute lessons from their sources, and write the notebooks.

    Example: kerasllm lessons build 05
    """
    from kerasllm import lessons

    for path in lessons.build(number, language=language):
        say(path)
