"""Any set of `parsing` and `translation` under one command, as the rows of before were made.

python -m kerasllm.recipes.pairs scan
python -m kerasllm.recipes.pairs geo880
python -m kerasllm.recipes.pairs multi30k --architecture transformer
"""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.recipes import parsing, translation
from kerasllm.recipes.parsing import GEO, SCAN
from kerasllm.recipes.recipe import Fast, Output, Share
from kerasllm.recipes.translation import RECURRENT, TRANSFORMER
from kerasllm.utils.errors import check_choice

SETTINGS = (SCAN, GEO, RECURRENT, TRANSFORMER)
TASKS = {"scan": parsing, "geo880": parsing, "multi30k": translation}


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(TASKS)}")],
    output: Output = Path("runs/pairs"),
    architecture: Annotated[str, typer.Option(help="recurrent or transformer")] = "recurrent",
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Train and score an encoder-decoder on one of the sets in `TASKS`."""
    check_choice("data", data, TASKS)
    chosen = {"architecture": architecture} if TASKS[data] is translation else {}
    TASKS[data].main(data, output, fast=fast, share=share, **chosen)


if __name__ == "__main__":
    typer.run(main)
