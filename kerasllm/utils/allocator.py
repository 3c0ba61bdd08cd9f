"""Memory that comes back at every step: keep it, instead of asking the system for it again.

A training step allocates and frees buffers of tens of megabytes. glibc gives such buffers back to
the system and has each page of the next one cleared again, which can take a third of a training's
time. Told to keep them, a process holds on to the largest amount that it ever used.

- Linux with glibc only; elsewhere, and where another allocator is loaded, nothing happens.
- KERASLLM_KEEP_MEMORY=0 switches it off, for who shares a machine's memory with others.
- Never on import: it begins with the command `kerasllm`, and in Python where a training, an
  evaluation or a decoding does. `benchmarks/allocator.py` shows what each option does.
"""

import ctypes
import functools
import os

VARIABLE = "KERASLLM_KEEP_MEMORY"
# Of glibc's malloc.h: option, value.
KEEP = {
    "M_MMAP_MAX": (-4, 0),  # no buffer gets pages of its own, which would go back with it
    "M_TRIM_THRESHOLD": (-1, 2**31 - 1),  # the heap is not cut
    "M_TOP_PAD": (-2, 256 * 2**20),  # it grows in large pieces
    "M_ARENA_MAX": (-8, 1),  # all threads share one heap
}


@functools.cache
def keep_buffers():
    """Make malloc keep freed memory for the rest of this process; return whether it does.

    Source: mallopt(3), glibc.
    """
    if os.environ.get(VARIABLE) == "0":
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - other libraries have a mallopt that does nothing
    except (AttributeError, OSError, TypeError):
        return False
    return all([library.mallopt(*option) for option in KEEP.values()])
