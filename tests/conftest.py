"""Fixtures that every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng():
    """Return a generator with a fixed seed: same numbers in every run."""
    return np.random.default_rng(7)


@pytest.fixture
def data_root():
    """Return the folder of public data sets, or skip."""
    root = os.environ.get("KERASLLM_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("needs real public data: set KERASLLM_DATA to a folder of data sets")
    return Path(root)


@pytest.fixture
def nltk_data():
    """Return the folder of NLTK corpora, or skip."""
    root = os.environ.get("NLTK_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("needs NLTK corpora: set NLTK_DATA to a folder of NLTK data")
    return Path(root)
