"""What a recipe reached beside its target, printed and written into its run folder.

The table of all runs is `kerasllm results`.
"""

import csv
import importlib.metadata
import json
import platform
import sys
import time
from pathlib import Path

from kerasllm.training.folder import write_text

FILE = "result.json"
_PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy")


def record(output, title, result, measure, target, *, percent=False, lower=False, note=""):
    """Write RUN/result.json, print the row, and return it.

    Args:
        output: the run folder; its history.csv says how long the training took.
        title: the task and the model, in a few words.
        result: what `evaluate` returned.
        measure: the score of `result["model"]` that the target is about.
        target: the figure to reach.
        percent: show shares as per cents.
        lower: the lower the better.
        note: what a reader has to know beside the figure.
    """
    scale = 100.0 if percent else 1.0
    figure = result["model"][measure] * scale
    row = {
        "title": title,
        "data": f"{result['data']}, {result['split']} ({result['rows']:,})",
        "measure": measure.replace("_", " ") + (" %" if percent else ""),
        "figure": figure,
        "interval": [end * scale for end in result["interval"].get(measure, ())],
        "baselines": {
            name: scores[measure] * scale
            for name, scores in result["baselines"].items()
            if measure in scores
        },
        "target": target,
        "reached": bool(figure <= target if lower else figure >= target),
        "lower": lower,
        "minutes": training_minutes(output),
        "command": command(),
        "note": note,
        "made": f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {_versions()}",
    }
    write_text(Path(output) / FILE, json.dumps(row, indent=2, ensure_ascii=False) + "\n")
    print("\n".join(_lines([row])))
    return row


def training_minutes(output):
    """Return the minutes spent in training steps, by the history of a run; None without one."""
    path = Path(output) / "history.csv"
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        ends = {row["stage"]: float(row["seconds"]) for row in csv.DictReader(file)}
    return sum(ends.values()) / 60


def command():
    """Return the command line that is running, without the folders of this machine."""
    given, shown = sys.argv[1:], []
    for word in given:
        after_output = shown and shown[-1] == "--output"
        if after_output:
            shown.pop()
        else:
            shown.append(Path(word).name if "/" in word else word)
    name = Path(sys.argv[0]).stem
    return " ".join([f"python -m kerasllm.recipes.{name}", *shown])


def _versions():
    import keras

    found = [keras.backend.backend()]
    for name in _PACKAGES:
        if name in ("keras", "numpy", found[0]):
            found.append(f"{name} {importlib.metadata.version(name)}")
    return " ".join(found[1:])


def _lines(rows):
    yield "| task and model | data | measure | reached | baselines | target | minutes | command |"
    yield "|---|---|---|---:|---|---:|---:|---|"
    for row in rows:
        figure = f"{row['figure']:.4g}"
        figure = f"**{figure}**" if row["reached"] else figure
        if row["interval"]:
            figure += " [{:.4g}, {:.4g}]".format(*row["interval"])
        beside = ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in row["baselines"].items())
        sign = "≤" if row["lower"] else "≥"
        minutes = "-" if row["minutes"] is None else f"{row['minutes']:.1f}"
        title = row["title"] + (f" ({row['note']})" if row["note"] else "")
        cells = (
            title, row["data"], row["measure"], figure, beside, f"{sign} {row['target']}", minutes,
            f"`{row['command']}`",
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |"
