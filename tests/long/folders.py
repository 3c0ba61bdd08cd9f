"""Run folders of strangers: `python -m tests.long folders` counts those refused, and the slowest.

The folders are those of tests/models/test_saved.py, where each has a test of its own.
"""

import json
import shutil
import tempfile
import time
import warnings
from pathlib import Path

from kerasllm.models import presets
from tests.models import test_saved as hostile

FIGURES = Path(__file__).parent / "figures" / "folders.json"
CHANGES = {
    "descriptions": (hostile.described, hostile.DESCRIPTIONS),
    "archives": (lambda run, change: change(run), hostile.ARCHIVES),
    "weights": (hostile.weighed, hostile.WEIGHTS),
    "tokenizers": (hostile.tokenized, hostile.PIPELINES),
}


def main(_arguments):
    """Load every hostile folder; return 1 where one is let in."""
    warnings.simplefilter("ignore")
    found, let_in, slowest = {}, [], 0.0
    for kind, (change, cases) in CHANGES.items():
        for name, case in cases.items():
            seconds, refused = tried(change, case)
            slowest = max(slowest, seconds)
            let_in += [] if refused else [name]
        found[kind] = len(cases)
    total = sum(found.values())
    found = {"folders": total, "refused": total - len(let_in), **found}
    found |= {"let in": let_in, "slowest, processor seconds": round(slowest, 2)}
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))
    return int(bool(let_in))


def tried(change, case):
    """Return (processor seconds, whether the folder is refused in our words)."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(shutil.copytree(hostile.RUNS / "tagger", Path(folder) / "run"))
        change(run, case)
        began = time.process_time()
        try:
            presets.load(run)
        except ValueError as error:
            refused = "model.keras" in str(error) or "tokenizer.json" in str(error)
        else:
            refused = False
        return time.process_time() - began, refused
