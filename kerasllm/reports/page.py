"""The page of a run: report.html, which needs no network and nothing else of the folder."""

from pathlib import Path
from typing import Any, NamedTuple

from kerasllm.datasets import Dataset
from kerasllm.datasets.sources import texts_of
from kerasllm.models import TextEncoder
from kerasllm.reports.blocks import STYLE
from kerasllm.reports.embeddings import TEXTS
from kerasllm.reports.sections import SECTIONS
from kerasllm.reports.words import Words
from kerasllm.training.engine.progress import Progress
from kerasllm.training.evaluation import beside
from kerasllm.training.run_folder.folder import check_file, write_text
from kerasllm.training.run_folder.run import as_run
from kerasllm.utils.json_text import read_object
from kerasllm.utils.pages import element, page

ROWS = 500


class Found(NamedTuple):
    """What a page is made of.

    Attributes:
        run: the `Run`.
        scores: what `evaluate` returned; {} where nothing could be scored.
        review: the `Review` of some rows, or None.
        texts: that were held out.
        folder: where the page will lie.
        why: nothing could be scored; "" else.
    """

    run: Any
    scores: dict
    review: Any
    texts: list
    folder: Path
    why: str = ""


def report(
    run,
    data=None,
    *,
    split=None,
    rows=ROWS,
    language=None,
    output=None,
    overwrite=False,
    quiet=False,
):
    """Collect what can be looked at of a run on one page: RUN/report.html.

    Scores beside the baselines, learning curves, each class, how far the probabilities can be
    believed, the worst errors, entities and answers in their places, attention of an
    encoder-decoder, a map of the embeddings: what the run's shape of task has. A run that was not
    scored yet is scored first.

    Args:
        run: run folder or `Run`.
        data: as in `evaluate`; the run's own data when None.
        split: as there.
        rows: looked at one by one at most, drawn with seed 0; the scores are of all.
        language: of the page, "en" or "zh"; that of KERASLLM_LANGUAGE if None, else "en".
        output: the file; RUN/report.html when None.
        overwrite: lose the page that is there already; report.html of the run always is.
        quiet: print nothing.

    Returns:
        Path of the page.

    Raises:
        ValueError: another language, no rows, or data that `evaluate` refuses.
        FileNotFoundError: there is no such run.
    """
    words, said = Words(language), Progress(quiet)
    run = as_run(run)
    _check(rows, output, overwrite)
    path = run.path / "report.html" if output is None else Path(output)
    found = gathered(run, data, split, rows, said)._replace(folder=path.parent)
    parts = [part for make in SECTIONS if (part := make(found, words))]
    title = words("page.title", run=run.path.name)
    text = page(title, element("h1", title), *parts, style=STYLE, language=words.language)
    write_text(path, text)
    said.say(f"wrote {path}")
    return path


def _check(rows, output, overwrite):
    if not isinstance(rows, int) or rows < 1:
        raise ValueError(f"rows must be a whole number from 1, received {rows!r}.")
    if output is not None:
        check_file(output, overwrite)


def gathered(run, data, split, rows, said):
    """Return what there is to be shown of a run; of its own data that are gone, the reason."""
    if isinstance(run.model, TextEncoder):
        return Found(run, {}, None, [], run.path)
    try:
        held, split = _held_out(run, data, split)
        scores = _scores(run, data, split, held, said)
    except (ValueError, OSError) as error:
        if data is not None:
            raise
        return Found(run, {}, None, [], run.path, str(error))
    some = held.test
    if isinstance(some, Dataset):
        some = some.take(min(rows, len(some)))
        said.say(f"Looking at {len(some):,} rows one by one")
    return Found(run, scores, run.model.review(some), texts_of(held.test)[:TEXTS], run.path)


def _held_out(run, data, split):
    """Return what was held out, and the split it is: that which was scored, or that there is."""
    split = split or (run.metrics.get("split") if data is None else None)
    try:
        return run.shape.held_out_rows(run, data, split, "refuse"), split
    except (ValueError, OSError):
        if data is not None or split is not None:
            raise
    # The test labels of some sets are not published.
    return run.shape.held_out_rows(run, None, "validation", "refuse"), "validation"


def _scores(run, data, split, held, said):
    """Return the scores that were kept of these data, or make them."""
    kept = run.metrics if held.own else _kept_beside(run, held)
    same = kept.get("split") == held.split and kept.get("data") == held.test.name
    if same and "model" in kept:
        return kept
    said.say(f"Scoring {run.path} and its baselines first")
    return run.evaluate(data, split=split, quiet=True)


def _kept_beside(run, held):
    path = run.path / beside(run, {"data": held.test.name, "split": held.split})
    return read_object(path) if path.is_file() else {}
