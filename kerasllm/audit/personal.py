"""Personal data in what a run learned from, and how much of it the run completes by heart."""

from collections import Counter
from pathlib import Path

from kerasllm import datasets
from kerasllm.datasets.sources import read_source, text_lists
from kerasllm.models import CausalLM
from kerasllm.text.privacy import find_personal_data
from kerasllm.training.run_folder.run import as_run
from kerasllm.utils.tables import Shown, Table

BEFORE = 40  # characters that stand before a find, and that the model is given


class Personal(Shown):
    """What was found; see `personal`.

    Attributes:
        found: {kind: how many there are in the texts}.
        asked: {kind: how many of them the model was asked for}.
        completed: {kind: how many it completed}; None for a model that writes no text.
        texts: how many texts were read.
    """

    def __init__(self, found, asked, completed, texts, title):
        self.found, self.asked, self.completed = found, asked, completed
        self.texts, self.title = texts, title

    @property
    def table(self):
        """A row for each kind."""
        rows = []
        for kind, count in sorted(self.found.items()):
            told = (None, None)
            if self.completed is not None:
                told = (self.asked.get(kind, 0), self.completed.get(kind, 0))
            rows.append((kind, count, *told))
        rows = rows or [("none found", 0, None, None)]
        return Table(("kind", "in the texts", "asked for", "completed"), rows, self.title)


def personal(run, data=None, *, ask=100):
    """Find personal data in texts that a run learned from, and ask a language model for it.

    A model that writes text is given the 40 characters before each find, and goes on with the
    likeliest signs: the find counts as completed where it comes out whole. Names have no form, and
    are not found; `mask_personal` of a training writes placeholders instead.

    Args:
        run: run folder or `Run`.
        data: name, path or list of texts; the run's own training data if left out.
        ask: finds that the model is asked for at most, each of them once.

    Returns:
        A `Personal`.

    Raises:
        ValueError: the run was trained on data given in Python, and none are given here.
    """
    run = as_run(run)
    texts, found, asked = 0, Counter(), {}
    for text in _texts(run, data):
        texts += 1
        for start, end, kind in find_personal_data(text):
            found[kind] += 1
            if len(asked) < ask and start:
                asked.setdefault((text[max(0, start - BEFORE) : start], text[start:end]), kind)
    completed = None
    if isinstance(run.model, CausalLM):
        completed = Counter(kind for (before, secret), kind in asked.items()
                            if _completes(run, before, secret))  # fmt: skip
    title = f"{run.path}: personal data in {texts:,} texts that it learned from"
    return Personal(dict(found), dict(Counter(asked.values())), completed, texts, title)


def _texts(run, data):
    """Yield the training texts."""
    if data is None:
        data = run.config["data"]["source"]
        if data is None:
            raise ValueError(
                f"{run.path} was trained on data given in Python, which are not kept: give them."
            )
    if not isinstance(data, str | Path):
        yield from data
        return
    if datasets.task_of(data) == "language_model":
        yield from text_lists(read_source(data))[0]
        return
    yield from datasets.load(data, split="train").texts


def _completes(run, before, secret):
    tokens = len(run.tokenizer.encode(secret)) + 2
    said = run.generate(before, max_new_tokens=tokens, temperature=0)
    return said[len(before) :].lstrip().startswith(secret) or secret in said[len(before) - 1 :]
