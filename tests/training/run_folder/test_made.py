"""How a run says what it was made on."""

import os
import re

import pytest

from kerasllm.training.run_folder.made import machine

pytestmark = pytest.mark.backends


def test_the_machine_is_told_on_every_backend():
    """Also on JAX without a GPU, where to ask for one is an error."""
    assert re.fullmatch(rf"\S+, {os.cpu_count()} cores(, \d+ GPU)?", machine())
