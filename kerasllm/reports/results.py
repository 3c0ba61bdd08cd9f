"""The table of results: a JSON file a run, kept in the repository, and the page made of them all.

    kerasllm results runs/*          # docs/results/*.json of each run, and docs/results.md of all
    kerasllm results                 # the page again, of the JSON files that are there

A run is taken from what training and evaluation wrote into its folder. Runs that differ in their
seed alone share a row. A schedule is whole where its validation curve has flattened: the last fifth
of the training brought next to nothing (`kerasllm.training.run_folder.history.has_flattened`).
"""

import hashlib
import json
import re
import statistics
from pathlib import Path

from kerasllm import datasets
from kerasllm.datasets.options import with_options
from kerasllm.training.run_folder.history import has_flattened, read_history, training_minutes
from kerasllm.utils.errors import writing
from kerasllm.utils.files import whole_file
from kerasllm.utils.json_text import read_object
from kerasllm.utils.tables import Table

FOLDER = Path("docs")
LOWER = ("loss", "perplexity", "bits_per_character", "bits_per_byte")
WHOLE, PART, UNKNOWN = "whole", "part", "not recorded"
_KEYS = (
    "task", "data", "split", "rows", "model", "settings", "seed", "measure", "score", "interval",
    "baselines", "minutes", "schedule", "curve", "command", "date", "machine", "versions",
)  # fmt: skip
_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 10  # of a curve that a cell of the table shows
_HEAD = """# Results

Made by `kerasllm results` of the files in `docs/results/`, one a run: each was scored once, on rows
that took no part in any choice, and its baselines on the same rows. After ± the standard deviation
over the seeds; in brackets, for one seed, the 95 % bootstrap interval. **Bold**: better than every
baseline. A schedule is *whole* where the last fifth of the training brought next to nothing; the
bars are the validation score that the weights were chosen by. *Part*: the run was cut short, or its
curve still rose; of *not recorded* no curve was kept. Minutes of training are those of the machine
named below, other work beside it. What others reached is on the data as they had them.
"""


def results(folders=(), output=FOLDER):
    """Keep the results of runs as JSON, and make the page of all that are kept.

    Args:
        folders: run folders, or folders that hold some.
        output: folder of results.md and of results/, the JSON files.

    Returns:
        Path of the page.

    Raises:
        FileNotFoundError: a folder that is not there, or no scored run in it.
        ValueError: a JSON file that is damaged.
    """
    output = Path(output)
    for path in folders:
        for run in scored_runs(path):
            row = row_of(run)
            text = json.dumps(row, indent=1, ensure_ascii=False) + "\n"
            _write(output / "results" / f"{_name(row)}.json", text)
    page = output / "results.md"
    _write(page, page_of(read_rows(output / "results")))
    return page


def _write(path, text):
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(text)


def scored_runs(path):
    """Return the run folders in a folder, itself one or not, that were evaluated.

    Raises:
        FileNotFoundError: there is none.
    """
    found = [one.parent for one in sorted(Path(path).rglob("metrics.json"))]
    runs = [
        run
        for run in found
        if (run / "config.json").is_file() and "model" in read_object(run / "metrics.json")
    ]
    if not runs:
        raise FileNotFoundError(
            f"expected run folders that were evaluated, found none in {path}: `kerasllm evaluate "
            "RUN` scores one."
        )
    return runs


def row_of(run):
    """Return what the table has to know of an evaluated run, ready for JSON.

    Args:
        run: path of its folder.
    """
    config, metrics = (read_object(run / name) for name in ("config.json", "metrics.json"))
    history, how = read_history(run / "history.csv"), config.get("made", {})
    measure, monitor = _measure(metrics), config.get("monitor", "val_loss")
    flat, curve = has_flattened(history, monitor), (row.get(monitor) for row in history)
    beside = metrics["baselines"].items()
    versions = config.get("versions", {})
    named = ("kerasllm", "keras", versions.get("backend"), "numpy")
    return {
        "task": config["task"],
        "data": _data(config["data"]),
        **{name: metrics[name] for name in ("split", "rows")},
        "model": _model(config),
        "settings": _settings_hash(config["settings"]),
        "seed": config.get("seed"),
        "measure": measure,
        "score": metrics["model"][measure],
        "interval": list(metrics["interval"].get(measure, ())),
        "baselines": {name: scores[measure] for name, scores in beside if measure in scores},
        "minutes": round(training_minutes(history), 1) if history else None,
        "schedule": UNKNOWN if flat is None else WHOLE if flat else PART,
        "curve": [round(value, 4) for value in curve if value is not None and value == value],
        **{name: how.get(name) for name in ("command", "date", "machine")},
        "versions": {name: versions[name] for name in named if name in versions},
    }


def _measure(metrics):
    """Return the score that a run is judged by: the first one with an interval."""
    return next(name for name in metrics["model"] if name in metrics["interval"])


