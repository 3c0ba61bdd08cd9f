"""What takes longer than the suite may: `python -m tests.long NAME [options]`.

Each module of this folder is a NAME. Its `main(arguments)` prints what it does, raises SystemExit
where something fails, and returns figures, which are kept in `results/NAME.json` with the date and
the versions. `python -m tests.long table` makes docs/trust.md of them.
"""

import importlib
import json
import platform
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent.parent / "docs" / "trust.md"
PACKAGES = ("keras", "tensorflow", "numpy")


def names():
    """Return what can be run."""
    return sorted(p.stem for p in HERE.glob("[a-z]*.py"))


def keep(name, figures, arguments=()):
    """Write figures with what they depend on to results/NAME.json."""
    command = " ".join(["python -m tests.long", name, *arguments])
    made = {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}}
    content = {"command": command, "date": date.today().isoformat(), "versions": made, **figures}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def table():
    """Write docs/trust.md: a row for each figure that was kept."""
    lines = [
        "# Trust, measured",
        "",
        "What was tried to break kerasllm, by commands that take longer than the suite. Made by",
        "`python -m tests.long table`.",
        "",
        "| command | date | figure | value |",
        "|---|---|---|---|",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        found = json.loads(path.read_text("utf-8"))
        command, day = f"`{found.pop('command')}`", found.pop("date")
        found.pop("versions")
        for name, value in found.items():
            if isinstance(value, int | float | str):
                shown = f"{value:,}" if isinstance(value, int) else value
                lines.append(f"| {command} | {day} | {name.replace('_', ' ')} | {shown} |")
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{PAGE.name}: {len(lines) - 7} figures")


def main(arguments):
    """Run what is named."""
    if arguments[:1] == ["table"]:
        return table()
    if not arguments or arguments[0] not in names():
        raise SystemExit(f"usage: python -m tests.long {{{','.join([*names(), 'table'])}}}")
    name, *rest = arguments
    figures = importlib.import_module(f"tests.long.{name.replace('-', '_')}").main(rest)
    keep(name, figures, rest)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
