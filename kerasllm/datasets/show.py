"""What `kerasllm data list` and `kerasllm data show` print."""

from collections import Counter
from pathlib import Path

import numpy as np

from kerasllm.datasets.examples import Conversation, Dataset, Pair, Span, Tagged, Text
from kerasllm.datasets.files.lines import is_plain_text
from kerasllm.datasets.loading import info, load, names
from kerasllm.datasets.options import with_options
from kerasllm.datasets.public.loading import is_here, reader_options
from kerasllm.datasets.public.registry import folders
from kerasllm.datasets.sources import read_source, text_lists
from kerasllm.datasets.splits import duplicates
from kerasllm.text.script import script_of

_WIDTH = 90
_READ = 2000  # texts by which the script of a set is told


def list_table():
    """Return one row a data set: a dict of name, task, language, title, size, here, licence.

    `here` is "yes" for a set that is ready to load, and "download" for one that is not.

    Example:
        >>> {row["name"]: row["here"] for row in list_table()}["markov"]
        'yes'
    """
    return [_row(info(name)) for name in names()]


def _row(entry):
    here = entry.make is not None or is_here(entry)
    return {
        "name": entry.name,
        "task": entry.task,
        "language": entry.language,
        "title": entry.title,
        "size": f"{entry.bytes / 1e6:.1f} MB" if entry.bytes else "",
        "here": "yes" if here else "download",
        "licence": entry.licence,
    }


def describe(name_or_path, **options):
    """Describe a data set in text: rows, labels, lengths, examples, licence, duplicates.

    A public set that is not on this machine is described from the registry; nothing is downloaded.

    Args:
        name_or_path: as for `load`.
        **options: of the set's reader.

    Returns:
        A str of several lines.
    """
    name_or_path, written = with_options(name_or_path)
    options = {**written, **options}
    entry = info(name_or_path) if name_or_path in names() else None
    lines = _registry_lines(entry) if entry else []
    if entry and not entry.make and not is_here(entry):
        where = ", ".join(map(str, folders(entry.folder_name)))
        lines += [
            f"Not on this machine (looked in {where}).",
            f"Download it: kerasllm data get {entry.name}",
        ]
        return "\n".join(lines)
    parts = _parts(name_or_path, entry, options)
    train = next(iter(parts.values()))
    lines += [_part_line(part) for part in parts.values()]
    told = entry.note if entry else ""
    facts = {key: train.info.get(key) for key in _FACTS}
    lines += [f"{key}: {fact}" for key, fact in facts.items() if fact and fact != told]
    lines += _script_lines(train)
    lines += _duplicate_lines(parts)
    lines += [
        "",
        "Examples:",
        *(f"  {_example(example)}" for example in train.take(min(3, len(train)))),
    ]
    return "\n".join(lines)


_FACTS = (
    "how_split", "duplicates_removed", "duplicates_with_other_label", "empty_texts_dropped",
    "headers_repeated", "scheme", "tags_converted", "tags_mended", "comments_skipped",
    "numbers_skipped", "columns_read", "answers_moved", "answers_dropped", "questions_dropped",
    "forms_completed", "dialogues_dropped",
    "conversations_dropped", "unanswered_cut", "label_separator", "entropy_rate", "note",
)  # fmt: skip


def _registry_lines(entry):
    lines = [f"{entry.name}: {entry.title}", f"task: {entry.task}, language: {entry.language}"]
    lines.append(f"licence: {entry.licence}")
    if entry.homepage:
        lines.append(f"source: {entry.homepage}")
    if entry.bytes:
        lines.append(f"size: {entry.bytes / 1e6:.1f} MB in {len(entry.files):,} files")
    if entry.split_names and not entry.make:
        lines.append(f"splits: {', '.join(entry.split_names)}")
    if entry.note:
        lines.append(f"note: {entry.note}")
    lines += [f"known fault: {fault}" for fault in entry.faults]
    lines += [
        f"reached by others: {row['measure']} {row['figure']:g}, {row['model']} ({row['source']})"
        for row in entry.field
    ]
    if entry.reader and reader_options(entry):
        given = ", ".join(f"{key}={value!r}" for key, value in reader_options(entry).items())
        lines.append(f"options: {given}")
    return lines


