"""Every known mistake, planted in the library, must turn at least one of its checks red."""

import contextlib
import io
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from kerasllm import reference
from kerasllm.verify.mistakes.catalogue import FAULTS, faults_of, find_fault, seeded
from kerasllm.verify.mistakes.caught import first_red_row
from kerasllm.verify.mistakes.mistake import mistake
from kerasllm.verify.proofs import training as trajectories

TESTS = Path(__file__).parents[2] / "reference"
# Functions that count or choose have no derivative and no layer in Keras: their checks are tests.
CHECKED_BY_TESTS = {
    "beam_search": "sequence/test_decoding.py",
    "filter_probabilities": "sequence/test_decoding.py",
    "greedy_search": "sequence/test_decoding.py",
    "bpe_encode": "sequence/test_bpe.py",
    "bpe_train": "sequence/test_bpe.py",
    "ngram_mle": "sequence/test_ngram.py",
    "ngram_perplexity": "../verify/mistakes/test_holes.py",
    "crf_viterbi": "sequence/test_crf.py",
    "softmax": "elementary/test_oracles.py",
    "clip_by_global_norm": "elementary/test_oracles.py",
    "inverse_square_root": "elementary/test_oracles.py",
}


@pytest.fixture(autouse=True)
def short_trajectories(monkeypatch):
    """Five eager steps show a wrong optimizer as well as 300 compiled ones."""
    build = trajectories._keras_model

    def eager(*settings):
        model = build(*settings)
        model.run_eagerly = True
        return model

    monkeypatch.setattr(trajectories, "_keras_model", eager)
    monkeypatch.setitem(trajectories.STEPS, "float64", 5)


def own_tests_fail(fault):
    """Run the tests of a module of the reference; say whether one fails."""
    file = TESTS / CHECKED_BY_TESTS[fault.function]
    arguments = [str(file), "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    with seeded(fault), unshrunk_examples(), contextlib.redirect_stdout(io.StringIO()):
        return pytest.main(arguments) == pytest.ExitCode.TESTS_FAILED


@contextlib.contextmanager
def unshrunk_examples():
    """Let hypothesis stop at the first failure, and not look for the smallest one."""
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("first failure", phases=phases, database=None)
    hypothesis.settings.load_profile("first failure")
    try:
        yield
    finally:
        hypothesis.settings.load_profile("default")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_mistake_turns_a_check_red(fault):
    row = first_red_row(fault)
    if row is None:
        assert fault.function in CHECKED_BY_TESTS, "no rung and no example noticed"
        assert own_tests_fail(fault)
    else:
        assert not row.ok
        assert row.quantity != "raises", row.note  # a wrong number, not a crash


def test_the_catalogue_is_large_and_its_names_are_unique():
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({fault.function for fault in FAULTS}) >= 60
    for fault in FAULTS:
        assert fault.function in reference.__all__
        assert str(fault).startswith("This is what you get when ")
        assert len(fault.explanation) > 20


def test_the_right_functions_pass_their_own_checks():
    row = first_red_row(find_fault("dense_bias_forgotten"))
    assert row.name.endswith("dense, bias")
    harmless = mistake("dense")(_dense_as_it_is)
    assert first_red_row(harmless) is None


def _dense_as_it_is(*arrays, **named):
    """Nothing is wrong."""
    return reference.dense(*arrays, **named)


def test_seeding_reaches_everyone_and_ends(rng):
    fault = find_fault("lstm_step_input_and_forget_swapped")
    x, kernel, recurrent = (rng.normal(size=s) for s in [(2, 5, 3), (3, 28), (7, 28)])
    before = reference.lstm(x, kernel, recurrent)[0]
    with seeded(fault):
        planted = reference.lstm(x, kernel, recurrent)[0]
    assert not np.allclose(planted, before)
    np.testing.assert_array_equal(reference.lstm(x, kernel, recurrent)[0], before)


def test_seeding_ends_when_the_block_raises():
    fault = find_fault("causal_mask_of_the_future")
    with pytest.raises(RuntimeError), seeded(fault):
        raise RuntimeError
    assert not reference.causal_mask(3)[0, 1]


def test_faults_are_found_by_name_and_by_function():
    assert all(fault.function == "softmax" for fault in faults_of("softmax"))
    assert len(faults_of("softmax", "dense")) > len(faults_of("softmax"))
    with pytest.raises(ValueError, match="Did you mean 'adam_betas_swapped'"):
        find_fault("adam_beta_swapped")
    with pytest.raises(ValueError, match="expected a function of kerasllm"):
        mistake("softmacks")
