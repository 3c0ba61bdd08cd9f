"""Every command line that makes no sense: those of the suite, and those that take a while to fail.

What is refused by an error of ours, or as wrong usage, before anything is written, is counted; what
is not is listed.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
FIGURES = HERE / "figures" / "commands.json"


def main(arguments):
    """Run the command; return 1 where a line is not refused as the table says."""
    argparse.ArgumentParser("python -m tests.long commands", description=__doc__).parse_args(
        arguments
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KERASLLM_CACHE"] = f"{folder}/cache"
        found = tried(Path(folder))
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(
        f"{found['lines']} command lines: {found['ours']} errors of ours, {found['usage']} wrong "
        f"usage, {len(found['wrong'])} otherwise"
    )
    return int(bool(found["wrong"]))


def tried(folder):
    """Return the figures of all lines."""
    from kerasllm.training import finetune, pretrain
    from tests.cli import test_commands as table

    tiny = {"size": "tiny", "units": 13, "hidden_dim": 13, "length": 32, "batch_size": 8}
    options = {**tiny, "tokenizer": "word", "steps": 4, "eval_every": 4, "xla": False}
    lm = pretrain("topic_en", folder / "pretrained", quiet=True, **options)
    tc = finetune(lm, "topic_en", folder / "classifier", quiet=True, epochs=1)
    place, wrong, seconds = folder / "place", {}, {}
    place.mkdir()
    table.fill(place, lm.path, tc.path)
    lines = [*table.LINES, *table.lines_of(HERE / "commands.txt")]
    with table.working_in(place):
        for line, message in lines:
            began, before = time.perf_counter(), table.listing(place)
            fault = table.fault_of(line, message)
            seconds[line] = time.perf_counter() - began
            if table.listing(place) != before:
                fault = f"{fault} left: {sorted(set(table.listing(place)) - set(before))}"
            if fault:
                wrong[line] = fault
                print(f"{line}: {fault}", flush=True)
    usage = sum(message.startswith("usage:") for _, message in lines)
    slowest = max(seconds, key=seconds.get)
    return {
        "lines": len(lines),
        "ours": len(lines) - usage - len(wrong),
        "usage": usage,
        "wrong": wrong,
        "slowest": {slowest: round(seconds[slowest], 1)},
    }
