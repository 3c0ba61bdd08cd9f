"""Classification: labels of texts."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from kerasllm.training.settings.backbone import TOKENIZERS, BackboneSettings
from kerasllm.training.settings.base import amount, flag, fraction
from kerasllm.training.settings.chosen import chosen
from kerasllm.training.settings.task import POOLINGS, TaskSettings

BACKBONES = ("embedding", "recurrent", "transformer")
METRICS = ("loss", "accuracy", "f1_macro", "f1_micro", "matthews")
LENGTH = 128  # tokens that a classifier from scratch reads


@dataclass(frozen=True)
class ClassificationSettings(BackboneSettings, TaskSettings):
    """Settings of a text classifier."""

    task: ClassVar[str] = "classification"
    wanted: ClassVar[tuple] = (
        "labelled texts",
        "choose a classification set, or name the label column of your file",
    )
    curves: ClassVar[tuple] = ("loss", "val_loss", "val_accuracy")

    own: ClassVar[tuple] = ("metric", "epochs", "dropout", "word_dropout", "keep_best")
    brought: ClassVar[frozenset] = BackboneSettings.brought | {"pairs"}

    tokenizer: str | None = flag(
        None,
        "from scratch: bpe, wordpiece, word or character; None: word, or character where no spaces "
        "divide words",
        choices=TOKENIZERS,
    )
    backbone: str | None = flag(
        None,
        "from scratch: embedding, recurrent or transformer; None: embedding, or the one that other "
        "settings are of",
        choices=BACKBONES,
    )
    vocabulary_size: int | None = flag(
        None, "tokens in the vocabulary at most; None: 30,000 from scratch", above=6
    )
    lowercase: bool | None = flag(None, "lower-case the text; None: yes from scratch")
    pairs: int | None = flag(
        None,
        "embedding: rows of a table of pairs of neighbouring tokens; None: as many as a text "
        "without spaces has, else 0",
        maximum=2**16,
    )
    epochs: float | None = flag(
        None,
        "passes over the training examples; None: from scratch by their number, else 3",
        above=0,
        maximum=10**6,
    )
    pooling: str | None = flag(
        None,
        "mean, max, mean_max, last, first or attention; inherited from pretraining, else mean_max "
        "from scratch and mean from a run",
        choices=POOLINGS,
    )
    layer: int | None = flag(
        None, "features pooled: 0 embeddings, -1 the top; inherited", minimum=-1
    )
    dropout: float | None = fraction(
        None, "dropout on the pooled features; None: 0.5 from scratch, else 0.1"
    )
    backbone_dropout: float | None = fraction(
        None, "from scratch: dropout in the backbone; None: 0.5"
    )
    word_dropout: float | None = fraction(
        None,
        "share of the tokens hidden (<unk>) in training; None: 0.1 of words from scratch, else 0",
    )
    keep_best: bool | None = flag(
        None,
        "keep the weights of the best validation; None: from scratch the last, where none of "
        "metric, patience and minutes is given, else the best",
    )
    metric: str | None = flag(
        None,
        f"validation score that chooses the weights: {', '.join(METRICS)}; None: loss, of balanced "
        "classes f1_macro",
        choices=METRICS,
    )
    length: int | None = amount(
        None, "longest text in tokens; inherited from pretraining, else 128"
    )
    long_texts: str = flag(
        "truncate",
        "longer texts: truncate, or windows (predictions pooled)",
        choices=("truncate", "windows"),
    )
    clean: bool | None = flag(None, "clean the text first; inherited from pretraining")
    class_weight: str | None = flag(
        None, "balanced: each class counts as much as the others", choices=("balanced",)
    )
    thresholds: str = flag(
        "half",
        "several labels a text: give those above half, or above what is best on validation",
        choices=("half", "validation"),
    )

    @classmethod
    def check_training(cls, train, validation):
        """Raise for fewer than two classes, or validation labels that are never trained on."""
        from kerasllm.models.classification.preprocessor import class_names, is_multilabel

        if len(train.labels) < 2:
            raise ValueError(
                f"expected at least 2 classes, {train.name} has one only: {train.labels}. A "
                "classifier cannot learn from that; look at the label column."
            )
        if not is_multilabel(train) and (
            unknown := set(validation.labels_of) - set(class_names(train))
        ):
            raise ValueError(
                f"expected labels among {list(train.labels)}, the data {validation!r} also has "
                f"{sorted(unknown)}: use data of the same task, or fine-tune again."
            )

    def prepared(self, examples, report):
        """Return the examples, after a check of the settings that their labels decide on."""
        from kerasllm.models.classification.preprocessor import is_multilabel

        several = is_multilabel(examples.train)
        if several and (self.class_weight or self.metric == "matthews"):
            name = "class_weight" if self.class_weight else "metric='matthews'"
            raise ValueError(f"{name} is for one label a text, these have several: leave it out.")
        if not several and self.thresholds != "half":
            raise ValueError("thresholds are for several labels a text, these have one each.")
        if examples.train.of_pairs and self.long_texts == "windows":
            raise ValueError(
                "long_texts='windows' is for single texts, these come in pairs: raise length."
            )
        return super().prepared(examples, report)

    def suited(self, examples, pretrained, report):
        """Return the settings with what is None filled; what the data decide is told."""
        settings = self
        if pretrained is None:
            settings, lines = chosen(self, examples.train)
            for line in lines:
                report.say(f"  {line}")
        return super(ClassificationSettings, settings).suited(examples, pretrained, report)

    def _usual(self, examples, pretrained):  # noqa: ARG002
        """Fill what neither the call, nor a run, nor the data say."""
        usual = {"pooling": "mean", "layer": -1, "length": LENGTH, "clean": False}
        usual |= {"epochs": 3.0, "dropout": 0.1, "word_dropout": 0.0, "keep_best": True}
        return dataclasses.replace(
            self, **{name: v for name, v in usual.items() if getattr(self, name) is None}
        )

    def make_preprocessor(self, examples, pretrained):
        """Return the preprocessor of the classes that the training texts have."""
        from kerasllm.models.classification.preprocessor import (
            ClassificationPreprocessor,
            check_known,
            class_names,
            is_multilabel,
            texts_read,
        )

        train = examples.train
        tokenizer = pretrained.tokenizer if pretrained else self.make_tokenizer(texts_read(train))
        check_known(train, tokenizer, self.length)
        return ClassificationPreprocessor(
            tokenizer,
            class_names(train),
            self.length,
            self.long_texts,
            self.clean,
            is_multilabel(train),
            train.of_pairs,
        )

    def make_task(self, preprocessor, pretrained):
        """Return the classifier, on the run's backbone or on a new one."""
        from kerasllm.models import TextClassifier

        size = preprocessor.tokenizer.vocabulary_size
        backbone = self.start(
            pretrained, lambda: self.make_backbone(size, False, self.backbone_dropout)
        )
        task = TextClassifier(
            backbone,
            pooling=self.pooling,
            layer=self.layer,
            dropout=self.dropout,
            preprocessor=preprocessor,
        )
        if pretrained is not None and self.method != "scratch":
            _copy_pooling(pretrained.model, task)
        return task

    def make_batches(self, task, examples, quiet=True):  # noqa: ARG002
        """Return batches of the texts, with words hidden where the settings say so."""
        import keras

        from kerasllm.text.batching import WeightedBatches, balanced

        # Few shapes pay where each is compiled; elsewhere little padding does.
        bucket = 16 if self.xla or keras.backend.backend() == "jax" else 4
        batches = task.preprocessor.batches(
            examples.train,
            self.batch_size,
            self.seed,
            bucket=bucket,
            word_dropout=self.word_dropout,
        )
        if self.class_weight is None:
            return batches
        return WeightedBatches(batches, table=balanced(batches.targets))

    def facts(self, task, examples, batches):  # noqa: ARG002
        """Return the labels."""
        reader = task.preprocessor
        return {"labels": reader.labels, "multilabel": reader.multilabel}

    def told(self, task, examples, batches):
        """Return what is lost of the texts."""
        from kerasllm.models.classification.preprocessor import texts_read
        from kerasllm.text import length_report

        tokenizer = task.preprocessor.tokenizer
        report = length_report(texts_read(examples.train), tokenizer, tokenizer.room(self.length))
        lines = super().told(task, examples, batches)
        if self.long_texts == "truncate":
            return [*str(report).splitlines(), *lines]
        windows = (
            f"{len(report.lengths):,} texts of up to {report.percentiles[100]:,} tokens, longer "
            f"ones read in overlapping windows of {report.max_length}: nothing is cut"
        )
        return [windows, *lines]

    def monitor(self, task):
        """Return the score that chooses the weights: of balanced classes one that is balanced."""
        if self.class_weight and self.metric is None:
            return "val_f1_macro"
        return super().monitor(task)

    def finished(self, task, examples):
        """Choose the thresholds of several labels, and return the line that says them."""
        if self.thresholds == "half":
            return []
        from kerasllm.models.classification.scoring import choose_thresholds

        chosen = choose_thresholds(task, examples.validation)
        shown = ", ".join(f"{name} {p:.3g}" for name, p in list(chosen.items())[:8])
        return [f"thresholds of the best F1 on validation: {shown}{', …' * (len(chosen) > 8)}"]


def _copy_pooling(pretrained, task):
    """Take over the weights of a pooling that was pretrained in the same mode."""
    if "pooling" in [layer.name for layer in pretrained.layers]:
        before, pooling = pretrained.get_layer("pooling"), task.get_layer("pooling")
        if before.mode == pooling.mode:
            pooling.set_weights(before.get_weights())
