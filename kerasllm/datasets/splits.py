"""Split a data set without leaking: duplicates removed first, classes in proportion, one seed."""

import unicodedata
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from kerasllm.datasets.examples import (
    EXAMPLE_TYPES,
    Conversation,
    Pair,
    Text,
    answers_of,
    inputs_of,
    main_text,
)

SPLIT_NAMES = ("train", "validation", "test")
WHY_MORE = "why a few say nothing is shown in lesson 21 under S15, `kerasllm lessons open 21`"


def normalise(text):
    """Return the text as near-duplicates are compared: letters and digits only, case folded.

    Example:
        >>> normalise("Win £100, NOW!!") == normalise("win 100 now")
        True
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum()) or folded.strip()


def split(dataset, fractions=(0.8, 0.1, 0.1), seed=0, stratify=True, deduplicate=True, groups=None):
    """Split a data set at random into train, validation and test; the order is kept in each.

    Args:
        dataset: a `Dataset`.
        fractions: two (train, validation) or three (train, validation, test) parts of 1.
        seed: int; the same seed gives the same split.
        stratify: keep the class proportions, in a classification set with one label a text.
        deduplicate: True drops repeated examples (same text, apart from white space at its ends)
            before the split; "near" also drops texts that differ only in case, white space and
            punctuation; False keeps all. Examples with the same text (the translations of one
            sentence, the questions on one context) always stay on one side.
        groups: for each example what must stay on one side, such as the article that it comes
            from; left out: its text.

    Returns:
        A tuple of data sets, one a fraction; `.info["how_split"]` says how each was made.

    Raises:
        ValueError: for fractions that do not add up to 1, or too few examples.

    Example:
        >>> from kerasllm.datasets import Dataset, Text
        >>> words = Dataset(map(Text, "abcdefghij"), name="abc", split="all", task="language_model")
        >>> [len(part) for part in split(words)]
        [8, 1, 1]
    """
    fractions = _checked(fractions)
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0, received {seed!r}.")
    clean = normalise if deduplicate == "near" else str.strip
    kept, conflicts = _distinct(dataset, clean) if deduplicate else (range(len(dataset)), 0)
    classes = _classes(dataset, kept, clean, stratify, groups)
    bounds = np.round(np.cumsum((0, *fractions)), 9)
    rng = np.random.default_rng(seed)
    parts = [[] for _ in fractions]
    for members in classes:
        order = rng.permutation(len(members))
        cuts = np.round(bounds * len(members)).astype(int)
        for part, start, stop in zip(parts, cuts, cuts[1:], strict=False):
            part.extend(row for i in order[start:stop] for row in members[i])
    if empty := [SPLIT_NAMES[i] for i, part in enumerate(parts) if not part and fractions[i]]:
        raise ValueError(
            f"{dataset.name}: {len(kept)} distinct examples are too few for fractions {fractions}: "
            f"nothing is left for {', '.join(empty)}. Add examples or give larger fractions; "
            f"{WHY_MORE}."
        )
    facts = {
        "how_split": _how(fractions, seed, len(classes) > 1, deduplicate, groups),
        "duplicates_removed": len(dataset) - len(kept),
        "duplicates_with_other_label": conflicts,
    }
    return tuple(
        dataset.select(sorted(part), split=name, info={**dataset.info, **facts})
        for name, part in zip(SPLIT_NAMES, parts, strict=False)
    )


def split_contiguous(dataset, fractions=(0.8, 0.1, 0.1)):
    """Cut each text of a language-model set into a first, a middle and a last piece.

    For a few long texts, which a random split of whole texts would deal out too coarsely.

    Returns:
        A tuple of data sets, one a fraction.

    Example:
        >>> from kerasllm.datasets import Dataset, Text
        >>> play = Dataset([Text("to be or not")], name="x", split="all", task="language_model")
        >>> [part.texts for part in split_contiguous(play, (0.5, 0.5))]
        [['to be '], ['or not']]
    """
    fractions = _checked(fractions)
    # The sum of 0.8 and 0.1 is 0.9 only nearly, and a cut must not depend on the last bit.
    bounds = np.round(np.cumsum((0, *fractions)), 9)
    parts = [[] for _ in fractions]
    for text in dataset.texts:
        cuts = [int(bound * len(text)) for bound in bounds]
        for part, start, stop in zip(parts, cuts, cuts[1:], strict=False):
            if stop > start:
                part.append(Text(text[start:stop]))
    facts = {"how_split": f"each text cut in order at {fractions} of its characters"}
    return tuple(
        dataset._with(part, split=name, info={**dataset.info, **facts})
        for name, part in zip(SPLIT_NAMES, parts, strict=False)
    )


def _checked(fractions):
    try:
        given = fractions.split(",") if isinstance(fractions, str) else fractions
        parts = tuple(float(fraction) for fraction in given)
    except (TypeError, ValueError):
        parts = ()
    if len(parts) not in (2, 3) or not (min(parts) >= 0 and abs(sum(parts) - 1) <= 1e-6):
        raise ValueError(
            "fractions must be two or three numbers from 0 that add up to 1, such as "
            f"(0.8, 0.1, 0.1); received {fractions!r}."
        )
    return parts


def _how(fractions, seed, stratified, deduplicate, groups):
    shares = " / ".join(f"{fraction:.0%}" for fraction in fractions)
    first = {True: "exact duplicates removed, then ", "near": "near duplicates removed, then "}
    kind = "stratified" if stratified else "random"
    whole = " of whole groups" if groups else ""
    return f"{first.get(deduplicate, '')}{kind} {shares}{whole} with seed {seed}"


def _distinct(dataset, clean):
    """Return the rows of first occurrences, and how many repeats carry another label."""
    first, kept, conflicts = {}, [], 0
    for row, example in enumerate(dataset):
        # Two translations of a sentence are two pairs; of two labels of a text one is wrong.
        answers = example.references if isinstance(example, Pair) else ()
        answers = example.answers if isinstance(example, Conversation) else answers
        key = *_inputs(example, clean), *map(clean, answers)
        if key not in first:
            first[key] = example
            kept.append(row)
        else:
            conflicts += getattr(first[key], "label", "") != getattr(example, "label", "")
    return kept, conflicts


def _inputs(example, clean):
    """Return what a model is given of an example, as duplicates are compared."""
    return tuple(map(clean, inputs_of(example)))


def _stays_together(example, clean):
    """Return what examples that stay on one side have in common: the text read first."""
    own = not isinstance(example, tuple(EXAMPLE_TYPES.values()))
    return _inputs(example, clean) if own else clean(main_text(example))


def _classes(dataset, rows, clean, stratify, groups):
    """Return for each class its groups of rows (by text if not given), which stay together."""
    classes = defaultdict(lambda: defaultdict(list))
    # Of a combination of labels that comes once, nothing would reach validation and test.
    several = dataset.info.get("label_separator")
    # Two pairs with one first text, a story, stay together though their labels differ.
    shared = dataset.of_pairs and len(set(dataset.texts)) < len(dataset)
    stratify = stratify and dataset.task == "classification" and not several and not shared
    for row in rows:
        label = dataset[row].label if stratify else ""
        key = groups[row] if groups else _stays_together(dataset[row], clean)
        classes[label][key].append(row)
    return [list(classes[label].values()) for label in sorted(classes)]


@dataclass(frozen=True)
class DuplicateReport:
    """Which examples of one set stand in another one too.

    Attributes:
        exact: pairs of positions (in a, in b) with the same text.
        near: pairs that differ only in case, white space and punctuation.
        conflicts: those of both kinds whose labels (tags, answers) differ.
        size: how many examples `b` has.
        examples: the texts of the first few pairs.
    """

    exact: tuple[tuple[int, int], ...]
    near: tuple[tuple[int, int], ...]
    conflicts: tuple[tuple[int, int], ...]
    size: int
    examples: tuple[str, ...] = ()

    @property
    def share(self):
        """The share of `b` that stands in `a`, exactly or nearly."""
        return (len(self.exact) + len(self.near)) / max(self.size, 1)

    def __str__(self):
        return (
            f"{len(self.exact)} exact and {len(self.near)} near duplicates in {self.size:,} "
            f"({self.share:.1%}), {len(self.conflicts)} of them with another label"
        )


def duplicates(a, b=None):
    """Find the examples of `b` that stand in `a` too; without `b`, those repeated inside `a`.

    Args:
        a: a `Dataset`, usually the training part.
        b: a `Dataset`, usually the test part.

    Returns:
        A `DuplicateReport`; each example of `b` is counted once.

    Example:
        >>> from kerasllm.datasets import Dataset, Text
        >>> a = Dataset([Text("Good day."), Text("Hi")], name="a", split="train",
        ...             task="language_model")
        >>> b = Dataset([Text("good day"), Text("Hi")], name="a", split="test",
        ...             task="language_model")
        >>> print(duplicates(a, b))
        1 exact and 1 near duplicates in 2 (100.0%), 0 of them with another label
    """
    within = b is None
    other = a if within else b
    exact_rows, near_rows = {}, {}
    if not within:
        _remember(a, exact_rows, near_rows)
    exact, near, conflicts = [], [], []
    for row, example in enumerate(other):
        keys = _inputs(example, str.strip), _inputs(example, normalise)
        match = exact_rows.get(keys[0], near_rows.get(keys[1]))
        if match is not None:
            (exact if keys[0] in exact_rows else near).append((match, row))
            if answers_of(a[match]) != answers_of(example):
                conflicts.append((match, row))
        if within:
            exact_rows.setdefault(keys[0], row)
            near_rows.setdefault(keys[1], row)
    shown = tuple(main_text(other[row]) for _, row in (exact + near)[:3])
    return DuplicateReport(tuple(exact), tuple(near), tuple(conflicts), len(other), shown)


def _remember(dataset, exact_rows, near_rows):
    for row, example in enumerate(dataset):
        exact_rows.setdefault(_inputs(example, str.strip), row)
        near_rows.setdefault(_inputs(example, normalise), row)
