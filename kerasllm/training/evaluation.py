"""Evaluation: scores with intervals, and what a network has to beat, on the same rows."""

import re

from kerasllm.models import TextEncoder
from kerasllm.training.before import scores_before
from kerasllm.training.engine.progress import Progress
from kerasllm.training.run_folder.rows import TRAINED_ROWS
from kerasllm.utils.errors import check_choice, enough_memory
from kerasllm.utils.tables import Table

BESIDE = "evaluations"  # folder of the scores of other data than the run's own


def evaluate_run(
    run, data=None, split=None, with_baselines=True, trained_rows="refuse", quiet=False
):
    """Score a run on held-out data, beside the baselines, and keep the scores in its folder.

    Args:
        run: a `RunFolder`.
        data: as in `kerasllm.evaluate`, and so are the others.
        split: "test" or "validation"; None: as there.
        with_baselines: train and score the baselines too.
        trained_rows: "refuse", "drop" or "score".
        quiet: print nothing.

    Raises:
        ValueError: nothing to score, or data of another task.
    """
    check_choice("trained_rows", trained_rows, TRAINED_ROWS)
    if isinstance(run.model, TextEncoder):
        raise ValueError(
            f"{run.path} holds a TextEncoder, an imported model without a head: there is nothing "
            "to score before `kerasllm finetune`."
        )
    held = run.shape.held_out_rows(run, data, split, trained_rows)
    with enough_memory("score fewer rows at once, leave the baselines out, or end other programs"):
        found = run.model.evaluation(held.test, held.train if with_baselines else None)
        if with_baselines and run.shape.scored_before:
            before, told = scores_before(run, held.test)
            found["baselines"] |= before
            held = held._replace(notes=(*held.notes, *told))
    figures, shown, report = found.pop("figures", {}), run.model.shown, Progress(quiet)
    rows = found.pop("rows", None) or len(held.test)
    notes = [*held.notes, *found.pop("notes", ()), *_beaten(found, run.model, held.test)]
    notes = [note for note in notes if with_baselines or not note.startswith("no baselines")]
    result = {"data": held.test.name, "split": held.split, "rows": rows, **found, "notes": notes}
    report.result(table_of(result, shown, run.model.counted))
    for name, signature in result.get("signatures", {}).items():
        report.say(f"{name}: {signature}")
    for note in notes:
        report.say(f"note: {note}.")
    with report.despite("the scores"):
        run.write_json("metrics.json" if held.own else beside(run, result), result)
    for name, draw in figures.items():
        with report.despite(f"the figure {name}"):
            run.write_figure(name if held.own else f"{name}_{_safe(held.test.name)}", draw())
    return result


def beside(run, result):
    """Return the name of the file for the scores of data that are not the run's own."""
    (run.path / BESIDE).mkdir(exist_ok=True)
    return f"{BESIDE}/{_safe(result['data'])}-{_safe(result['split'])}.json"


def _safe(name):
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "data"


def _beaten(found, task, test):
    """Say which baseline does better than the network by the task's own score, and where it is."""
    own, best, score = _best_baseline(found, task.shown)
    if best is None or not _is_better(score, found["model"][own], own):
        return []
    known = task.baselines_for(test)
    return [
        f"the baseline {best.replace('_', ' ')} has the better {own.replace('_', ' ')} "
        f"({score:.4g}, the network {found['model'][own]:.4g}): use "
        + (_place(known[best]) if best in known else "it")
    ]


def _best_baseline(found, shown):
    """Return the task's own score, and the best baseline by it with its score, or None, None."""
    own = next(name for name in shown or found["model"] if name in found["model"])
    # A baseline may know some of the scores only: what it writes has no loss.
    scores = {name: all_[own] for name, all_ in found["baselines"].items() if own in all_}
    best = (min if own == "loss" else max)(scores, key=scores.get, default=None)
    return own, best, scores.get(best)


def _is_better(score, other, name):
    return score < other if name == "loss" else score > other


def verdict(task, rows, train):
    """Return the line that says whether a network is above its baselines, and what to use if not.

    Args:
        task: the trained `Task`.
        rows: a `Dataset` of validation rows, which all are scored on.
        train: what the network learned from, and the baselines too.

    Example:
        network not above its baseline: accuracy 0.81, linear 0.89 on 300 validation rows; use
        kerasllm.baselines.linear
    """
    found = task.evaluation(rows, train)
    own, best, score = _best_baseline(found, task.shown)
    if best is None:
        return "no baseline for this task"
    network, where = found["model"][own], f"on {len(rows):,} validation rows"
    both = f"{own.replace('_', ' ')} {network:.4g}, {best.replace('_', ' ')} {score:.4g} {where}"
    if _is_better(network, score, own):
        return f"network above its baselines: {both}"
    return f"network not above its baseline: {both}; use {_place(task.baselines_for(rows)[best])}"


def _place(baseline):
    return f"{baseline.__module__.rsplit('.', 1)[0]}.{baseline.__name__}"


def table_of(result, shown=None, counted="rows"):
    """Return a `Table` of the scores, the network's first.

    Args:
        result: of an evaluation.
        shown: names of the scores, the task's own first; all numbers when None.
        counted: what "rows" are.
    """
    model, rows = result["model"], []
    numbers = [name for name, score in model.items() if isinstance(score, float)]
    names = [name for name in shown or numbers if name in numbers]
    for name, scores in {"network": model, **result["baselines"]}.items():
        interval = result["interval"] if name == "network" else {}
        rows.append((name.replace("_", " "), *(_cell(scores, interval, n) for n in names)))
    title = f"{result['data']} ({result['split']}, {result['rows']:,} {counted})"
    heads = ("model", *(name.replace("_", " ") for name in names))
    return Table(heads, rows, title, right=range(1, len(heads)))


def _cell(scores, interval, name):
    if name not in scores:
        return "-"
    write = "{:.1%}".format if name == "unknown" else "{:.4g}".format
    cell = write(scores[name])
    if name in interval:
        low, high = map(write, interval[name])
        cell += f"\n[{low}, {high}]"
    return cell
