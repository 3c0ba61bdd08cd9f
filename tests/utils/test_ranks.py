import pytest

from kerasllm.utils import ranks
from kerasllm.utils.ranks import Place, first_alone, launched

NAMES = [name for pair in ranks.VARIABLES for name in pair]


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("many", "which"), ranks.VARIABLES)
def test_every_launcher_says_which_process_this_is(monkeypatch, many, which):
    assert launched() == Place(0, 1)
    monkeypatch.setenv(many, "3")
    monkeypatch.setenv(which, "2")
    assert launched() == Place(2, 3)


def test_a_launcher_of_one_process_is_none(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert launched() == Place(0, 1)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")  # `srun` of one task that calls `mpirun`
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    assert launched() == Place(1, 2)


@pytest.mark.parametrize(("many", "which"), [("2", "2"), ("2", "-1"), ("two", "0"), ("2", None)])
def test_what_no_launcher_sets_is_refused(monkeypatch, many, which):
    monkeypatch.setenv("JAX_NUM_PROCESSES", many)
    if which is not None:
        monkeypatch.setenv("JAX_PROCESS_ID", which)
    with pytest.raises(ValueError, match="expected the launcher to set JAX_NUM_PROCESSES"):
        launched()


def test_the_first_alone_writes(monkeypatch):
    written = []
    write = first_alone(lambda x: written.append(x) or x)
    assert write(1) == 1
    monkeypatch.setattr(ranks, "_place", Place(1, 2))
    assert write(2) is None
    assert written == [1]
