"""docs/trust.md, made of the figures that the long commands left: `python -m tests.long table`."""

import json
from pathlib import Path

FIGURES = Path(__file__).parent / "figures"
PAGE = Path(__file__).parent.parent.parent / "docs" / "trust.md"
# name of a command: what it does to the project
TRIED = {
    "captum": "Attributions on the same weights: the largest difference to captum's, as a share",
    "commands": "Command lines that make no sense: each is to be refused by name, in our words",
    "folders": "Run folders of strangers: nothing in them is run, or unfolds",
    "kill_points": "Trainings killed at every replace of a file, resumed, compared to the last bit",
    "lowest": "The suite with the lowest version of every requirement",
    "mutants": "Mistakes planted in the code by a generator: each is to turn a test red",
    "processes": "One process, two, and one of two killed: the largest differences, as shares",
    "readers": "Hostile files: each reader reads them rightly, or fails in our words",
    "smollm2": "A real Llama from a GGUF file: logits, tokens and greedy texts as in transformers",
    "twins": "Random models: the NumPy twin is to equal Keras, or to say that it cannot",
}
HEAD = """# Trust, measured

What was tried to break the project, by commands that take longer than the suite. This page is made
by `python -m tests.long table` from the figures that they left in `tests/long/figures/`.
"""


def rows(found, before=""):
    """Yield (name, value) of the numbers and short texts in nested figures; of lists the length."""
    for name, value in found.items():
        name = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, dict) and len(value) <= 8:
            yield from rows(value, f"{name}: ")
        elif isinstance(value, dict | list):
            yield name, f"{len(value)} entries"
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, f"{value:,}"
        elif isinstance(value, str) and len(value) <= 120:
            yield name, value.replace("|", "\\|")


def main(_arguments):
    """Write the page."""
    parts = [HEAD]
    for path in sorted(FIGURES.glob("*.json")):
        title = TRIED.get(path.stem, path.stem)
        command = f"`python -m tests.long {path.stem.replace('_', '-')}`"
        parts.append(f"## {title}\n\n{command}\n\n| figure | value |\n|---|---|")
        cells = rows(json.loads(path.read_text("utf-8")))
        parts.append("\n".join(f"| {name} | {value} |" for name, value in cells) + "\n")
    PAGE.write_text("\n".join(parts), "utf-8")
    print(f"{PAGE.name}: {len(parts) // 2} commands")
    return 0
