import gc
import json
import os
import re
import subprocess
import sys

import pytest

from kerasllm.datasets.docstrings import loading as docstrings
from kerasllm.datasets.docstrings.loading import load_docstrings
from kerasllm.datasets.docstrings.names import NameMask
from kerasllm.datasets.docstrings.near_duplicates import first_copies, minhash
from kerasllm.datasets.docstrings.prose import prose

WORDS = ["wind", "water", "stone", "fire", "river", "mountain", "forest", "meadow", "cloud", "rain"]


def library_source(name, rng, functions=40):
    """Return the source of a module that would fail loudly if it were ever executed."""
    bodies = []
    for i in range(functions):
        words = " ".join(rng.choice(WORDS, 12))
        bodies.append(f'def f{i}():\n    """Tell {name} about {words} in {name}.core."""\n')
    return f'"""The {name} library, of words and of more and more words."""\n' + "\n".join(
        [*bodies, 'raise RuntimeError("this file must be read, not run")\n']
    )


@pytest.fixture
def libraries(tmp_path, monkeypatch, rng):
    """Two small libraries in place of the real ones, and a cache of their own."""
    for name in ("keras_one", "numpy_two"):
        folder = tmp_path / "site" / name
        (folder / "tests").mkdir(parents=True)
        (folder / "__init__.py").write_text(library_source(name, rng))
        (folder / "tests" / "__init__.py").write_text(
            '"""' + "Nobody wants to read a test. " * 5 + '"""'
        )
        (folder / "broken.py").write_text('"""Never closed')
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(docstrings, "SOURCES", {"one": "keras_one", "two": "numpy_two"})
    monkeypatch.setattr(docstrings, "PER_CLASS", {"test": 7, "validation": 5, "train": 11})
    monkeypatch.setattr(docstrings, "_PLACES", (7, 12, 23))
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path / "cache"))
    docstrings._rows.cache_clear()
    yield tmp_path
    docstrings._rows.cache_clear()


def test_splits_are_balanced_disjoint_and_complete(libraries):
    parts = {split: load_docstrings(split, classes=2) for split in docstrings.SPLITS}
    assert [len(parts[split]) for split in ("test", "validation", "train")] == [14, 10, 22]
    assert all(parts["test"].labels_of.count(label) == 7 for label in ("one", "two"))
    test, validation = set(parts["test"].texts), set(parts["validation"].texts)
    unlabelled = set(parts["unlabelled"].texts)
    assert not test & validation and not (test | validation) & unlabelled
    assert set(parts["train"].texts) <= unlabelled
    assert parts["unlabelled"].task == "language_model"
    assert not any("Nobody" in text for text in unlabelled | test | validation)


def test_sources_are_never_imported_and_the_label_is_not_in_the_text(libraries):
    texts = load_docstrings("unlabelled", classes=2).texts
    assert not {"keras_one", "numpy_two"} & set(sys.modules)
    assert not any(re.search("keras|numpy|_one|_two", text) for text in texts)


def test_the_cache_is_read_and_a_torn_one_is_made_again(libraries):
    before = load_docstrings("train", classes=2).fingerprint
    (file,) = (libraries / "cache").iterdir()
    rows = json.loads(file.read_text())
    file.write_text(json.dumps([["one", text] for _, text in rows]))
    docstrings._rows.cache_clear()
    assert set(load_docstrings("train", classes=2).labels_of) == {"one"}
    file.write_text(file.read_text()[:100])
    docstrings._rows.cache_clear()
    assert load_docstrings("train", classes=2).fingerprint == before
    assert [path.name for path in (libraries / "cache").iterdir()] == [file.name]


def test_a_cache_that_cannot_be_written_is_reported_and_not_needed(libraries, monkeypatch, caplog):
    (libraries / "file").write_text("")
    monkeypatch.setenv("KERASLLM_CACHE", str(libraries / "file" / "below"))
    assert len(load_docstrings("test", classes=2)) == 14
    assert "KERASLLM_CACHE" in caplog.text
    assert gc.isenabled()


