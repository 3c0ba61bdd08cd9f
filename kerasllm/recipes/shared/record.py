"""What a recipe reached beside its target, printed and written into its run folder.

The table of all runs is `kerasllm results`.
"""

import json
from pathlib import Path

from kerasllm.training.run_folder.folder import versions, write_text
from kerasllm.training.run_folder.history import read_history, training_minutes
from kerasllm.training.run_folder.made import made

FILE = "result.json"


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
    figure, history = result["model"][measure] * scale, read_history(Path(output) / "history.csv")
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
        "minutes": training_minutes(history) if history else None,
        "note": note,
        **made(),
        "versions": versions(),
    }
    write_text(Path(output) / FILE, json.dumps(row, indent=2, ensure_ascii=False) + "\n")
    print("\n".join(_lines([row])))
    return row


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
            f"`{row['command']}`" if row["command"] else "-",
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |"
