"""Fixtures that every test may use."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

os.environ.pop(
    "KERASLLM_LANGUAGE", None
)  # whoever works in Chinese tests the English sentences too

os.environ["KERASLLM_PROGRESS"] = ""  # what tests check is nobody's progress

# Each of these starts further processes and takes minutes.
FIRST = ("test_backends.py", "test_next_keras.py", "test_recipes.py")


def pytest_collection_modifyitems(items):
    """Begin with the longest files, in the order of `FIRST`."""
    ranks = {name: rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(FIRST)))


@pytest.fixture(scope="session", autouse=True)
def recurrent_masks():
    """Run everything with Keras' recurrent layers as Keras 3.16 makes them, where asked to."""
    if "KERASLLM_MASKS_LOST" not in os.environ:
        yield
        return
    from kerasllm.verify import recurrent_masks

    with recurrent_masks(kept=False):
        yield


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


@pytest.fixture
def documents():
    """Return the folder of the five documents, or skip."""
    root = os.environ.get("KERASLLM_DOCUMENTS")
    if not root or not Path(root).is_dir():
        pytest.skip("needs the five documents: set KERASLLM_DOCUMENTS to their folder")
    return Path(root)


@pytest.fixture
def chatml():
    """Return a function from a template to a tokenizer of bytes with two special tokens."""
    from tokenizers import pre_tokenizers

    from kerasllm.text.tokenizers.imported import import_tokenizer

    special = ["<|im_start|>", "<|im_end|>"]
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), "ĠĠ"]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    bytewise["use_regex"] = True
    library = {
        "version": "1.0", "normalizer": None, "post_processor": None,
        "added_tokens": [{"id": i, "content": t, "special": True, **flags}
                         for i, t in enumerate(special)],
        "pre_tokenizer": bytewise, "decoder": bytewise,
        "model": {"type": "BPE", "merges": [["Ġ", "Ġ"]],
                  "vocab": {token: i for i, token in enumerate(tokens)}},
    }  # fmt: skip
    roles = {"bos": special[0], "eos": special[1]}
    return lambda template: import_tokenizer(library, roles, "gpt2", chat_template=template)


@pytest.fixture(scope="session")
def browser():
    """Return a function from a page to what its script left in `data-found`, or skip.

    The page is HTML with the word PAGES in the place of what is handed over, as JSON; `budget` are
    the milliseconds that its timers may run.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("needs a browser: Chromium or Chrome, none was found")

    def found_by(harness, pages, folder, budget):
        # A page may not end the script that it is handed over in.
        handed = json.dumps(pages).replace("<", "\\u003c").replace("\u2028", "\\u2028")
        path = folder / "harness.html"
        path.write_text(harness.replace("PAGES", handed), "utf-8")
        quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--virtual-time-budget={budget}",
                 f"--user-data-dir={folder / 'profile'}"]  # fmt: skip
        done = subprocess.run(
            [program, *quiet, path.as_uri()], capture_output=True, text=True, timeout=120
        )
        found = re.search(r'data-found="([^"]+)"', done.stdout)
        assert found, done.stdout[:500] + done.stderr[-500:]
        return json.loads(unquote(found[1]))

    return found_by


# Tiny trained runs that the tests of the workflow share.
TINY = {"size": "tiny", "units": 13, "hidden_dim": 13, "length": 32, "batch_size": 8}


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
    from kerasllm.training import pretrain

    options = {**TINY, "tokenizer": "word", "steps": 4, "eval_every": 4, "xla": False}
    return pretrain("topic_en", shared / "pretrained", quiet=True, **options)


@pytest.fixture(scope="session")
def classifier(pretrained, shared):
    """Return the run of a tiny classifier of six topics; not to be changed."""
    from kerasllm.training import finetune

    options = {"epochs": 6, "method": "full", "learning_rate": 0.01}
    return finetune(pretrained, "topic_en", shared / "classifier", quiet=True, **options)


@pytest.fixture
def copy_of(tmp_path):
    """Return a function that copies a run, for tests that damage it."""

    from kerasllm.training import load_run

    def copy(run):
        return load_run(shutil.copytree(run.path, tmp_path / "copy"))

    return copy
