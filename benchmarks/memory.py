"""Measure the peak memory of pretraining on a large text, beside the same run on a small one.

    python benchmarks/memory.py [--megabytes 1000] [--objective causal]

The texts are drawn from 30,000 made-up words with frequencies as in Zipf's law. Each run has a
process of its own, with an empty cache: hashing, tokenising and training are all measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from results import keep

WORDS, PER_LINE = 30_000, 12
CHILD = """
import json, resource, sys
from kerasllm.training import pretrain
run = pretrain(sys.argv[1], sys.argv[2], quiet=True, **json.loads(sys.argv[3]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("MEASURED", peak // (1024 if sys.platform == "darwin" else 1), run.config["training_tokens"])
"""


def make_text(path, megabytes):
    """Write lines of words until the file has the size asked for."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 11, WORDS)])
    share = 1 / np.arange(1, WORDS + 1)
    share /= share.sum()
    with open(path, "w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1e6:
            lines = rng.choice(words, (1000, PER_LINE), p=share)
            file.write("\n".join(" ".join(line) for line in lines) + "\n")


def measure(folder, megabytes, options):
    """Return (peak in MB, training tokens, seconds) of pretraining on a text of that size."""
    text = folder / f"{megabytes}.txt"
    make_text(text, megabytes)
    arguments = [str(text), str(folder / f"run-{megabytes}"), json.dumps(options)]
    environment = {**os.environ, "KERASLLM_CACHE": str(folder / f"cache-{megabytes}")}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        env=environment, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    kilobytes, tokens = done.stdout.split("MEASURED")[1].split()
    return int(kilobytes) / 1024, int(tokens), seconds


def main():
    """Print both peaks and their difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=1000, help="size of the large text")
    parser.add_argument("--objective", default="causal", help="causal, masked or contrastive")
    given = parser.parse_args()
    options = {"size": "tiny", "steps": 20, "objective": given.objective}
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for megabytes in (1, given.megabytes):
            peak, tokens, seconds = measure(Path(folder), megabytes, options)
            peaks.append(peak)
            print(
                f"{megabytes:6g} MB of text: peak {peak:6.0f} MiB   {tokens:>12,} tokens   "
                f"{seconds:.0f} s",
                flush=True,
            )
    print(f"difference {peaks[1] - peaks[0]:.0f} MiB (target: 400)")
    row = f"peak memory of pretraining on {given.megabytes:g} MB of text, {given.objective}"
    systems = {f"{given.megabytes:g} MB": (peaks[1], None), "1 MB": (peaks[0], None)}
    ratio = {"peer": "1 MB, difference", "ratio": round(peaks[1] - peaks[0]), "target": "≤ 400"}
    keep(f"memory_{given.objective}", row, "MiB", systems, [ratio])


if __name__ == "__main__":
    main()
