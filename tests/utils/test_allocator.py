"""Freed memory that is kept: seen in a process of its own, by its page faults."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from kerasllm.utils import allocator

# Five arrays of 24 MB at a time, in a thread that begins after the call.
STEPS = """
import resource, threading, numpy as np
from kerasllm.utils.allocator import keep_buffers
kept = keep_buffers()
def steps():
    [np.ones(3_000_000) for _ in range(5)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        [np.ones(3_000_000) for _ in range(5)]
    print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=steps)
thread.start()
thread.join()
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")


def _faults(**environment):
    run = subprocess.run(
        [sys.executable, "-c", STEPS], env={**os.environ, **environment}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    kept, faults = run.stdout.split()
    return kept == "True", int(faults)


@glibc
def test_what_was_freed_is_used_again_without_asking_the_system():
    """50 arrays have 290,000 pages of 4 KB, or 570 of 2 MB."""
    kept, faults = _faults(**{allocator.VARIABLE: "1"})
    not_kept, more = _faults(**{allocator.VARIABLE: "0"})
    assert kept and not not_kept
    assert more > 500 and faults < more / 10


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    allocator.keep_buffers.cache_clear()
    assert allocator.keep_buffers() is False
    allocator.keep_buffers.cache_clear()


def test_importing_the_package_changes_nothing():
    code = (
        "import kerasllm.models, kerasllm.training\n"
        "from kerasllm.utils import allocator\n"
        "print(allocator.keep_buffers.cache_info().currsize)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "0"
