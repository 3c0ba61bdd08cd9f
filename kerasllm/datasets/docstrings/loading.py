"""Real English that every installation has: the docstrings of what this package depends on.

- Sources are found without importing them and read by `ast`; nothing is executed.
- A text is labelled with the library that it comes from; `library_names` keeps the label out of
  the text, `prose` keeps code and the libraries' styles out.
- Near-duplicates go before the split, across libraries too.
- The result is cached under the versions of all sources. Other versions give other texts, never
  other classes.
"""

import ast
import bisect
import contextlib
import functools
import gc
import hashlib
import importlib.metadata
import importlib.util
import itertools
import json
import logging
import os
import platform
import sysconfig
import warnings
from collections import Counter
from pathlib import Path

from kerasllm.datasets.docstrings.names import NameMask, telling_names
from kerasllm.datasets.docstrings.near_duplicates import first_copies
from kerasllm.datasets.docstrings.prose import prose
from kerasllm.datasets.examples import Dataset, Labelled, Text
from kerasllm.datasets.public.registry import cache_folder
from kerasllm.utils.errors import check_choice
from kerasllm.utils.files import whole_file

# Class name -> import name. The first six are the classes unless more are asked for.
SOURCES = {
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "python": None,  # the standard library
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "tensorflow": "tensorflow",
    "keras": "keras",
    "nltk": "nltk",
}
SPLITS = ("train", "validation", "test", "unlabelled")
PER_CLASS = {"test": 500, "validation": 250, "train": 500}
_PLACES = tuple(itertools.accumulate(PER_CLASS.values()))
MIN_WORDS, MAX_CHARACTERS = 8, 4000
FORMAT = 1  # raise it whenever the extraction changes: old caches are then ignored

# Tests, copies of other projects, and what some systems leave out.
_SKIPPED = {
    "test", "tests", "testing", "idle_test", "site-packages", "dist-packages", "externals",
    "extern", "_vendor", "vendor", "array_api_compat", "array_api_extra", "lib2to3", "idlelib",
    "turtledemo", "ensurepip", "_api", "include",
}  # fmt: skip
_SKIPPED_FOLDERS = ("tensorflow/python/keras/", "scipy/_lib/")
_LOG = logging.getLogger(__name__)


def _folder(source):
    """Return the folder of a library, found without importing it."""
    if SOURCES[source] is None:
        return Path(sysconfig.get_paths()["stdlib"])
    spec = importlib.util.find_spec(SOURCES[source])
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"The docstrings data set reads the installed source of {source}, which is not there; "
            f"run `pip install {source}`."
        )
    return Path(spec.submodule_search_locations[0])


def _files(source):
    """Return the Python files of a library, in a fixed order."""
    root = _folder(source)
    paths = []
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(set(inner) - _SKIPPED)
        here = Path(folder).relative_to(root).as_posix()
        if not f"{source}/{here}/".startswith(_SKIPPED_FOLDERS):
            paths += [Path(folder, n) for n in sorted(names) if n.endswith(".py")]
    return [p for p in paths if not p.stem.startswith("test_") and not p.stem.endswith("_test")]


def _docstrings(path):
    """Yield the docstrings of a file: its own, its classes' and its functions'."""
    code = path.read_bytes()
    if b'"""' not in code and b"'''" not in code:
        return
    try:
        queue = [ast.parse(code)]
    except (SyntaxError, ValueError):  # a template, or written for another Python
        return
    for node in queue:
        for block in ("body", "orelse", "handlers", "finalbody"):
            if isinstance(inner := getattr(node, block, None), list):
                queue += inner
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node, clean=False) or ""


def _cut(text):
    """Cut a long text at the end of a word."""
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS].rsplit(None, 1)[0]


def _texts_of(source):
    """Return the docstrings of a library as prose, and the names of its modules."""
    paths, root = _files(source), _folder(source)
    modules = {part for p in paths for part in p.relative_to(root).with_suffix("").parts}
    raw = dict.fromkeys(doc for path in paths for doc in _docstrings(path) if len(doc) > 60)
    return [_cut(prose(doc)) for doc in raw], {name.strip("_").lower() for name in modules}


