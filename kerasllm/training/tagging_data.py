"""Tagged sentences, looked over before anything is trained on them."""

from pathlib import Path

from kerasllm import datasets
from kerasllm.text.entities import check_tags, convert_tags
from kerasllm.text.tag_schemes import scheme_of


def read_tagged(data):
    """Return (training, validation) data sets of tagged sentences, or say what is missing."""
    if isinstance(data, str | Path):
        train, validation = (datasets.load(data, split=s) for s in ("train", "validation"))
    else:
        train, validation = data
    for part in (train, validation):
        if part.task != "tagging":
            raise ValueError(
                f"expected sentences with a tag for each word, received {part!r}, a set for "
                f"{part.task}: choose a tagging set, or give a CoNLL file."
            )
        for row, example in enumerate(part):
            if len(example.tokens) != len(example.tags):
                raise ValueError(
                    f"expected one tag a word, sentence {row} of {part!r} has "
                    f"{len(example.tokens)} words and {len(example.tags)} tags: mend it."
                )
    if len(train.labels) < 2:
        raise ValueError(
            f"expected at least 2 tags, {train.name} has {list(train.labels)} only: look at the "
            "column of the tags."
        )
    return train, validation


def model_tags(train, scheme):
    """Return (the model's tags of each training sentence, what was found in the data)."""
    rows = [list(example.tags) for example in train]
    found = scheme_of(rows)
    if found == "none":
        return rows, "tags that mark no entities: scored by the share of right ones"
    return [convert_tags(tags, scheme) for tags in rows], check_tags(rows, found)


def by_character(train):
    """Return whether the words are characters, as in Chinese."""
    lengths = [len(token) for example in train for token in example.tokens]
    return lengths.count(1) > 0.9 * len(lengths)
