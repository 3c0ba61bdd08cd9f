"""Span extraction: the answer to a question, found in a text."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from kerasllm.training.settings.backbone import BackboneSettings
from kerasllm.training.settings.base import amount, flag, fraction, rate, share
from kerasllm.training.settings.task import TaskSettings, longest

LONGEST = 256  # tokens of a window, where neither the settings nor the pretrained run say less


@dataclass(frozen=True)
class SpanSettings(BackboneSettings, TaskSettings):
    """Settings of a model that finds answers."""

    task: ClassVar[str] = "span"
    wanted: ClassVar[tuple] = (
        "questions on contexts",
        "choose a span set, or give a JSON file as SQuAD writes it",
    )
    curves: ClassVar[tuple] = ("loss", "val_loss", "val_f1")

    learning_rate: float = rate(1e-4, "highest learning rate, reached after the warm-up")
    epochs: float = flag(2.0, "passes over the questions", above=0, maximum=10**6)
    backbone: str | None = flag(
        "transformer", "from scratch: recurrent or transformer",
        choices=("recurrent", "transformer"),
    )  # fmt: skip
    length: int | None = amount(
        None, "tokens of a window, the question included; None: as in pretraining, 256 at most"
    )
    stride: int | None = amount(
        None, "tokens from one window of a long context to the next; None: half of its room"
    )
    max_question: int = amount(64, "tokens of a question that are read")
    max_answer: int = amount(30, "tokens of an answer at most")
    empty_windows: float = share(1.0, "share of the windows without the answer that are trained on")
    null_threshold: float | None = flag(
        None,
        "an answer needs a score above this; None: 0, and any score where each training question "
        "has an answer",
        minimum=None,
    )
    dropout: float = fraction(0.1, "dropout on the features, before the head")
    backbone_dropout: float | None = fraction(None, "from scratch: dropout in the backbone")
    metric: str | None = flag(
        None, "validation score that chooses the weights: f1, exact or loss; None: f1",
        choices=("f1", "exact", "loss"),
    )  # fmt: skip
    validation_rows: int = amount(1000, "questions that are answered after each epoch")

    @classmethod
    def check_examples(cls, dataset):
        """Raise unless each answer stands in its context."""
        from kerasllm.models.span.preprocessor import check_spans

        check_spans(dataset)

    @classmethod
    def check_training(cls, train, validation):  # noqa: ARG003
        """Raise where no question has an answer."""
        if not any(example.answers for example in train):
            raise ValueError(
                f"expected questions with answers, {train!r} has none: look at the answers of the "
                "file."
            )

    def suited(self, examples, pretrained, report):
        """Return the settings with a length that the backbone, which must read all, can read."""
        if pretrained is not None:
            from kerasllm.models.span.span_extractor import check_reads_all

            check_reads_all(pretrained.backbone)
        return super().suited(examples, pretrained, report)

    def _inherited(self, pretrained, report):
        settings = super()._inherited(pretrained, report)
        if self.length is None:
            length = min(settings.length or LONGEST, longest(pretrained, LONGEST))
            settings = dataclasses.replace(settings, length=length)
        return settings

    def _usual(self, examples, pretrained):  # noqa: ARG002
        """Fill what neither the call nor a run says."""
        return self if self.length else dataclasses.replace(self, length=LONGEST)

    def make_preprocessor(self, examples, pretrained):
        """Return the preprocessor."""
        from kerasllm.models import SpanPreprocessor

        train, threshold = examples.train, self.null_threshold
        if threshold is None and not all(example.answers for example in train):
            threshold = 0.0
        if pretrained is None:
            questions = [example.question for example in train]
            tokenizer = self.make_tokenizer([*train.texts, *questions])
        else:
            tokenizer = pretrained.tokenizer
        return SpanPreprocessor(
            tokenizer, self.length, self.stride, self.max_question, self.max_answer, threshold
        )

    def make_task(self, preprocessor, pretrained):
        """Return the model, on the run's backbone or on a new one."""
        from kerasllm.models import SpanExtractor

        size = preprocessor.tokenizer.vocabulary_size
        backbone = self.start(
            pretrained, lambda: self.make_backbone(size, False, self.backbone_dropout)
        )
        return SpanExtractor(backbone, self.dropout, preprocessor=preprocessor)

    def make_batches(self, task, examples, quiet=True):  # noqa: ARG002
        """Return batches of windows, some of those without the answer left out."""
        return task.preprocessor.batches(
            examples.train, self.batch_size, self.seed, empty_windows=self.empty_windows
        )

    def validation(self, task, examples, batches, steps):  # noqa: ARG002
        """Answer some of the validation questions."""
        held = examples.validation
        some = held.take(min(self.validation_rows, len(held)))
        return lambda step: task.scores(some)  # noqa: ARG005

    def facts(self, task, examples, batches):  # noqa: ARG002
        """Return whether every training question had an answer."""
        return {"always_answered": all(example.answers for example in examples.train)}

    def told(self, task, examples, batches):
        """Return how many windows there are, and what is lost in them."""
        from kerasllm.models.span.preprocessor import window_targets

        reader, train = task.preprocessor, examples.train
        windows, targets = window_targets(reader, train)
        held = targets.any(axis=1)
        questions = {example.question for example in train}
        cut = sum(
            len(reader.tokenizer.encode(question)) > self.max_question for question in questions
        )
        whole = {w.question for w, kept in zip(windows, held, strict=True) if kept}
        lost = sum(bool(e.answers) for e in train) - len(whole)
        return [
            f"{len(windows):,} windows, {held.mean():.0%} of them with an answer; {lost:,} answers "
            f"in no window as a whole, {cut:,} questions cut to {self.max_question} tokens",
            *super().told(task, examples, batches),
        ]
