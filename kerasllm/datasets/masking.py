"""Personal data masked on request: in the texts that a model learns from, or in a file."""

import csv
import dataclasses
import io
import json
from collections import Counter
from pathlib import Path

from kerasllm.datasets.files.tables import read_text
from kerasllm.text.privacy import KINDS, mask_personal_data
from kerasllm.utils.errors import is_at_terminal, writing
from kerasllm.utils.files import whole_file
from kerasllm.utils.json_text import parsed_json

_TABLES = {".csv": ",", ".tsv": "\t"}
_JSON = (".json", ".jsonl")


def masked(source, report):
    """Return a `Source` without personal data, after telling `report` what was found.

    Raises:
        ValueError: for a text file, which is read piece by piece and taken as it is.
    """
    if isinstance(source.train, Path):
        how = f"`kerasllm data mask {source.train.name} masked.txt`"
        if not is_at_terminal():
            how = f'kerasllm.datasets.masking.mask_file("{source.train.name}", "masked.txt")'
        raise ValueError(
            f"`mask_personal` needs a list of texts, {source.name} is one long text: mask the file "
            f"first, {how}, or leave it out."
        )
    counts, parts = Counter(), []
    for texts in (source.train, source.validation):
        found = [mask_personal_data(text) for text in texts]
        counts.update(sum((Counter(one.found) for one in found), Counter()))
        parts.append([one.text for one in found])
    told = ", ".join(f"{n:,} {kind}" for kind, n in counts.items()) or "nothing found"
    report.say(f"  personal data masked: {told}")
    return dataclasses.replace(source, train=parts[0], validation=parts[1])


def mask_file(source, output, kinds=None):
    """Write a file again with placeholders for the personal data in its texts.

    Every cell of a csv or tsv file is masked, every text in a json or jsonl file, every line of any
    other.

    Args:
        source: path of the file, in UTF-8.
        output: path of the file to write.
        kinds: what to mask, of `kerasllm.text.privacy.KINDS`; all when None.

    Returns:
        {kind: how many were found}.

    Raises:
        FileNotFoundError, ValueError: the file cannot be read, or a kind is not known.
        FileExistsError: the output is the file itself, or is there already.
    """
    source, output, counts = Path(source), Path(output), Counter()
    kinds = KINDS if kinds is None else kinds
    mask_personal_data("", kinds)
    if output.exists():
        raise FileExistsError(f"{output} is there already: name another file to write.")

    def mask(text):
        found = mask_personal_data(text, kinds)
        counts.update(found.found)
        return found.text

    text, ending = read_text(source), source.suffix.lower()
    if ending in _TABLES:
        text = _table(text, _TABLES[ending], mask)
    elif ending in _JSON:
        text = _json(text, source, ending, mask)
    else:
        text = mask(text)
    with writing(output, "choose another file"), whole_file(output) as file:
        file.write(text)
    return dict(counts)


def _table(text, delimiter, mask):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    for row in csv.reader(io.StringIO(text), delimiter=delimiter):
        writer.writerow([mask(cell) for cell in row])
    return stream.getvalue()


def _json(text, path, ending, mask):
    if ending == ".json":
        return (
            json.dumps(_masked(parsed_json(text, path), mask), ensure_ascii=False, indent=1) + "\n"
        )
    lines = enumerate(text.splitlines(), 1)
    rows = (parsed_json(line, path, number) for number, line in lines if line.strip())
    return "".join(json.dumps(_masked(row, mask), ensure_ascii=False) + "\n" for row in rows)


def _masked(value, mask):
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_masked(one, mask) for one in value]
    if isinstance(value, dict):
        return {key: _masked(one, mask) for key, one in value.items()}
    return value
