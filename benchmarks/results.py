"""What a benchmark found, as a file; and benchmarks/README.md made of these files.

    python benchmarks/results.py            # writes the table anew

Each row is one file of `benchmarks/results/`, written by the benchmark itself together with the
command, the machine, the versions and the date.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / "results"
PACKAGES = ("tensorflow", "jax", "torch", "keras", "keras-hub", "transformers", "numpy")
BEGIN = "<!-- Written by `python benchmarks/results.py`. -->"


def keep(name, row, unit, systems, ratios=(), **more):
    """Write one row.

    Args:
        name: of the file.
        row: what was measured, in words.
        unit: of the numbers.
        systems: {system: (by the clock, by processor time or None)}.
        ratios: [{"peer", "ratio", "by processor time", "target"}], targets as "≥ 1.2", or None.
        **more: what else is worth keeping.
    """
    FOLDER.mkdir(exist_ok=True)
    rounded = {system: [n and float(f"{n:.4g}") for n in pair] for system, pair in systems.items()}
    script = os.path.relpath(sys.argv[0], HERE.parent)
    backend = os.environ.get("KERAS_BACKEND")
    found = {
        "row": row, "unit": unit, "systems": rounded, "ratios": list(ratios), **more,
        "command": (f"KERAS_BACKEND={backend} " if backend else "")
        + f"python {shlex.join([script, *sys.argv[1:]])}",
        "machine": machine(), "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }  # fmt: skip
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / f"{name}.json").write_text(text, "utf-8")


def machine():
    """Return the processor in a line."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    names = [line.split(":")[1].strip() for line in text.splitlines() if "model name" in line]
    wide = [name for name, flag in (("AVX-512", "avx512f"), ("AMX", "amx_tile")) if flag in text]
    return f"{os.cpu_count()} cores, {' '.join([names[0] if names else platform.machine(), *wide])}"


def versions():
    """Return {package: version} of those that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def table(rows):
    """Return the rows as Markdown."""
    lines = [
        "| what | unit | systems | ratio (by processor time) | target | measured |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        systems = "<br>".join(f"{name} {pair[0]:,g}" for name, pair in row["systems"].items())
        shown = "<br>".join(map(_ratio, row["ratios"]))
        targets = "<br>".join(r["target"] or "" for r in row["ratios"])
        lines.append(
            f"| {row['row']} | {row['unit']} | {systems} | {shown} | {targets} | {row['date']} |"
        )
    return "\n".join(lines)


def _ratio(ratio):
    by_processor = ratio.get("by processor time")
    both = f"{ratio['ratio']:g}" + (f" ({by_processor:g})" if by_processor else "")
    met = reached(ratio)
    return f"{ratio['peer']} {f'**{both}**' if met else both}"


def reached(ratio):
    """Return whether a ratio is what its target asks for; None without a target."""
    if not ratio["target"]:
        return None
    sign, number = ratio["target"].split()
    return ratio["ratio"] >= float(number) if sign == "≥" else ratio["ratio"] <= float(number)


def main():
    """Write the table into the page, and say which machines it comes from."""
    rows = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    machines = sorted({f"{row['machine']}; {_versions(row)}; {row['date']}" for row in rows})
    page = HERE / "README.md"
    head = page.read_text("utf-8").split(BEGIN)[0]
    made_on = "\n".join(f"- {line}" for line in machines)
    page.write_text(f"{head}{BEGIN}\n\n{table(rows)}\n\nMeasured on\n\n{made_on}\n", "utf-8")


def _versions(row):
    return ", ".join(f"{package} {version}" for package, version in row["versions"].items())


if __name__ == "__main__":
    main()
