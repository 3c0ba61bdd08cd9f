"""What `defaults.py` and `rates.py` found, as a page: `benchmarks/defaults.md`.

python benchmarks/defaults_page.py
"""

import json
import math
import statistics
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / "results" / "defaults"
PAGE = HERE / "defaults.md"
FIRST = ("before", "default", "final")  # trials in this order, then the others by name


def main():
    """Write the page anew."""
    PAGE.write_text(page(), "utf-8")


def page():
    """Return the page as Markdown."""
    kept = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
    rates = kept.pop("rates", [])
    final = kept.pop("final", {"trials": []})
    order = sorted(kept, key=lambda name: (name not in FIRST, name))
    parts = [
        *_HEAD,
        "## What was tried: rows of the training split, other than those trained on",
        "",
        *_table([(name, kept[name]) for name in order]),
        "",
        "## Sets that the search never saw: rows of the test split",
        "",
        *_FINAL,
        *_table([("default", final)]),
        "",
        "## The learning rate of a pretraining",
        "",
        *_table_of_rates(rates),
    ]
    return "\n".join(parts) + "\n"


_HEAD = """# The default settings, measured

Made by `python benchmarks/defaults_page.py` of what `defaults.py` and `rates.py` kept. A file of so
many rows is drawn from a set, another for each seed; nine tenths are trained on, by the network and
by the linear baseline (TF-IDF with logistic regression, C by cross-validation; of taggers logistic
regression on hand-made features). Both are scored on the same other rows. *alone*: rows that one of
the two has right and the other not, added up over the seeds; p: the exact two-sided sign test of
these (McNemar). Most trials have one seed, and differences of one or two hundredths are within what
another seed would change: p says so. A trial is a change to the settings that were the default when
it was made; *settings* are those that its first run had.

""".splitlines()


_FINAL = """All seeds score the same rows, so that p, which takes them for different ones, is too
small where there are several. These sets chose nothing. They were scored once before words were
read in pairs from 2,000 rows on, which was decided on AG News and SMS spam above; the lines of
3,000 rows of English are those of after it. A part of the lines of 3,000 rows was known, too, when
long texts got fewer passes, which was decided on the sets above and changes no line here.

""".splitlines()


def _table(trials):
    """Return a table: one line a trial, set and number of rows."""
    lines = [
        "| trial | set | rows | seeds | network | baseline | alone | p | seconds | settings |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name, content in trials:
        groups = {}
        for found in content["trials"]:
            groups.setdefault((found["set"], found["rows"]), []).append(found)
        lines += [_line(name, *key, runs) for key, runs in sorted(groups.items())]
    return lines


def _line(name, data, rows, runs):
    network, linear = ([run[who] for run in runs] for who in ("network", "linear"))
    ours, theirs = (
        sum(run.get(f"{who}_alone", 0) for run in runs) for who in ("network", "linear")
    )
    both = f"{ours} : {theirs}" if ours + theirs else ""
    p = f"{sign_test(ours, theirs):.2g}" if both else ""
    mine, other = statistics.fmean(network), statistics.fmean(linear)
    shown = f"**{mine:.3f}**" if mine >= other else f"{mine:.3f}"
    spread = f" ± {statistics.stdev(network):.3f}" if len(runs) > 1 else ""
    beside = f"{other:.3f}"
    if "best" in runs[0] and runs[0]["best"] != "linear":
        beside += f", {runs[0]['best']} {statistics.fmean(r['best_score'] for r in runs):.3f}"
    used = ", ".join(f"{n} {v}" for n, v in runs[0]["settings"].items() if v not in (None, 0, 0.0))
    seconds = statistics.fmean(run["seconds"] for run in runs)
    cells = (name.replace("_", " "), data, f"{rows:,}", len(runs), shown + spread, beside, both, p,
             f"{seconds:.0f}", used)  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def sign_test(a, b):
    """Return the two-sided p of a against b in as many throws of a fair coin.

    Example:
        >>> sign_test(0, 5), sign_test(4, 4)
        (0.0625, 1.0)
    """
    below = sum(math.comb(a + b, k) for k in range(min(a, b) + 1))
    return min(1.0, 2 * below / 2 ** (a + b))


def _table_of_rates(rows):
    """Return a table of losses, a line a model and number of steps, a column a rate."""
    names = sorted({row["given"] for row in rows}, key=lambda n: (n != "default", n[-1:], n))
    lines = [f"| model | steps | {' | '.join(names)} |", f"|---|---:|{'---:|' * len(names)}"]
    found = {(row["model"], row["steps"], row["given"]): row for row in rows}
    for model, steps in sorted({key[:2] for key in found}):
        cells = [found.get((model, steps, name)) for name in names]
        shown = [f"{c['loss']:.3f} ({c['rate']:g})" if c else "" for c in cells]
        lines.append(f"| {model} | {steps:,} | {' | '.join(shown)} |")
    return [*lines, "", "Nats a token of validation text; in brackets the rate."]


if __name__ == "__main__":
    main()
