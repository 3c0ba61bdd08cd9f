"""The list of `mutations.py` fits the reference as it is, and a planted mutation is taken back."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from kerasllm import reference as ref

TOOL = runpy.run_path(str(Path(__file__).with_name("mutations.py")))
MUTATIONS, where, planted = TOOL["MUTATIONS"], TOOL["where"], TOOL["planted"]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.file}: {m.old}")
def test_a_mutation_changes_one_place(mutation):
    source = where(mutation.file).read_text(encoding="utf-8")
    assert source.count(mutation.old) == 1 and mutation.new != mutation.old
    compile(source.replace(mutation.old, mutation.new), mutation.file, "exec")


def test_a_planted_mutation_is_at_work_and_taken_back(rng):
    (mutation,) = [m for m in MUTATIONS if m.old.startswith("np.exp(x - x.max")]
    x = rng.normal(size=7) + 1000
    before = ref.softmax(x)[0]
    with planted(mutation), np.errstate(all="ignore"):
        assert np.isnan(ref.softmax(x)[0]).all()  # too large for exp
    np.testing.assert_array_equal(ref.softmax(x)[0], before)


def test_an_entry_that_fits_nowhere_is_named():
    mutation = TOOL["Mutation"]("activations", "no such line", "x")
    with pytest.raises(ValueError, match="expected 'no such line' once"), planted(mutation):
        pass
