"""What the settings of every shape of task have, and what the engine asks of them."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from kerasllm.training.settings.base import flag, fraction
from kerasllm.training.settings.method import MethodSettings
from kerasllm.training.settings.told import script_told, unknown_told

RATE = 1e-3  # learning rate where neither settings nor run say one
COMPARED = 20_000  # training rows that baselines learn from in seconds, right after a training
POOLINGS = ("mean", "max", "mean_max", "last", "first", "attention")


class Examples(NamedTuple):
    """What is learned from, and what a training is chosen by.

    Attributes:
        train: a `Dataset`, or a `Source` of texts.
        validation: likewise.
        name: what to call the data.
        language: "en", "zh" and so on.
        fingerprint: hash of the training data.
    """

    train: Any
    validation: Any
    name: str
    language: str
    fingerprint: str


@dataclass(frozen=True)
class ShapeSettings(MethodSettings):
    """Settings of one shape of task, and how it is trained.

    A subclass says which data it is for (`task`), and answers what the engine asks:
    `make_preprocessor`, `make_task`, `durations`, and where the usual is not enough
    `check_examples`, `suited`, `make_batches`, `factors`, `validation`, `facts`. A field that is
    None is inherited from the field of that name of a pretrained run.
    """

    task: ClassVar[str] = ""  # the `task` of the data sets
    wanted: ClassVar[tuple] = ("other data", "look at its task")  # what it is called, how to get it
    curves: ClassVar[tuple] = ("loss", "val_loss")  # what is drawn over the validations
    brought: ClassVar[frozenset] = frozenset()  # settings that a pretrained run comes with
    scored_before: ClassVar[bool] = False  # whether the run that it began from is scored beside it
    own: ClassVar[tuple] = ("metric",)  # settings that are not inherited where they are None

    # === Data ===

    @classmethod
    def read(cls, data):
        """Return the `Examples` of a name, a path, a `Dataset`, or (train, validation).

        Raises:
            ValueError: data of another task, or that cannot be trained on.
        """
        from kerasllm import datasets

        if isinstance(data, str | Path):
            train, validation = (datasets.load(data, split=s) for s in ("train", "validation"))
        elif isinstance(data, datasets.Dataset):
            train, validation = datasets.split(data, (0.9, 0.1))
        else:
            train, validation = data
        for part in (train, validation):
            cls.check_task(part)
            cls.check_examples(part)
        cls.check_training(train, validation)
        return cls.examples(train, validation)

    def divided(self, data):
        """Return data with the rows that validate, where the settings choose them of all."""
        return data

    @staticmethod
    def examples(train, validation):
        """Return data sets as `Examples`."""
        return Examples(train, validation, train.name, train.language, train.fingerprint)

    @classmethod
    def check_task(cls, dataset):
        """Raise unless a data set is for this shape of task."""
        if dataset.task != cls.task:
            what, cure = cls.wanted
            raise ValueError(
                f"expected {what}, received {dataset!r}, a set for {dataset.task}: {cure}."
            )

    @classmethod
    def check_examples(cls, dataset):
        """Raise unless a data set can be trained on and scored."""

    @classmethod
    def check_training(cls, train, validation):
        """Raise unless the training part fits its validation."""

    @classmethod
    def held_out_rows(cls, run, data=None, split=None, trained_rows="refuse"):
        """Return the `HeldOut` of a run: what is scored, and what its baselines learn from."""
        from kerasllm.training.held_out import rows_of_examples

        held = rows_of_examples(run, data, split, trained_rows)
        cls.check_examples(held.test)
        return held

    def recorded(self, task, examples, source):  # noqa: ARG002 - some shapes ask the task
        """Return the `Rows` that are learned from and held out.

        Args:
            task: that is trained.
            examples: `Examples`, before anything is made of them.
            source: name or path of the data; None for data made in Python.
        """
        from kerasllm.training.held_out import test_rows
        from kerasllm.training.run_folder.rows import Rows

        return Rows.of(examples.train, examples.validation, test_rows(source))

    def prepared(self, examples, report):  # noqa: ARG002 - some shapes tell what they did
        """Return the examples as the settings want them."""
        return examples

    # === Settings that depend on the data and the run ===

    def check(self, pretrained):
        """Raise for settings that make no sense together."""
        self.check_method(pretrained)
        if pretrained is not None:
            _check_brought(self)

    def suited(self, examples, pretrained, report):
        """Return the settings with what is None filled: inherited from a run, or the usual.

        Args:
            examples: `Examples`.
            pretrained: a `Run`, or None.
            report: a `Progress`, which is told.
        """
        method = self.method or ("scratch" if pretrained is None else "full")
        settings = dataclasses.replace(self, method=method)._with_rate(pretrained, report)
        if pretrained is None:
            return settings._usual(examples, pretrained)
        return settings._inherited(pretrained, report)._usual(examples, pretrained)

    def _with_rate(self, pretrained, report):
        """Fill the learning rate: what the run advises where its weights move, else the usual."""
        if self.learning_rate is not None:
            return self
        advised = {} if pretrained is None else pretrained.config.get("advised", {})
        rate = advised.get("learning_rate") if self.method in ("full", "gradual") else None
        if rate:
            report.say(f"  learning_rate={rate:g}, as {pretrained.path} advises")
        return dataclasses.replace(self, learning_rate=rate or self._usual_rate(pretrained, report))

    def _usual_rate(self, pretrained, report):  # noqa: ARG002 - some shapes look at them
        """Return the learning rate where neither settings nor run say one."""
        return RATE

    def _usual(self, examples, pretrained):  # noqa: ARG002 - some shapes look at them
        """Return the settings with what is still None filled by what is usual."""
        return self

    def _inherited(self, pretrained, report):
        """Fill settings that are None from the pretraining run, and say which."""
        brought = self._brought(pretrained)
        free = [f for f in dataclasses.fields(self) if f.name not in brought]
        inherited = {
            f.name: pretrained.settings[f.name]
            for f in free
            if getattr(self, f.name) is None
            and f.name not in self.own
            and pretrained.settings.get(f.name) is not None
        }
        given = {
            f.name: getattr(self, f.name)
            for f in free
            if f.name not in inherited and getattr(self, f.name) != f.default
        }
        check_length(getattr(self, "length", None), pretrained)
        report.say(f"  inherited from {pretrained.path}: {inherited}; overridden here: {given}")
        return dataclasses.replace(self, **brought, **inherited)

    def _brought(self, pretrained):
        """Return the settings that come with a run, as it has them; None for what it does not."""
        names = {f.name for f in dataclasses.fields(self)} & self.brought
        return {name: pretrained.settings.get(name) for name in names}

    # === What is built ===

    def make_preprocessor(self, examples, pretrained):
        """Return the `Preprocessor`; its tokenizer is the run's, or trained on the examples."""
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def make_task(self, preprocessor, pretrained):
        """Return the `Task` to train, with its preprocessor."""
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def start(self, pretrained, make):
        """Return the backbone to begin with: the run's, its weights or new ones, or `make()`."""
        from kerasllm.models.presets import copy_of

        if pretrained is None:
            return make()
        return copy_of(pretrained.backbone, weights=self.method != "scratch")

    def make_batches(self, task, examples, quiet=True):  # noqa: ARG002 - some show what they do
        """Return the `Batches` of the training examples."""
        return task.preprocessor.batches(examples.train, self.batch_size, self.seed)

    def facts(self, task, examples, batches):  # noqa: ARG002 - some shapes look at them
        """Return what config.json says beside the settings."""
        return {}

    def told(self, task, examples, batches):  # noqa: ARG002 - some shapes look at them
        """Return what a person should know before the training begins, a line each."""
        tokenizer = task.preprocessor.tokenizer
        size = f"{tokenizer.vocabulary_size:,} tokens in the vocabulary"
        unknown = unknown_told(*self.unknown_shares(task, examples))
        other = script_told(tokenizer, examples.train) if unknown else []
        return [f"{size}, {task.count_params():,} weights", *unknown, *other]

    def unknown_shares(self, task, examples):
        """Return the shares of the training and of the validation tokens that are unknown."""
        parts = examples.train, examples.validation
        return tuple(map(task.preprocessor.unknown_share, parts))

    # === How it is trained ===

    def durations(self, batches):
        """Return (steps with the backbone frozen, steps of the method), not rounded."""
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def lasting(self, steps, batches):
        """Return the settings with so many steps in all, those of the head apart among them."""
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def eval_steps(self, batches, steps):
        """Return the steps from one validation to the next in a stage of `steps`."""
        return min(steps, batches.steps_per_epoch)

    def make_loss(self, task):
        """Return the loss."""
        return task.default_loss()

    def loss_weights(self):
        """Return the weight of each loss where there are several."""
        return None

    def factors(self, task, pretrained):  # noqa: ARG002 - some shapes look at them
        """Return {variable path: factor on the learning rate} beside the discriminative ones."""
        return {}

    def monitor(self, task):
        """Return the score that the weights are chosen by."""
        return f"val_{getattr(self, 'metric', None) or task.monitor}"

    def validation(self, task, examples, batches, steps):  # noqa: ARG002 - some shapes use them
        """Return (step) -> {name: number} on the validation examples, "loss" among them."""
        return lambda step: task.scores(examples.validation)  # noqa: ARG005

    def finished(self, task, examples):  # noqa: ARG002 - some shapes choose more
        """Choose on validation what comes after the training; return lines that say it."""
        return []

    def kept(self, task):
        """Return what is saved of a trained task."""
        return task

    def compared(self, examples):
        """Return the validation rows on which baselines are scored after a training; None: none."""
        return examples.validation if len(examples.train) <= COMPARED else None

    def figures(self, task, examples):  # noqa: ARG002 - some shapes look at them
        """Return {name: () -> figure} to draw beside the learning curves."""
        return {}


