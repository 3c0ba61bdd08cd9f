"""What the cache holds, and how it is freed: `kerasllm data clean`.

Only what kerasllm itself puts there is looked at, by name: the folder may hold other things.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

from kerasllm.datasets.loading import info, names
from kerasllm.datasets.public.registry import cache_folder
from kerasllm.utils.errors import IN_THE_CACHE, writing
from kerasllm.utils.files import DAY, age, is_written, sweep

CORPORA = "corpora"  # folder of tokenised texts
KEPT = 30 * DAY  # a tokenised text that was not read for so long is made again when it is wanted
_CORPUS = ("corpus-*", ".partial-*", "*.part")  # whole ones, and what killed processes left


class Part(NamedTuple):
    """Something in the cache.

    Attributes:
        kind: "tokenised text", "docstrings", "broken download" or "data set".
        name: of the data set, or of the file.
        paths: its files and folders.
        bytes: their size.
        download: whether it takes a network to have it again.
    """

    kind: str
    name: str
    paths: list
    bytes: int
    download: bool


def parts():
    """Return what the cache holds, as a list of `Part`s; without what is being written."""
    folder = cache_folder()
    corpora = sorted(path for name in _CORPUS for path in folder.glob(f"{CORPORA}/{name}"))
    corpora = [path for path in corpora if not is_written(path)]
    found = [_part("tokenised text", path.name, [path]) for path in corpora]
    found += [_part("docstrings", path.name, [path]) for path in folder.glob("docstrings-*.json")]
    for entry in map(info, names()):
        place = folder / ("nltk_data" if entry.nltk else entry.folder_name)
        files = [place / file.path for each in entry.files for file in (each, each.sample) if file]
        broken = {path for file in files for path in file.parent.glob("*.part*")}
        broken = sorted(path for path in broken if not is_written(path))
        whole = [path for file in files for path in (file, Path(f"{file}.sha256"))]
        found.append(_part("broken download", entry.name, broken))
        found.append(_part("data set", entry.name, [p for p in whole if p.is_file()], True))
    return [part for part in found if part.paths]


def _part(kind, name, paths, download=False):
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    return Part(kind, name, paths, sum(f.stat().st_size for f in files if f.is_file()), download)


def clean(downloads=False, dry_run=False):
    """Free the cache, and return the `Part`s that are gone, or would be.

    Args:
        downloads: delete data sets too, which take a network to have again.
        dry_run: delete nothing.

    Raises:
        OSError: when something cannot be deleted.
    """
    gone = [part for part in parts() if downloads or not part.download]
    for path in (path for part in gone for path in part.paths if not dry_run):
        with writing(path, IN_THE_CACHE):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return gone


def forget_old_corpora():
    """Delete what killed processes left of tokenised texts, and texts not read for `KEPT`."""
    folder = cache_folder() / CORPORA
    sweep(folder)
    old = [path for path in folder.glob(_CORPUS[0]) if age(path / "info.json") > KEPT]
    for path in [*old, *(path for path in folder.glob(_CORPUS[1]) if age(path) > DAY)]:
        shutil.rmtree(path, ignore_errors=True)
