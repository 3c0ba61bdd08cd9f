"""Answers to a file of inputs, and answers as a file: JSON, JSON lines or CSV."""

import csv
import io
import json
from pathlib import Path

from kerasllm.datasets.files.inputs import read_inputs
from kerasllm.training.run_folder.folder import write_text
from kerasllm.utils.errors import check_choice

FORMATS = ("json", "jsonl", "csv")
_BETWEEN = {"labels": "|"}  # other lists of texts are words: blanks stand between them


def inputs_of(run, file):
    """Return the raw inputs in a file for a run: the columns are those of its task.

    Args:
        run: a `Run`.
        file: path, with options; see `read_inputs`.
    """
    columns = {"span": ("question", "context"), "seq2seq": ("source",)}.get(run.config["task"])
    if columns is None:
        pairs = getattr(run.model.preprocessor, "pairs", False)
        columns = ("text", "text_b") if pairs else ("text",)
    return read_inputs(file, columns)


def as_text(rows, kind):
    r"""Return answers as text.

    A csv has a column for each probability, `p_LABEL`; several labels are joined by |, words by
    blanks, and what has parts of its own is JSON in its cell.

    Args:
        rows: what `predict` returned.
        kind: one of `FORMATS`.

    Example:
        >>> rows = [{"text": "Hi", "label": "ham", "probabilities": {"ham": 0.75}, "warning": None}]
        >>> as_text(rows, "csv")
        'text,label,p_ham,warning\nHi,ham,0.75,\n'
    """
    check_choice("format", kind, FORMATS)
    if kind == "json":
        return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    flat, text = list(map(_flat, rows)), io.StringIO()
    names = list(dict.fromkeys(name for row in flat for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _flat(row):
    cells = {}
    for name, value in row.items():
        if name == "probabilities":
            cells |= {f"p_{label}": p for label, p in value.items()}
        elif isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
            cells[name] = _BETWEEN.get(name, " ").join(value)
        elif isinstance(value, list | tuple | dict):
            cells[name] = json.dumps(value, ensure_ascii=False)
        else:
            cells[name] = "" if value is None else value
    return cells


def save_answers(rows, path):
    """Write answers into a file, whole or not at all, in the format of its suffix.

    Raises:
        ValueError: another suffix.
    """
    path, kind = Path(path), kind_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, as_text(rows, kind))


def kind_of(path):
    """Return the format of a file of answers, one of `FORMATS`, by its suffix.

    Raises:
        ValueError: another suffix.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(
            f"expected a file that ends in one of {', '.join('.' + f for f in FORMATS)}, received "
            f"{path}."
        )
    return kind
