"""Every known mistake, planted in the library, must turn at least one of its checks red."""

import contextlib
import io
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from kerasllm import reference
from kerasllm.verify.mistakes.catalogue import MISTAKES, find_mistake, mistakes_of
from kerasllm.verify.mistakes.caught import first_red_row
from kerasllm.verify.mistakes.mistake import mistake, planted
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
    **dict.fromkeys(
        ("class_scores", "mcnemar", "percentile_bootstrap"), "training/test_evaluation.py"
    ),
    **dict.fromkeys(("exposure", "private_gradient"), "training/test_audit.py"),
    "quantize": "elementary/test_quantization.py",
    "softmax": "elementary/test_oracles.py",
    "relu_backward": "elementary/test_oracles.py",
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


def own_tests_fail(mistake):
    """Run the tests of a module of the reference; say whether one fails."""
    file = TESTS / CHECKED_BY_TESTS[mistake.function]
    arguments = [str(file), "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    with planted(mistake), unshrunk_examples(), contextlib.redirect_stdout(io.StringIO()):
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


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_planted_mistake_turns_a_check_red(mistake):
    row = first_red_row(mistake)
    if row is None:
        assert mistake.function in CHECKED_BY_TESTS, "no check and no example noticed"
        assert own_tests_fail(mistake)
    else:
        assert not row.ok
        assert row.quantity != "raises", row.note  # a wrong number, not a crash


def test_the_catalogue_is_large_and_its_names_are_unique():
    assert len(MISTAKES) >= 60
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)
    assert len({mistake.function for mistake in MISTAKES}) >= 60
    for known in MISTAKES:
        assert known.function in reference.__all__
        assert str(known).startswith("This is what you get when ")
        assert len(known.explanation) > 20


def test_the_right_functions_pass_their_own_checks():
    row = first_red_row(find_mistake("dense_bias_forgotten"))
    assert row.name.endswith("dense, bias")
    harmless = mistake("dense")(_dense_as_it_is)
    assert first_red_row(harmless) is None


def _dense_as_it_is(*arrays, **named):
    """Nothing is wrong."""
    return reference.dense(*arrays, **named)


def test_seeding_reaches_everyone_and_ends(rng):
    mistake = find_mistake("lstm_step_input_and_forget_swapped")
    x, kernel, recurrent = (rng.normal(size=s) for s in [(2, 5, 3), (3, 28), (7, 28)])
    before = reference.lstm(x, kernel, recurrent)[0]
    with planted(mistake):
        wrong = reference.lstm(x, kernel, recurrent)[0]
    assert not np.allclose(wrong, before)
    np.testing.assert_array_equal(reference.lstm(x, kernel, recurrent)[0], before)


def test_seeding_ends_when_the_block_raises():
    mistake = find_mistake("causal_mask_of_the_future")
    with pytest.raises(RuntimeError), planted(mistake):
        raise RuntimeError
    assert not reference.causal_mask(3)[0, 1]


def test_faults_are_found_by_name_and_by_function():
    assert all(mistake.function == "softmax" for mistake in mistakes_of("softmax"))
    assert len(mistakes_of("softmax", "dense")) > len(mistakes_of("softmax"))
    with pytest.raises(ValueError, match="Did you mean 'adam_betas_swapped'"):
        find_mistake("adam_beta_swapped")
    with pytest.raises(ValueError, match="expected a function of kerasllm"):
        mistake("softmacks")
