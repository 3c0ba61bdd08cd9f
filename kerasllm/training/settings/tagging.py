"""Tagging: a tag for each word of a sentence.

Two ways to begin:

    from scratch      word embeddings and features from spelling, BiLSTM, CRF (Ma and Hovy 2016)
    from a run        its backbone; a word is tagged at its first piece (Devlin et al. 2019)
"""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from kerasllm.training.settings.backbone import SPLITTERS
from kerasllm.training.settings.base import amount, flag, fraction, rate, share
from kerasllm.training.settings.task import TaskSettings, longest

LONGEST = 256  # tokens that are read at once where neither settings nor run say less
# What suits a model from scratch, and one from a pretrained run.
STEPS = 600  # of a training from scratch at least, as far as MOST passes go
LEAST, MOST, TUNING = 15.0, 100.0, 3.0  # passes: from scratch, and from a pretrained run
_USUAL = {
    "learning_rate": (2e-3, 1e-4),
    "units": (128, 0),
    "dropout": (0.5, 0.1),
}


@dataclass(frozen=True)
class TaggingSettings(TaskSettings):
    """Settings of a tagger; None stands for what suits the model."""

    task: ClassVar[str] = "tagging"
    wanted: ClassVar[tuple] = (
        "sentences with a tag for each word",
        "choose a tagging set, or give a CoNLL file",
    )
    curves: ClassVar[tuple] = ("loss", "val_loss", "val_f1", "val_accuracy")
    brought: ClassVar[frozenset] = frozenset({"word_dim", "word_dropout", "lowercase"})
    own: ClassVar[tuple] = (*_USUAL, "epochs", "characters", "length", "metric")

    learning_rate: float | None = rate(
        None, "highest learning rate; None: 2e-3 from scratch, 1e-4 from a pretrained run"
    )
    epochs: float | None = flag(
        None,
        "passes over the sentences; None: 15 from scratch, and more of few sentences; else 3",
        above=0,
        maximum=10**6,
    )
    head: str = flag(
        "crf",
        "crf (the best row of tags) or softmax (the best tag of each word)",
        choices=("crf", "softmax"),
    )
    scheme: str = flag(
        "bioes", "how the model writes entities: bio or bioes", choices=("bio", "bioes")
    )
    constrained: bool = flag(True, "crf: forbid rows of tags that break the scheme")
    units: int | None = amount(
        None, "units of a BiLSTM over the words; None: 128 from scratch, else 0", minimum=0
    )
    characters: bool | None = flag(
        None,
        "features from spelling; None: yes, but for Chinese and where a run sees capitals",
    )
    filters: int = amount(50, "features from spelling")
    word_dim: int = amount(100, "from scratch: width of the word embeddings")
    word_dropout: float = share(
        0.5, "from scratch: a word seen n times is read as unknown with probability d / (d + n)"
    )
    lowercase: bool = flag(True, "from scratch: look words up in lower case")
    digits: bool = flag(True, "from scratch: look words up with each digit as 0")
    dropout: float | None = fraction(
        None, "dropout on the features of words; None: 0.5 from scratch, else 0.1"
    )
    head_rate: float = flag(
        10.0,
        "pretrained: the rate of the new layers is that of the backbone times this",
        above=0,
        maximum=10**6,
    )
    metric: str | None = flag(
        None,
        "validation score that chooses the weights: f1, precision, recall, accuracy or loss; None: "
        "f1 of entities, accuracy where tags mark none",
        choices=("f1", "precision", "recall", "accuracy", "loss"),
    )
    length: int | None = amount(
        None,
        "tokens read at once; longer sentences are read in parts; None: 256, or a run's limit",
    )
    word_length: int = amount(20, "characters read of a word; of longer ones both ends")
    word_splitter: str = flag(
        "treebank", "how typed sentences are split into words", choices=SPLITTERS
    )

    @classmethod
    def check_examples(cls, dataset):
        """Raise unless each sentence has a tag for each word."""
        from kerasllm.models.tagging.preprocessor import check_tagged

        check_tagged(dataset)

    @classmethod
    def check_training(cls, train, validation):  # noqa: ARG003
        """Raise for fewer than two tags."""
        if len(train.labels) < 2:
            raise ValueError(
                f"expected at least 2 tags, {train.name} has {list(train.labels)} only: look at "
                "the column of the tags."
            )

    def _with_rate(self, pretrained, report):  # noqa: ARG002
        """Leave the learning rate to what is usual."""
        return self

    def suited(self, examples, pretrained, report):
        """Return the settings with what is None filled; the passes from scratch are told."""
        passes = self.epochs or TUNING
        if pretrained is None and self.epochs is None:
            count = len(examples.train)
            passes = passes_of(count, self.batch_size)
            if not self.minutes:
                report.say(f"  epochs {passes:g}: {count:,} sentences")
        settings = dataclasses.replace(self, epochs=passes)
        return super(TaggingSettings, settings).suited(examples, pretrained, report)

    def _usual(self, examples, pretrained):
        """Fill what is None by what suits a model from scratch, or one from a run."""
        chosen = {
            name: pair[pretrained is not None]
            for name, pair in _USUAL.items()
            if getattr(self, name) is None
        }
        if self.characters is None:
            sees_capitals = pretrained is not None and not pretrained.tokenizer.lowercase
            chosen["characters"] = not (by_character(examples.train) or sees_capitals)
        if self.length is None:
            chosen["length"] = longest(pretrained, LONGEST)
        return dataclasses.replace(self, **chosen)

    def make_preprocessor(self, examples, pretrained):
        """Return the preprocessor of the tags that the training sentences have."""
        from kerasllm.models.tagging.preprocessor import TaggingPreprocessor, word_tokenizer

        train = examples.train
        rows, scheme = model_tags(train, self.scheme)
        if scheme == "none" and self.metric in ("f1", "precision", "recall"):
            raise ValueError(
                f"metric={self.metric!r} counts entities, and the tags of {train.name} mark none: "
                "choose accuracy or loss."
            )
        letters = sorted({c for example in train for token in example.tokens for c in token})
        if pretrained is None:
            sentences = [example.tokens for example in train]
            tokenizer, _ = word_tokenizer(sentences, self.lowercase, self.digits)
        else:
            tokenizer = pretrained.tokenizer
        return TaggingPreprocessor(
            tokenizer,
            sorted({tag for row in rows for tag in row}),
            scheme,
            self.length,
            "".join(letters) if self.characters else "",
            self.word_length,
            self.digits,
            by_character(train),
            self.word_splitter,
        )

    def make_task(self, preprocessor, pretrained):
        """Return the tagger, on the run's backbone or on embeddings of words."""
        from kerasllm.models import EmbeddingBackbone, EmbeddingConfig, TokenTagger
        from kerasllm.text.entities import forbidden_pairs

        size, labels = preprocessor.tokenizer.vocabulary_size, preprocessor.labels
        spelling = {
            "num_characters": len(preprocessor.characters) + 2, "filters": self.filters
        }  # fmt: skip
        constrained = preprocessor.entities and self.constrained and self.head == "crf"
        return TokenTagger(
            self.start(pretrained, lambda: EmbeddingBackbone(EmbeddingConfig(size, self.word_dim))),
            head=self.head,
            forbidden=forbidden_pairs(labels) if constrained else None,
            characters=spelling if preprocessor.characters else None,
            units=self.units,
            dropout=self.dropout,
            preprocessor=preprocessor,
        )

    def make_batches(self, task, examples, quiet=True):  # noqa: ARG002
        """Return batches of the sentences; from scratch, rare words are read as unknown at times.

        A word that comes n times is unknown with probability d / (d + n).
        """
        from kerasllm.models import EmbeddingBackbone

        unknown = None
        if isinstance(task.backbone, EmbeddingBackbone):
            unknown = self._unknown(task.preprocessor, examples.train)
        return task.preprocessor.batches(
            examples.train, self.batch_size, self.seed, unknown=unknown
        )

    def _unknown(self, reader, train):
        from kerasllm.models.tagging.preprocessor import word_tokenizer

        sentences = [example.tokens for example in train]
        _, counts = word_tokenizer(sentences, reader.tokenizer.lowercase, self.digits)
        unknown = self.word_dropout / (self.word_dropout + counts.clip(1e-9))
        unknown[counts == 0] = 0.0
        return unknown

    def factors(self, task, pretrained):
        """Return the factor on the rate of each new variable above a pretrained backbone."""
        if pretrained is None:
            return {}
        old = {variable.path for variable in task.backbone.trainable_variables}
        new = [variable.path for variable in task.trainable_variables if variable.path not in old]
        return dict.fromkeys(new, self.head_rate)

    def facts(self, task, examples, batches):  # noqa: ARG002
        """Return the tags, and how they are written."""
        reader = task.preprocessor
        return {
            "labels": reader.labels,
            "entities": reader.entities,
            "characters": reader.characters,
            "by_character": reader.by_character,
        }

    def told(self, task, examples, batches):
        """Return in which scheme the tags are written, and how many there are."""
        from kerasllm.models.tagging.preprocessor import scheme_of_set
        from kerasllm.text.entities import check_tags

        reader, rows = task.preprocessor, [list(e.tags) for e in examples.train]
        found = "tags that mark no entities: scored by the share of right ones"
        if reader.entities:
            found = str(check_tags(rows, scheme_of_set(examples.train)))
        counted = f"{len(batches.sequences):,} rows, {len(reader.labels)} tags"
        return [found, counted, *super().told(task, examples, batches)]


def passes_of(sentences, batch_size):
    """Return how many passes a tagger from scratch makes: of few sentences more, for 600 steps.

    Example:
        >>> [passes_of(count, 32) for count in (10, 480, 1280, 14_000)]
        [100.0, 40.0, 15.0, 15.0]
    """
    return float(min(MOST, max(LEAST, round(STEPS * batch_size / sentences))))


def model_tags(train, scheme):
    """Return (the model's tags of each training sentence, the scheme they are written in)."""
    from kerasllm.models.tagging.preprocessor import scheme_of_set
    from kerasllm.text.entities import convert_tags

    rows = [list(example.tags) for example in train]
    if scheme_of_set(train) == "none":
        return rows, "none"
    return [convert_tags(tags, scheme) for tags in rows], scheme


def by_character(train):
    """Return whether the words are characters, as in Chinese."""
    lengths = [len(token) for example in train for token in example.tokens]
    return lengths.count(1) > 0.9 * len(lengths)
