"""Tiny trained runs that the tests of the workflow share."""

import shutil

import pytest

from kerasllm.training import finetune, load_run, pretrain

TINY = {"preset": "tiny", "units": 13, "hidden_dim": 13, "length": 32, "batch_size": 8}


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Return a folder for the whole session, and keep the cache of whoever runs the tests out."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASLLM_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(autouse=True)
def private_cache(shared):
    """Give every test the session's cache."""


@pytest.fixture(scope="session")
def pretrained(shared):
    """Return the run of a tiny LSTM language model; not to be changed."""
    options = {**TINY, "tokenizer": "word", "steps": 4, "eval_every": 4, "xla": False}
    return pretrain("topic_en", shared / "pretrained", quiet=True, **options)


@pytest.fixture(scope="session")
def classifier(pretrained, shared):
    """Return the run of a tiny classifier of six topics; not to be changed."""
    options = {"epochs": 6, "method": "full", "learning_rate": 0.01}
    return finetune(pretrained, "topic_en", shared / "classifier", quiet=True, **options)


@pytest.fixture
def copy_of(tmp_path):
    """Return a function that copies a run, for tests that damage it."""

    def copy(run):
        return load_run(shutil.copytree(run.path, tmp_path / "copy"))

    return copy