def _data(data):
    """Return the name of the data with its options, without folders."""
    source = data.get("source") or data["name"]
    bare, options = with_options(source)
    told = "&".join(f"{key}={value}" for key, value in options.items())
    return Path(str(bare)).name + (f"?{told}" if told else "")


def _model(config):
    """Return in a few words what was trained, and from what."""
    settings = config["settings"]
    kind = settings.get("architecture") or settings.get("backbone") or "recurrent"
    if config.get("pretrained"):
        return f"{Path(config['pretrained']).name}, {settings.get('method', 'full')}"
    sizes = (settings.get(name) for name in ("size", "cell", "objective"))
    return ", ".join([kind, *(str(size) for size in sizes if size)])


def _settings_hash(settings):
    """Return a hash of all settings but the seed, by which runs are put together."""
    kept = {name: value for name, value in settings.items() if name != "seed"}
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _name(row):
    told = f"{row['data']}-{row['split']}-{row['model']}-{row['settings']}-{row['seed']}"
    return re.sub(r"[^\w.-]+", "_", told)


def read_rows(folder):
    """Return the rows that are kept in a folder.

    Raises:
        ValueError: a file is damaged, or lacks something.
    """
    rows = []
    for path in sorted(Path(folder).glob("*.json")):
        row = read_object(path)
        if lacking := [name for name in _KEYS if name not in row]:
            raise ValueError(f"{path} lacks {lacking}: run `kerasllm results RUN_FOLDER` again.")
        rows.append(row)
    return rows


# === The page ===


def page_of(rows):
    """Return the page as Markdown: a row for each group of runs that differ in their seed alone."""
    groups = {}
    for row in rows:
        key = tuple(row[name] for name in ("task", "data", "split", "model", "settings", "measure"))
        groups.setdefault(key, []).append(row)
    heads = (
        "task", "data", "model", "seeds", "measure", "score", "baselines", "others", "schedule",
        "minutes", "command",
    )  # fmt: skip
    table = Table(heads, [_cells(groups[key]) for key in sorted(groups)], right=(3, 5, 9))
    told = sorted({f"- {_when(row)}" for row in rows})
    return "\n".join([_HEAD, *table.markdown(), "", *told, ""])


def _cells(group):
    """Return the cells of one row of the table."""
    first, scores = group[0], [row["score"] for row in group]
    mean = statistics.fmean(scores)
    cell = f"{mean:.4g}"
    theirs = _mean_baselines(group)
    sign = -1 if first["measure"] in LOWER else 1
    if theirs and all(sign * mean > sign * score for score in theirs.values()):
        cell = f"**{cell}**"
    if len(group) > 1:
        cell += f" ± {statistics.stdev(scores):.2g}"
    elif first["interval"]:
        cell += " [{:.4g}, {:.4g}]".format(*first["interval"])
    minutes = [row["minutes"] for row in group if row["minutes"] is not None]
    return (
        first["task"].replace("_", " "),
        f"{first['data']}, {first['split']} ({first['rows']:,})",
        first["model"],
        str(len(group)),
        first["measure"].replace("_", " "),
        cell,
        ", ".join(f"{name.replace('_', ' ')} {score:.4g}" for name, score in theirs.items()) or "–",
        _others(first),
        _schedule(group),
        f"{statistics.fmean(minutes):.1f}" if minutes else "–",
        f"`{first['command']}`" if first["command"] else "–",
    )


def _mean_baselines(group):
    names = [name for name in group[0]["baselines"] if all(name in r["baselines"] for r in group)]
    return {name: statistics.fmean(row["baselines"][name] for row in group) for name in names}


def _others(row):
    """Return what others reached by the same measure, of the catalogue, with its source."""
    name = row["data"].split("?")[0]
    field = datasets.info(name).field if name in datasets.names() else ()
    same = [one for one in field if one["measure"] == row["measure"]]
    return "; ".join(f"{o['figure']:g} {o['model']} ({o['source']})" for o in same) or "–"


def _schedule(group):
    kinds = {row["schedule"] for row in group}
    kind = next(kind for kind in (PART, UNKNOWN, WHOLE) if kind in kinds)
    return f"{kind} {bars(group[0]['curve'])}".strip()


def bars(values):
    """Return a curve in a few bars.

    Example:
        >>> bars([0.0, 1.0, 2.0, 3.5])
        '▁▃▅█'
    """
    if len(values) < 2:
        return ""
    step = max(1, -(-len(values) // _POINTS))
    some = [*values[:-1][::step], values[-1]]
    low, span = min(some), max(max(some) - min(some), 1e-12)
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in some)


def _when(row):
    versions = " ".join(f"{name} {version}" for name, version in row["versions"].items())
    return ", ".join(str(part) for part in (row["date"], row["machine"], versions) if part)
