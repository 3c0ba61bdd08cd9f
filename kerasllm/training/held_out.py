"""What a run is scored on, and what its baselines learn from.

    the run's own data      what was held out at its training, though the data changed since
    a file                  all of it
    a set by name           its test split

What the run was trained on is refused, unless it is asked for.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasllm import datasets
from kerasllm.datasets import Dataset, Text
from kerasllm.datasets.files.lines import is_plain_text
from kerasllm.datasets.options import with_options
from kerasllm.datasets.sources import Source, found_again, read_source, with_share_held_out
from kerasllm.models.language.corpora import held_out_lines, held_out_text
from kerasllm.text import read_pieces
from kerasllm.training.run_folder.rows import Rows, fair_rows, still_held_out


class HeldOut(NamedTuple):
    """What is scored.

    Attributes:
        test: a `Dataset`; of a language model a `Source`, whose validation texts are meant.
        train: likewise, what baselines learn from; None where that is not known.
        split: what is scored is called.
        own: whether it comes from the run's own data.
        notes: sentences that must be said beside the scores.
    """

    test: Any
    train: Any
    split: str
    own: bool
    notes: tuple = ()


def rows_of_examples(run, data=None, split=None, trained_rows="refuse", load=datasets.load):
    """Return the `HeldOut` of a run whose task reads examples.

    Args:
        run: a `RunFolder`.
        data: name, path or `Dataset`; the run's own data when None.
        split: of the data; None: "test", of a file that is not the run's own all of it.
        trained_rows: see `fair_rows`.
        load: (name or path, split) -> `Dataset`.

    Raises:
        ValueError: nothing was held out, or rows were trained on.
    """
    rows = Rows.load(run.path)
    if _is_own(run, data):
        return _own_rows(run, rows, "test" if split is None else split, load)
    test, notes = _fair_part(run, rows, data, split, trained_rows, load)
    train, told = _learned(_source_of(run) or data, rows, load)
    return HeldOut(test, train, test.split, False, (*notes, *told))


def _own_rows(run, rows, split, load):
    """Return the `HeldOut` of the run's own data, as they were split at its training."""
    source = _source_of(run)
    test, train = load(source, split), load(source, "train")
    if rows is None:
        same = run.config["data"].get("hash") in (train.fingerprint, train.info.get("fingerprint"))
        return HeldOut(test, train, split, True, () if same else (_NOT_RECORDED,))
    if rows.same(split, test) and rows.same("train", train):
        return HeldOut(test, train, split, True, tuple(fair_rows(rows, test, "score")[1]))
    now = _everything(source, load)
    held, learned, told = still_held_out(rows, now, split)
    test, train = _some(now, held, split), _some(now, learned, "train")
    return HeldOut(test, train, split, True, (told,))


_NOT_RECORDED = (
    "the data changed since this run was trained by a version that did not record its rows: some "
    "of those scored may have been trained on"
)


def _fair_part(run, rows, data, split, trained_rows, load):
    """Return data that are not the run's own, without what it was trained on, and what to say."""
    if not isinstance(data, Dataset):
        usual = "all" if _is_file(data) else "test"
        data = load(data, usual if split is None else split)
    run.shape.check_task(data)
    if rows is None:
        return data, []
    keep, notes = fair_rows(rows, data, trained_rows)
    return data if keep.all() else _some(data, keep, data.split), notes


def _learned(source, rows, load):
    """Return what a run learned from, as far as it is still there, and what to say of it.

    Args:
        source: name or path of the run's data; or what is scored, which may hold them too.
        rows: the `Rows` of the run, or None.
        load: (name or path, split) -> `Dataset`.
    """
    if not isinstance(source, str | Path):
        return None, [_GIVEN_IN_PYTHON]
    try:
        train = load(source, "train")
        if rows is None or rows.same("train", train):
            return train, []
        now = _everything(source, load)
    except OSError as error:
        return None, [f"no baselines: what the run was trained on cannot be read ({error})"]
    learned = rows.known("train", now)
    if not learned.any():
        return None, [f"no baselines: nothing of what the run was trained on is left in {now.name}"]
    told = f"the baselines learn from {learned.sum():,} of the {len(rows.train):,} training rows"
    fewer = int(learned.sum() < len(rows.train))
    return _some(now, learned, "train"), [f"{told}: the others are gone"] * fewer


_GIVEN_IN_PYTHON = "no baselines: the run was trained on data given in Python, which is not kept"


def _everything(source, load):
    """Return all rows that data hold now, the splits one after the other."""
    parts = []
    for split in Rows._fields:
        try:
            parts.append(load(source, split))
        except (FileNotFoundError, ValueError):  # a set may lack one of the three
            if split == "train":
                raise
    first, examples = parts[0], [example for part in parts for example in part]
    options = {"name": first.name, "task": first.task, "language": first.language}
    return Dataset(examples, split="all", info=first.info, **options)


