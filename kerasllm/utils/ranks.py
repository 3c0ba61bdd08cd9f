"""Which of the processes that train together this one is; one process is the first of one.

The first of them alone writes. The environment says which it is, in the words of its launcher.
"""

import functools
import os
from typing import NamedTuple

# (how many, which) of launchers; SLURM's are of a step, which `srun` begins.
VARIABLES = (
    ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"),
    ("KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
)


class Place(NamedTuple):
    """A process among others.

    Attributes:
        rank: its number, from 0.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1


_place = Place()


def launched():
    """Return the `Place` that the launcher of this process gave it.

    Raises:
        ValueError: its variables are no numbers, or do not go together.

    Example:
        >>> launched()
        Place(rank=0, count=1)
    """
    for many, which in VARIABLES:
        if many not in os.environ:
            continue
        try:
            place = Place(int(os.environ[which]), int(os.environ[many]))
        except (KeyError, ValueError):
            place = Place(-1, 0)
        if not 0 <= place.rank < place.count:
            raise ValueError(
                f"expected the launcher to set {many} to the number of processes and {which} to "
                f"the number of this one, from 0, received {os.environ[many]!r} and "
                f"{os.environ.get(which)!r}."
            )
        if place.count > 1:
            return place
    return Place()


def place():
    """Return the `Place` of this process among those that it has joined."""
    return _place


def take(found):
    """Note the `Place` that this process has from now on."""
    global _place
    _place = found


def is_first():
    """Return whether this is the process that writes."""
    return _place.rank == 0


def first_alone(function):
    """Have the first process do what a function writes; the others return None."""

    @functools.wraps(function)
    def written(*args, **kwargs):
        return function(*args, **kwargs) if is_first() else None

    return written