def _parts(name_or_path, entry, options):
    """Return the splits that there are, by name."""
    if is_plain_text(name_or_path) and not options:
        return _of_text_file(Path(name_or_path))
    wanted = ("train", "validation", "test")
    if entry and entry.name == "docstrings":  # of which `pretrain` learns from all
        wanted = ("train", "validation", "test", "unlabelled")
    if entry and not entry.make:
        wanted = tuple(name for name in entry.split_names if name != "all")
    found = {}
    for split in wanted:
        try:
            found[split] = load(name_or_path, split, **options)
        except FileNotFoundError:  # a folder of files may lack one of the three
            if split == "train":
                raise
    return found


def _of_text_file(path):
    """Return the lines of a text file as `pretrain` divides them."""
    source = read_source(path)
    train, validation = text_lists(source)
    told = (
        "the last tenth of its tokens is held out, for `pretrain` and `evaluate`; there is no test "
        "part"
    )
    options = {"name": source.name, "task": "language_model", "info": {"how_split": told}}
    parts = {"train": train, "validation": validation}
    return {
        split: Dataset(map(Text, texts), split=split, **options) for split, texts in parts.items()
    }


def _part_line(part):
    lengths = np.array([len(text) for text in part.texts])
    quantiles = np.percentile(lengths, (5, 50, 95, 100)).astype(int)
    line = "{}: {:,} examples; characters 5 % {:,}, median {:,}, 95 % {:,}, most {:,}".format(
        part.split, len(part), *quantiles
    )
    if part.task == "classification":
        counts = Counter(name for own in part.label_sets for name in own).most_common()
        line += "\n  " + ", ".join(f"{label} {count:,}" for label, count in counts)
    if part.task == "tagging":
        tokens = sum(len(example.tokens) for example in part)
        starts = (tag[2:] for example in part for tag in example.tags if tag[:2] in ("B-", "S-"))
        counts = Counter(starts).most_common()
        named = ", ".join(f"{kind} {count:,}" for kind, count in counts)
        line += f"\n  {tokens:,} tokens" + (f"; names: {named}" if named else "")
    if part.task == "chat":
        lengths = [len(answer) for example in part for answer in example.answers]
        told = sum(example.turns[0][0] == "system" for example in part)
        line += (
            f"\n  {len(lengths):,} answers; characters median {int(np.median(lengths)):,}, most "
            f"{max(lengths):,}; {told:,} conversations begin with what the system says"
        )
    return line


def _script_lines(train):
    """Return the script of a set in Chinese."""
    script = script_of(train.texts[:_READ])
    return [f"script: {script}"] if script.name else []


def _duplicate_lines(parts):
    train, *others = parts.values()
    return [
        f"{other.split} examples that stand in train too: {duplicates(train, other)}"
        for other in others
    ]


def _example(example):
    if isinstance(example, Tagged):
        pairs = zip(example.tokens, example.tags, strict=True)
        shown = " ".join(token if tag == "O" else f"{token}/{tag}" for token, tag in pairs)
    elif isinstance(example, Span):
        answer = example.answers[0][0] if example.answers else "(no answer)"
        shown = f"{example.question} | {answer}"
    elif isinstance(example, Pair):
        shown = " | ".join((example.source, *example.references))
    elif isinstance(example, Conversation):
        shown = " | ".join(f"{role}: {content}" for role, content in example.turns)
    else:
        shown = " | ".join(getattr(example, name) for name in example.__slots__)
    shown = " ".join(shown.split())
    return shown if len(shown) <= _WIDTH else shown[: _WIDTH - 1] + "…"
