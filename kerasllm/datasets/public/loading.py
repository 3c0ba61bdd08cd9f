"""Public sets: find or download the files, read one split, make the splits that do not exist."""

import inspect
import os
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path

from kerasllm.datasets.examples import Dataset
from kerasllm.datasets.public.download import DownloadError, fetch, fetch_members
from kerasllm.datasets.public.readers.texts import OptionError
from kerasllm.datasets.public.registry import (
    UnverifiedError,
    accept,
    cache_folder,
    find,
    folders,
    is_verifiable,
    place,
)
from kerasllm.datasets.splits import SPLIT_NAMES, split, split_contiguous
from kerasllm.utils.errors import home_known, is_at_terminal, nearest
from kerasllm.utils.files import sha256

_FROM_TRAIN = (0.9, 0.1)


def load_public(info, wanted="train", *, allow_unverified=False, progress=True, **options):
    """Load one split of a public set.

    Args:
        info: its `DatasetInfo`.
        wanted: "train", "validation", "test"; or "all", where there is no official split.
        allow_unverified: accept a file of which the registry knows no hash.
        progress: show a progress bar while downloading.
        **options: of the set's reader, such as `domain="books"`.

    Returns:
        A `Dataset`; `.info` holds licence, hashes, how it was split, and notes.

    Raises:
        ValueError: for a split that the set does not have.
        TypeError: for an option that the reader does not have.
        DownloadError, HashMismatchError, UnverifiedError: see `get_files`.
    """
    _check_split(info, wanted)
    _check_options(info, options)
    read = partial(
        _read, info, options=options, allow_unverified=allow_unverified, progress=progress
    )
    if wanted in info.splits and (wanted != "train" or "validation" in info.splits):
        return read(wanted)[0]
    official = "all" not in info.splits
    whole, groups = read("train" if official else "all")
    if info.contiguous:
        parts = split_contiguous(whole, info.fractions)
    else:
        parts = split(whole, _FROM_TRAIN if official else info.fractions, groups=groups)
    return parts[SPLIT_NAMES.index(wanted)]


def _check_split(info, wanted):
    if wanted in info.split_names:
        return
    reason = info.missing.get(wanted, "")
    raise ValueError(
        f"{info.name} has no split {wanted!r}; it has {list(info.split_names)}."
        + (f" {reason}" if reason else nearest(wanted, info.split_names))
    )


def reader_options(info):
    """Return the options that a set's reader leaves to the user, with their defaults."""
    if isinstance(info.reader, partial):  # a general reader, set up for this set
        return {}
    parameters = inspect.signature(info.reader).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _check_options(info, options):
    known = [*reader_options(info), "allow_unverified", "progress"]
    for key in options:
        if key not in known:
            raise TypeError(
                f"{info.name} has no option {key!r}; it has {known}." + nearest(key, known)
            )


def _read(info, wanted, *, options, allow_unverified, progress):
    paths = info.splits[wanted]
    files = [info.file(path) for path in paths]
    facts = {"source": info.homepage, "licence": info.licence, "how_split": "official"}
    if info.nltk:
        _ensure_corpus(info, allow_unverified, progress)
        documents = info.documents.get(wanted, ())
        examples = _read_corpus(info.nltk, info.reader, *documents, **options)
        notes = [info.note]
    else:
        found = get_files(info, files, allow_unverified=allow_unverified, progress=progress)
        parts = *(path for path, _ in found), *info.documents.get(wanted, ())
        examples = _read_files(info, parts, options)
        facts["files"] = {file.path: file.sha256 or sha256(path) for path, file in found}
        samples = [file.note for path, file in found if file not in files]
        notes = [*samples, *(_unverified(file) for _, file in found), info.note]
    facts["note"] = " ".join(note for note in notes if note)
    examples, more = examples if _has_facts(examples) else (examples, {})
    facts.update((key, value) for key, value in more.items() if value and key != "groups")
    data = Dataset(
        examples, name=info.name, split=wanted, task=info.task, language=info.language, info=facts
    )
    return data, more.get("groups")


def _read_files(info, parts, options):
    """Return what a set's reader reads; files of another form get an error that names them."""
    try:
        return info.reader(*parts, **options)
    except OptionError:
        raise
    except Exception as error:  # whatever a file may cause that is not what it should be
        files = ", ".join(str(part) for part in parts if isinstance(part, Path))
        raise ValueError(
            f"{info.name}: {files} cannot be read in the form that this set has "
            f"({type(error).__name__}: {error!s:.200}). Delete it and fetch it again: kerasllm "
            f"data get {info.name}"
        ) from error


