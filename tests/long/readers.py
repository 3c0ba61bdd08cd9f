"""Thousands of broken files for every reader: `python -m tests.long readers [INPUTS A READER]`."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "figures" / "readers.json"
INPUTS = 300  # for each reader; an eighth for each of public sets, half for other files


def main(arguments):
    """Run the fuzzing tests with many inputs, print a table, and write the figures."""
    inputs = int(arguments[0]) if arguments else INPUTS
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        given = {"KERASLLM_INPUTS": str(inputs), "KERASLLM_RECORD": str(record)}
        command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "--timeout", "0"]
        command.append("tests/fuzzing")
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **given}, check=False)
        readers = json.loads(record.read_text())
    totals = {name: sum(r.get(name, 0) for r in readers.values()) for name in ENDINGS}
    tried = totals["read"] + totals["refused"]
    for name, counts in [*readers.items(), ("all", totals)]:
        print(f"{name:24}", *(f"{counts.get(ending, 0):7,} {ending}" for ending in ENDINGS))
    if done.returncode:
        sys.exit("a reader failed otherwise than with an error of this package: see above")
    figures = {"inputs": tried, **totals, "readers": readers}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"{tried:,} inputs, none of which got another error than this package's own")


ENDINGS = ("read", "refused", "with its line")
