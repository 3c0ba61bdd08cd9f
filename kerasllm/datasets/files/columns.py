"""Rows of named columns as examples: pairs, labels of texts (or of pairs), plain texts, chats."""

import reprlib
from pathlib import Path

from kerasllm.datasets.examples import Labelled, LabelledPair, Pair, Text
from kerasllm.datasets.files.conversations import conversations_of, form_of
from kerasllm.datasets.files.labels import clean_labels, first_lines, is_missing, joined_labels
from kerasllm.datasets.options import option_to_pass
from kerasllm.utils.errors import nearest

OTHERS = None  # key of a row's other references, which no column can have


def examples_of_table(path, encoding, read_rows, options):
    """Turn rows of named columns into pairs, labelled texts or plain texts.

    Args:
        path: the file.
        encoding: of the file.
        read_rows: `delimited` or `json_rows`.
        options: dict of the names of the columns and of what to do with empty ones.

    Returns:
        A triple: the task, the list of examples, and a dict of facts about them.
    """
    own = {name: options[name] for name in ("delimiter", "header") if name in options}
    rows, how = read_rows(path, encoding=encoding, **own)
    if not rows:
        raise ValueError(f"{path} is empty apart from its header; expected rows of data.")
    task, examples, facts = _examples(rows, path, options)
    return task, examples, {**how, **facts}


def _examples(rows, path, options):
    found = list(dict.fromkeys(name for _, row in rows for name in row))
    text, label = options["text"], options["label"]
    named = text != "text" or any(options[name] for name in ("label", "source", "target"))
    if not named and "label" not in found and (form := form_of(found)):
        return "chat", *conversations_of(rows, path, form, options["drop_empty"])
    is_pair = {"source", "target"} <= set(found) and "label" not in found and not label
    if options["source"] or options["target"] or is_pair:
        names = options["source"] or "source", options["target"] or "target"
        rows, found, names = _with_references(rows, path, found, names)
        if not options["drop_empty"]:
            _refuse_empty(rows, path, found, names)
        return "seq2seq", *_texts(rows, path, found, names, Pair)
    if label or "label" in found:
        return _labelled(rows, path, found, options)
    others = [name for name in found if name != text]
    hint = {}
    if others:
        advice = option_to_pass(path, "label", others[0])
        hint = {"hint": f"Name the column of the labels: {advice}."}
    examples, facts = _texts(rows, path, found, (text,), Text)
    return "language_model", examples, {**facts, "columns": found, **hint}


def _with_references(rows, path, found, names):
    """Return the rows with a target, and its others under `OTHERS`, of lists or several columns."""
    target = names[1]
    several = [name.strip() for name in target.split(",")] if target not in found else []
    if len(several) > 1:
        for name in several:
            _check_column(path, found, name, "target", rows)
        texts = [[row.get(name) for name in several] for _, row in rows]
    elif any(isinstance(row.get(target), list) for _, row in rows):
        texts = [own if isinstance(own := row.get(target), list) else [own] for _, row in rows]
    else:
        return rows, found, names
    divided = []
    for (line, row), own in zip(rows, texts, strict=True):
        given = [_text(text, path, line) for text in own if text is not None]
        first, *others = [text for text in given if text.strip()] or [None]
        divided.append((line, {**row, target: first, OTHERS: (tuple(others),)}))
    return divided, [*found, target], names


def _labelled(rows, path, found, options):
    label, total = options["label"] or "label", len(rows)
    _check_column(path, found, label, "label", rows)
    if options["drop_unlabelled"]:
        rows = [(line, row) for line, row in rows if not is_missing(row.get(label))]
    given, as_text = [(line, row.get(label)) for line, row in rows], options["labels_as_text"]
    lists = any(isinstance(own, list) for _, own in given)
    separator = options["label_separator"] or ("|" if lists else None)
    if separator:
        labels = joined_labels(given, path, separator, labels_as_text=as_text)
    else:
        labels = clean_labels(given, path, labels_as_text=as_text)
    rows = [(line, {**row, label: name}) for (line, row), name in zip(rows, labels, strict=True)]
    may_be_empty = (label,) if separator else ()
    names, kind = (options["text"], label), Labelled
    if options["text_b"] or "text_b" in found:
        names, kind = (*names, options["text_b"] or "text_b"), LabelledPair
    examples, facts = _texts(rows, path, found, names, kind, may_be_empty)
    facts |= {"label_separator": separator} if separator else {}
    return "classification", examples, {**facts, "unlabelled_dropped": total - len(rows)}


def _texts(rows, path, found, names, example_type, may_be_empty=()):
    """Return the examples of the rows whose columns all hold text, and how many did not."""
    for name in names:
        _check_column(path, found, name, rows=rows)
    examples = []
    for line, row in rows:
        values = ["" if row.get(name) is None else row[name] for name in names]
        values = [_text(value, path, line) for value in values]
        if all(v.strip() or name in may_be_empty for name, v in zip(names, values, strict=True)):
            examples.append(example_type(*values, *row.get(OTHERS, ())))
    return examples, {"empty_texts_dropped": len(rows) - len(examples)}


def _text(value, path, line):
    if not isinstance(value, str):
        raise ValueError(f"{path}, line {line}: expected text, received {reprlib.repr(value)}.")
    return value


def _refuse_empty(rows, path, found, names):
    """Refuse a pair without a source or a target: it would train a model to say nothing."""
    for name in names:
        texts = [(line, row.get(name)) for line, row in rows if name in found]
        empty = [line for line, text in texts if text is None or not str(text).strip()]
        if empty:
            raise ValueError(
                f"{path}: the column {name!r} is empty in {len(empty)} of {len(rows)} rows, in "
                f"line {first_lines(empty)}. Fill them in, delete them, or pass "
                f"{option_to_pass(path, 'drop_empty', True)}."
            )


def _check_column(path, found, name, kind="text", rows=()):
    if name in found:
        return
    if not found:
        raise ValueError(f"{path} has no column {name!r}: its rows are empty.")
    shortest = min(found, key=len)
    advice = f"Pass its name, such as {option_to_pass(path, kind, shortest)}."
    advice = advice if len(shortest) < 60 else "Pass the name of its column."
    for delimiter in ";\t|":
        if len(found) == 1 and delimiter in found[0][:200]:
            how = option_to_pass(path, "delimiter", delimiter)
            advice = f"Fields seem to be separated otherwise: pass {how}."
    if Path(path).suffix.lower() in (".csv", ".tsv") and len(found) > 1:
        names = option_to_pass(path, "header", ",".join(_guessed_names(rows, found)))
        advice += f" If its first line is no header but a row, name the columns: {names}."
    shown = reprlib.repr(found) if len(found) < 7 else f"{reprlib.repr(found)} ({len(found)})"
    meant = nearest(name, [other for other in found if len(other) < 60])
    raise ValueError(f"{path} has no column {name!r}; it has {shown}.{meant} {advice}")


def _guessed_names(rows, found):
    """Return names for columns without a header: the longest is the text, the rest are labels."""
    lengths = [sum(len(str(row.get(name))) for _, row in rows) for name in found]
    text = lengths.index(max(lengths))
    others = iter(["label", *(f"column{i}" for i in range(2, len(found) + 1))])
    return ["text" if place == text else next(others) for place in range(len(found))]