def _has_facts(examples):
    return len(examples) == 2 and isinstance(examples[1], dict)


@lru_cache(maxsize=1)  # NLTK opens its zip anew for each document: seconds
def _read_corpus(name, reader, *documents, **options):
    with home_known():
        import nltk.corpus

    return tuple(reader(getattr(nltk.corpus, name), *documents, **options))


def _unverified(file):
    return "" if is_verifiable(file) else f"UNVERIFIED: no hash of {file.path} is known."


def get_files(info, files, *, allow_unverified=False, progress=True, **options):
    """Return the verified files of a data set, downloading those that are not on this machine.

    Args:
        info: the set's `DatasetInfo`.
        files: which of its files.
        allow_unverified: accept a file of which the registry knows no hash.
        progress: show a progress bar.
        **options: `timeout` and `attempts` of the download.

    Returns:
        A list of (path, `File`) pairs in the order of `files`.

    Raises:
        DownloadError: if a file cannot be downloaded.
        HashMismatchError: if a file is not the one that the registry names.
        UnverifiedError: if the registry knows no hash of a file, and that is not allowed.
    """
    find_here = partial(find, info, allow_unverified=allow_unverified)
    absent = [file for file in files if find_here(file) is None]
    _download(info, absent, cache_folder() / info.folder_name, allow_unverified, progress, options)
    return [find_here(file) for file in files]


def _download(info, files, folder, allow_unverified, progress, options):
    unknown = [file for file in files if not is_verifiable(file)]
    if unknown and not allow_unverified:
        typed = f"`kerasllm data get {info.name} --allow-unverified`"
        raise UnverifiedError(
            f"{info.name}: {unknown[0].path} is not on this machine, and a download could not be "
            f"checked ({unknown[0].note}). To download it all the same: "
            f"{typed if is_at_terminal() else 'pass allow_unverified=True'}."
        )
    try:
        _fetched(files, folder, progress, options)
    except DownloadError as error:
        places = " and ".join(map(str, folders(info.folder_name)))
        raise DownloadError(
            f"{info.name} is not on this machine (looked in {places}), and `kerasllm data get "
            f"{info.name}`, which fetches it, would fail too: {error}"
        ) from None


def _fetched(files, folder, progress, options):
    by_archive = sorted(files, key=lambda file: file.url if file.member else "")
    for archive, members in groupby(by_archive, key=lambda file: file.member and file.url):
        if archive:
            fetch_members(list(members), folder, progress=progress, **options)
        else:
            for file in members:
                path = fetch(file, folder / file.path, progress=progress, **options)
                if not is_verifiable(file):
                    accept(path)


def get_public(info, *, allow_unverified=False, progress=True, **options):
    """Bring all files of a public set onto this machine.

    Returns:
        The folder that holds the first of them.
    """
    if info.nltk:
        _ensure_corpus(info, allow_unverified, progress)
        return Path(str(_nltk_place(info.nltk)))
    found = get_files(
        info, info.files, allow_unverified=allow_unverified, progress=progress, **options
    )
    path, file = found[0]
    return path.parents[len(Path(file.path).parents) - 1]


def is_here(info):
    """Return whether all files of a public set are on this machine (their hashes unchecked)."""
    if info.nltk:
        return _nltk_place(info.nltk) is not None
    return all(place(info, file) for file in info.files)


def _ensure_corpus(info, allow_unverified, progress):
    """Download an NLTK corpus, unless NLTK has it."""
    if _nltk_place(info.nltk) is None:
        folder = cache_folder() / "nltk_data"
        _download(info, info.files, folder, allow_unverified, progress, {})


def _nltk_place(corpus):
    """Return where NLTK finds a corpus, or None."""
    with home_known():
        import nltk.data

    wanted = [*filter(None, os.environ.get("NLTK_DATA", "").split(os.pathsep))]
    for folder in (*wanted, str(cache_folder() / "nltk_data")):
        if folder not in nltk.data.path:
            nltk.data.path.append(folder)
    for name in (f"corpora/{corpus}", f"corpora/{corpus}.zip"):
        try:
            return nltk.data.find(name)
        except LookupError:
            continue
    return None