@dataclass(frozen=True)
class TaskSettings(ShapeSettings):
    """Settings of the shapes that pass over their examples in epochs."""

    epochs: float = flag(3.0, "passes over the training examples", above=0, maximum=10**6)
    head_epochs: float = flag(
        0.0, "epochs with the backbone frozen, before the method begins", maximum=10**6
    )
    held_out: float = fraction(
        0.0, "share of the training examples that validates in place of the validation split"
    )

    def divided(self, data):
        """Return data in which the share held out validates, where nothing else would.

        So it is of a training and a test file, whose name then says so, and of one `Dataset`.
        """
        from kerasllm import datasets
        from kerasllm.datasets.sources import with_share_held_out

        if self.held_out and isinstance(data, datasets.Dataset):
            return datasets.split(data, (1 - self.held_out, self.held_out), seed=self.seed)
        if self.held_out and isinstance(data, str | Path):
            return with_share_held_out(data, self.held_out, self.seed)
        return data

    def prepared(self, examples, report):  # noqa: ARG002
        """Return the examples, some of them held out for the validation where asked for."""
        if not self.held_out:
            return examples
        from kerasllm import datasets

        parts = (1 - self.held_out, self.held_out)
        return self.examples(*datasets.split(examples.train, parts, seed=self.seed))

    def durations(self, batches):
        """Return (steps with the backbone frozen, steps of the method), not rounded."""
        each = batches.steps_per_epoch
        return self.head_epochs * each, self.epochs * each

    def lasting(self, steps, batches):
        """Return the settings with so many steps in all, in proportion to those of the head."""
        share = steps / sum(self.durations(batches))
        changes = {"epochs": share * self.epochs, "head_epochs": share * self.head_epochs}
        return dataclasses.replace(self, **changes)


def _check_brought(settings):
    """Raise for settings of what a run brings, beside a run."""
    given = [
        f.name
        for f in dataclasses.fields(type(settings))
        if f.name in settings.brought and getattr(settings, f.name) not in (None, f.default)
    ]
    if given:
        raise ValueError(
            f"{', '.join(given)}: tokenizer and backbone come with the pretrained run. Leave them "
            "out, or train without a pretrained run."
        )


def longest(pretrained, otherwise):
    """Return how many tokens a run's backbone can read, `otherwise` at most."""
    limit = pretrained and getattr(pretrained.backbone.settings, "max_length", None)
    return min(limit or otherwise, otherwise)


def check_length(length, pretrained):
    """Raise for a length that the pretrained backbone cannot read."""
    limit = getattr(pretrained.model.backbone.settings, "max_length", None)
    if limit and length and length > limit:
        raise ValueError(
            f"length={length} is longer than the {limit} tokens that the pretrained model can read:"
            " lower it, or pretrain with a larger length."
        )
