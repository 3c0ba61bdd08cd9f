"""The other Keras backends: the tests marked `backends` again, each backend in its own process.

Keras fixes its backend when it is imported, so the tests of this process prove TensorFlow alone.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OTHERS = ("jax", "torch")
FOLDERS = ("layers", "models", "reference", "training", "verify")
# What every run proves; KERASLLM_ALL_BACKENDS=1 proves all folders, for which JAX takes long to
# compile.
QUICK = [
    ("jax", "layers/attention/test_multi_head.py"),
    ("jax", "layers/recurrent/test_stack.py"),
    ("jax", "training/test_kill_points.py"),
    ("torch", "layers"),
    ("torch", "models"),
    ("torch", "training/test_kill_points.py"),
]
ALL = [(backend, folder) for backend in OTHERS for folder in FOLDERS]
CHOSEN = ALL if os.environ.get("KERASLLM_ALL_BACKENDS") else QUICK
INSIDE = "KERASLLM_BACKEND_TESTS"  # set in the subprocess: it starts no further one


@pytest.mark.skipif(INSIDE in os.environ, reason="runs inside the tests of another backend")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("backend", "folder"), CHOSEN)
def test_backend(backend, folder):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install 'kerasllm[{backend}]'")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "backends", "--tb=short", "-n", "0",
               "-p", "no:cacheprovider", str(HERE / folder)]  # fmt: skip
    # One thread a process and the quickest compilation: these models are tiny.
    environment = os.environ | {
        INSIDE: backend, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE.parent)
    if run.returncode == 5:
        pytest.skip(f"no test in {folder} is marked for the other backends")
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