def _extract():
    """Return all texts of all libraries as (source, text), masked, without near-duplicates."""
    rows, modules = [], {}
    for source in SOURCES:
        texts, modules[source] = _texts_of(source)
        rows += [(source, text) for text in texts]
    mask = NameMask(telling_names(rows, modules))
    rows = [(source, mask(text)) for source, text in rows]
    rows = [row for row in rows if len(row[1].replace("NAME", "").split()) >= MIN_WORDS]
    return [rows[i] for i in first_copies([text for _, text in rows])]


@contextlib.contextmanager
def _quick_parsing():
    """Parse without the cyclic collector (four times faster) and without others' warnings."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if enabled:
            gc.enable()


def _version(source):
    """Return the version of a source without importing it."""
    if SOURCES[source] is None:
        return platform.python_version()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(source)
    return "unknown"  # TensorFlow has several distributions: tensorflow-cpu, -macos


def _cache_file():
    """Return the file of this data set for the versions that are installed."""
    key = json.dumps([FORMAT, {source: _version(source) for source in SOURCES}])
    return cache_folder() / f"docstrings-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _write_atomically(path, rows):
    """Write rows beside `path`, then rename: a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        json.dump(rows, file, ensure_ascii=False)


@functools.cache
def _rows(path):
    """Return all texts as (source, text), from the cache if it is there."""
    with contextlib.suppress(OSError, ValueError):
        return [(source, text) for source, text in json.loads(path.read_text("utf-8"))]
    with _quick_parsing():
        rows = _extract()
    try:
        _write_atomically(path, rows)
    except OSError as error:
        _LOG.warning(
            "The docstrings could not be kept in %s (%s); they will be extracted again next "
            "time. Set KERASLLM_CACHE to a folder that can be written.", path.parent, error,
        )  # fmt: skip
    return rows


def _parts(rows, classes):
    """Return split -> examples. A text's place hangs on its content, not on its neighbours."""
    parts = {split: [] for split in SPLITS}
    drawn = sorted(rows, key=lambda row: hashlib.sha256(row[1].encode()).digest())
    counts = Counter()
    for source, text in drawn:
        place = bisect.bisect_right(_PLACES, counts[source]) if source in classes else len(_PLACES)
        counts[source] += 1
        split = (*PER_CLASS, "unlabelled")[place]
        if split != "unlabelled":
            parts[split].append(Labelled(text, source))
        if split in ("train", "unlabelled"):
            parts["unlabelled"].append(Text(text))
    return parts


def load_docstrings(split="train", classes=6):
    """Load the docstrings of this installation, each labelled with its library.

    The libraries are those that kerasllm cannot be installed without: every computer has the same
    classes. Per class there are 500 texts to test, 250 to validate, 500 to train.

    Args:
        split: "train", "validation", "test", or "unlabelled": the texts of all libraries that are
            neither in validation nor in test, without labels (those of train are among them).
        classes: 2 to 8, how many libraries are classes; the others are only in "unlabelled".

    Returns:
        Dataset, of task "classification", or "language_model" for "unlabelled". The first call on
        a computer takes about 20 seconds, later ones less than one.

    Raises:
        ValueError: for an unknown split, or another number of classes.
        ModuleNotFoundError: if one of the libraries is not installed.

    Example:
        >>> load_docstrings("test", classes=2)  # doctest: +SKIP
        <Dataset docstrings/test: 1,000 classification examples, 2 labels>
    """
    check_choice("split", split, SPLITS)
    if classes not in range(2, len(SOURCES) + 1):
        raise ValueError(f"classes must be 2 to {len(SOURCES)}, received {classes!r}.")
    chosen = tuple(SOURCES)[:classes]
    examples = _parts(_rows(_cache_file()), chosen)[split]
    info = {"versions": {source: _version(source) for source in SOURCES}, "masked": "NAME"}
    task = "language_model" if split == "unlabelled" else "classification"
    labels = () if split == "unlabelled" else chosen
    return Dataset(examples, name="docstrings", split=split, task=task, labels=labels, info=info)