def test_another_version_has_another_cache(libraries, monkeypatch):
    first = docstrings._cache_file()
    monkeypatch.setattr(docstrings, "_version", lambda source: "99")
    assert docstrings._cache_file() != first


def test_wrong_arguments_and_a_missing_library_say_what_to_do(libraries, monkeypatch):
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        load_docstrings("trian")
    with pytest.raises(ValueError, match="classes must be 2 to 2, received 3"):
        load_docstrings("train", classes=3)
    monkeypatch.setitem(docstrings.SOURCES, "two", "kerasllm_has_no_such_library")
    with pytest.raises(ModuleNotFoundError, match="pip install two"):
        load_docstrings("train", classes=2)


def test_real_libraries_give_clean_texts_without_an_import(tmp_path):
    code = (
        "import sys; from kerasllm.datasets.docstrings import loading as d\n"
        "d.SOURCES = {'numpy': 'numpy', 'nltk': 'nltk'}\n"
        "test = d.load_docstrings('test', classes=2)\n"
        "print(len(test), 'nltk' in sys.modules, *test.texts)"
    )
    env = {**os.environ, "KERASLLM_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=env, text=True, capture_output=True, check=True)
    assert result.stdout.split()[:2] == ["1000", "False"]
    assert not re.search(r"nltk|numpy|\bnp\b|>>>|://|[a-z]_[a-z]", result.stdout, re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("an example of simple templates, i.e. 0.5 or .5", None),
        ("TF-Lite and tf2 and tf-idf", "NAME and NAME and NAME"),
        ("an ndarray of n_samples, a LinearSVC, int32", "an ndarray of NAME, a NAME, NAME"),
        ("see numpy, scipy and sklearn.svm.SVC() now", "see NAME, NAME and NAME now"),
        ("Cython, CPython's and scikit-learn", "Cython, NAME's and NAME"),
        ("as plt.plot does, or .Axes", "as NAME does, or NAME"),
        ("a b-c d. Next", None),
    ],
)
def test_mask(text, masked):
    assert NameMask()(text) == (masked or text)


@pytest.mark.parametrize(
    ("docstring", "text"),
    [
        ("Say.\n\n    >>> import numpy as np\n    ... x\n    3\n\n    Done.", "Say.\nDone."),
        ("It is said like this::\n\n    x = 3\n\nDone.", "It is said like this: Done."),
        ("Say.\n\n.. plot::\n\n    x of code\n\n    y\n\nDone.", "Say.\nDone."),
        ("Say.\n```python\nx of code\n```\nDone.", "Say.\nDone."),
        ("Do.\n\nParameters\n----------\nx : int\n    The count.", "Do.\nx: int The count."),
        ("Do.\n\nArgs:\n  x: The count.\n\nReturns:\n  It.", "Do.\nx: The count.\nIt."),
        (":param x: The count.\n:rtype: int", "x: The count. : int"),
        ("See :class:`~a.B` or https://example.org/x now.", "See a.B or now."),
        ("Licensed under the terms.\nBut read.", "But read."),
        ("Table\n\n| 1 | 2 | 3 |\n+---+---+", "Table"),
        ("", ""),
    ],
)
def test_prose(docstring, text):
    assert prose(docstring) == text


def test_first_copies_keeps_the_first_of_near_duplicates(rng):
    texts = [" ".join(rng.choice(WORDS, 40)) for _ in range(30)]
    changed = [text.rsplit(" ", 1)[0] + " elsewhere" for text in texts]
    assert first_copies([*texts, *changed, *texts]) == list(range(30))
    assert first_copies([]) == []
    assert first_copies(["", "one", "One!"]) == [0, 1]


def test_minhash_estimates_the_share_of_common_shingles(rng):
    common = [f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)]
    half, other = common[:200], common[100:300]
    a, b = minhash([" ".join(half), " ".join(other)], hashes=600)
    expected = 96 / (196 + 196 - 96)
    assert abs((a == b).mean() - expected) < 4 * (expected * (1 - expected) / 600) ** 0.5