def _some(data, chosen, split):
    return data.select(np.flatnonzero(chosen), split=split)


def _source_of(run):
    return run.config["data"]["source"]


def _is_own(run, data):
    """Return whether data are the run's own; None stands for them."""
    if data is None and _source_of(run) is None:
        raise ValueError(
            f"{run.path} was trained on data given in Python, which is not kept: call "
            "evaluate(run, data) with the data to score."
        )
    if data is None:
        return True
    settings = run.config["settings"]
    if isinstance(data, str | Path) and (share := settings.get("held_out")):
        data = with_share_held_out(data, share, settings["seed"])
    return (found_again(data) or "") == _source_of(run)


def _is_file(data):
    bare = with_options(data)[0]
    return str(bare) not in datasets.names() and Path(bare).is_file()


# === Language models ===


def rows_of_texts(run, data=None, split=None, trained_rows="refuse"):
    """Return the `HeldOut` of a language model; see `rows_of_examples`.

    Args:
        run: a `RunFolder`.
        data: as there; or a list of texts. Of the run's own text file the last tenth is scored,
            which took no part in training; other text files are scored whole.
        split: as there.
        trained_rows: as there.
    """
    own, source = _is_own(run, data), _source_of(run)
    if own and _is_text(source):
        return _own_text_file(run, Path(source))
    path = Path(data) if not own and _is_text(data) else None
    given = data if own else _as_texts(data)
    if own or not _is_text(source):
        held = rows_of_examples(run, given, split, trained_rows, _load_texts)
        train = held.train and Source(held.train.name, held.train.texts, ())
    else:
        test, notes = _fair_part(run, Rows.load(run.path), given, split, trained_rows, _load_texts)
        beside = _own_text_file(run, Path(source))
        held, train = HeldOut(test, None, test.split, False, (*notes, *beside.notes)), beside.train
    whole = path is not None and len(held.test) == len(given)
    texts = path if whole else held.test.texts
    return held._replace(test=Source(held.test.name, (), texts), train=train)


def _own_text_file(run, path):
    rows, source = Rows.load(run.path), read_source(path)
    if source.fingerprint == run.config["data"]["hash"]:
        return HeldOut(source, source, "validation", True)
    if rows is None:
        return HeldOut(source, source, "validation", True, (_NOT_RECORDED,))
    now = _texts(lines(path), name=path.name)
    held, learned, told = still_held_out(rows, now, "validation")
    test, train = (["\n".join(_some(now, part, "all").texts)] for part in (held, learned))
    source = Source(path.name, train, test)
    return HeldOut(source, source, "validation", True, (told,))


def _as_texts(data):
    """Return data that are not the run's own as a `Dataset` of texts, or as name or path."""
    if isinstance(data, Dataset):
        return _texts(data.texts, data)
    if isinstance(data, str | Path):
        return _load_texts(data, "all") if _is_text(data) else data
    return _texts(list(data))


def _load_texts(source, split):
    """Return the texts of a data set; of a text file its lines."""
    if _is_text(source):
        return _texts(lines(source), name=Path(source).name)
    bare = "unlabelled" if (source, split) == ("docstrings", "train") else split
    return _texts((data := datasets.load(source, bare)).texts, data)


def _texts(texts, like=None, name="texts"):
    options = {"name": name, "split": "all"}
    if like is not None:
        options = {"name": like.name, "split": like.split, "language": like.language}
        options["info"] = {"fingerprint": like.fingerprint}
    return Dataset(map(Text, texts), task="language_model", **options)


def lines(path):
    """Return the lines of a text file that are not empty."""
    return [text for text, _ in read_pieces(path, "line")]


def _is_text(data):
    return isinstance(data, str | Path) and is_plain_text(data)


# === At the training ===


def test_rows(source, load=datasets.load):
    """Return the test rows of a data set by name or path; () where there are none."""
    try:
        return () if source is None else load(source, "test")
    except (FileNotFoundError, ValueError):  # a set may have none
        return ()


def recorded_texts(source, tokenizer, by_line, name):
    """Return the `Rows` of the texts that a language model learns from.

    Args:
        source: their `Source`.
        tokenizer: that reads them.
        by_line: of a text file: whether its lines are held out, or tokens at its end.
        name: by which the texts are found again, or None.
    """
    if source.validation is not None:
        train, held = (_texts(part) for part in (source.train, source.validation))
        return Rows.of(train, held, test_rows(name, _load_texts))
    every = lines(source.train)
    if by_line:
        count = held_out_lines(len(every))
    else:
        count = len(_texts(held_out_text(source, tokenizer).split("\n")[1:]))
    cut = len(every) - count
    return Rows.of(*map(_texts, (every[:cut], every[cut:])))
