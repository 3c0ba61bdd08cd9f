"""The next Keras: every check of masks and padding again, with recurrent layers that lose masks.

They are run in a process of their own: models and layers that tests share are made there anew.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDERS = ("layers", "models")


@pytest.mark.timeout(1200)
def test_own_layers_and_models_do_not_depend_on_the_masks_of_keras():
    folders = [str(HERE / folder) for folder in FOLDERS]
    command = [sys.executable, "-m", "pytest", "-q", "-k", "mask or padd", "--tb=short", "-n", "0",
               "-p", "no:cacheprovider", *folders]  # fmt: skip
    environment = os.environ | {"KERASLLM_MASKS_LOST": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE.parent)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
