"""Language models: next tokens, hidden tokens, or what a text is about, from bare text."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kerasllm.training.settings.backbone import BackboneSettings
from kerasllm.training.settings.base import amount, flag, fraction
from kerasllm.training.settings.rates import rate_for
from kerasllm.training.settings.task import (
    POOLINGS,
    Examples,
    ShapeSettings,
    check_length,
)

VALIDATION_TOKENS = 50_000  # a validation during training reads so many at most
TOKENIZER_SAMPLE = 20_000_000  # characters that a tokenizer is trained on at most
SHORTEST = 8  # tokens of a text that is cut in two spans at least
OBJECTIVES = ("causal", "masked", "contrastive")


@dataclass(frozen=True)
class PretrainSettings(BackboneSettings, ShapeSettings):
    """Settings of `pretrain`, and of going on with a language model on other text."""

    task: ClassVar[str] = "language_model"
    wanted: ClassVar[tuple] = ("texts", "choose another set")

    objective: str | None = flag(
        None,
        "causal (next token), masked (hidden tokens), contrastive; None: that of the run that it "
        "goes on with, else causal",
        choices=OBJECTIVES,
    )
    dropout: float | None = fraction(None, "dropout in the backbone")
    output_dropout: float = fraction(
        0.0, "dropout between the backbone and the scores of the tokens"
    )
    clean: bool = flag(False, "clean the text first: NFKC, control characters, HTML, white space")
    mask_personal: bool = flag(
        False, "write [EMAIL], [PHONE] and the like in place of personal data before training"
    )
    length: int | None = amount(
        None, "tokens of context in training; None: those of the run, else 128"
    )
    whole_word: bool = flag(False, "masked objective: hide whole words")
    mask_share: float = fraction(0.15, "masked objective: share of tokens hidden", above=0)
    pooling: str = flag(
        "mean", "contrastive objective: how features become one vector", choices=POOLINGS
    )
    layer: int = flag(
        -1, "contrastive objective: features pooled: 0 embeddings, -1 the top", minimum=-1
    )
    contrast_batch: int = amount(
        256, "contrastive objective: texts told apart in a step", minimum=2
    )
    contrast_weight: float = flag(
        1.0, "contrastive objective: weight of the contrast in the loss", maximum=10**6
    )
    temperature: float = flag(
        0.2, "contrastive objective: temperature of the softmax", minimum=1e-3
    )
    steps: int = flag(1000, "training steps", above=0, maximum=10**9)
    eval_every: int = flag(0, "steps between validations; 0: a tenth of the steps")

    # === Data ===

    @classmethod
    def read(cls, data):
        """Return the `Examples` of a name, a path, a `Dataset`, or a list of texts."""
        from kerasllm.datasets.sources import read_source

        source = read_source(data)
        return Examples(source, source, source.name, source.language, source.fingerprint)

    @classmethod
    def held_out_rows(cls, run, data=None, split=None, trained_rows="refuse"):
        """Return the `HeldOut` of a run, its texts as a `Source`."""
        from kerasllm.training.held_out import rows_of_texts

        return rows_of_texts(run, data, split, trained_rows)

    def recorded(self, task, examples, source):
        """Return the `Rows` that are learned from and held out: texts, lines of a text file."""
        from kerasllm.training.held_out import recorded_texts

        by_line = self.objective == "masked"
        return recorded_texts(examples.train, task.preprocessor.tokenizer, by_line, source)

    def prepared(self, examples, report):
        """Return the examples, cleaned and with personal data masked where asked for."""
        from kerasllm.datasets.masking import masked
        from kerasllm.datasets.sources import cleaned

        source = examples.train
        if self.clean:
            source = cleaned(source, report)
        if self.mask_personal:
            source = masked(source, report)
        return examples._replace(train=source, validation=source)

    # === Settings that depend on the run ===

    def suited(self, examples, pretrained, report):
        """Return the settings with method, objective and length filled."""
        usual = {"objective": "causal", "length": 128}
        known = usual if pretrained is None else {**usual, **pretrained.settings}
        settings = dataclasses.replace(
            self, **{n: getattr(self, n) or known[n] for n in ("objective", "length")}
        )
        if settings.objective == "contrastive" and settings.accumulate > 1:
            raise ValueError(
                "the contrastive objective compares all texts of a batch with each other, so its "
                f"batch cannot be computed in accumulate={settings.accumulate} parts: leave "
                "--accumulate out, or lower --contrast-batch and --batch-size."
            )
        return super(PretrainSettings, settings).suited(examples, pretrained, report)

    def _usual_rate(self, pretrained, report):
        """Return the rate that suits the width of new weights, and how many steps there are."""
        if self.method != "scratch":
            return super()._usual_rate(pretrained, report)
        width = self.width(pretrained)
        rate = rate_for(width, self.steps)
        report.say(f"  learning_rate {rate:g}: {width} features wide, {self.steps:,} steps")
        return rate

    def _inherited(self, pretrained, report):
        check_length(self.length, pretrained)
        report.say(f"  going on with {pretrained.path}: {self.objective}, length {self.length}")
        return dataclasses.replace(self, **self._brought(pretrained))

    # === What is built ===

    def make_preprocessor(self, examples, pretrained):
        """Return the preprocessor of the objective."""
        from kerasllm import models
        from kerasllm.text import sample_texts

        if pretrained is None:
            texts = examples.train.train
            if isinstance(texts, Path):
                texts = sample_texts(texts, TOKENIZER_SAMPLE)
            tokenizer = self.make_tokenizer(texts)
        else:
            tokenizer = pretrained.tokenizer
        if self.objective == "masked":
            options = self.mask_share, self.whole_word, self.batch_size
            return models.MaskedPreprocessor(tokenizer, self.length, *options)
        kinds = {"causal": models.CausalPreprocessor, "contrastive": models.ContrastivePreprocessor}
        return kinds[self.objective](tokenizer, self.length)

    def make_task(self, preprocessor, pretrained):
        """Return the language model: the run's own with its head, or one on its backbone."""
        from kerasllm import models
        from kerasllm.models.presets import copy_of

        kinds = {
            "causal": models.CausalLM,
            "masked": models.MaskedLM,
            "contrastive": models.ContrastiveLM,
        }
        kind, size = kinds[self.objective], preprocessor.tokenizer.vocabulary_size
        options = {"dropout": self.output_dropout, "preprocessor": preprocessor}
        if self.objective == "contrastive":
            options |= {"pooling": self.pooling, "layer": self.layer}
        if pretrained is None:
            causal = self.objective != "masked"
            return kind(self.make_backbone(size, causal, self.dropout), **options)
        changes = {} if self.dropout is None else {"dropout": self.dropout}
        before, weights = pretrained.model, self.method != "scratch"
        task = kind(copy_of(pretrained.backbone, weights, **changes), **options)
        if weights and type(before) is kind and len(before.weights) == len(task.weights):
            task.set_weights(before.get_weights())
        return task

    def make_batches(self, task, examples, quiet=True):
        """Return batches of windows of the text, of hidden tokens, or of both and spans."""
        from kerasllm.models.language.corpora import document_rows, token_rows
        from kerasllm.models.language.preprocessor import SpanBatches
        from kerasllm.text.batching import StreamBatches, TextBatches

        tokenizer, source = task.preprocessor.tokenizer, examples.train
        if self.objective == "masked":
            train, _ = document_rows(source, tokenizer, self.length, quiet)
            hide = task.preprocessor.hide
            return TextBatches(train, None, self.batch_size, self.seed, transform=hide)
        train, _ = token_rows(source, tokenizer, quiet)
        stream = StreamBatches(train, self.length, self.batch_size, self.seed)
        if self.objective == "causal":
            return stream
        texts, _ = document_rows(source, tokenizer, self.length, quiet)
        texts = texts[texts.lengths >= SHORTEST]
        return SpanBatches(stream, TextBatches(texts, None, self.contrast_batch, self.seed))

    def compared(self, examples):
        """Return None: `evaluate` scores a language model beside Kneser-Ney."""

    def facts(self, task, examples, batches):  # noqa: ARG002
        """Return how many tokens there are to learn from."""
        return {"training_tokens": _tokens(batches)}

    def told(self, task, examples, batches):
        """Return how many tokens and weights there are."""
        first, *rest = super().told(task, examples, batches)
        return [f"{_tokens(batches):,} tokens, {first}", *rest]

    def unknown_shares(self, task, examples):
        """Return the shares of tokens that are unknown, of a large text of its beginning."""
        from kerasllm.models.language.corpora import document_rows, token_rows
        from kerasllm.text.unknown import unknown_share

        tokenizer, source = task.preprocessor.tokenizer, examples.train
        if self.objective == "masked":
            rows = document_rows(source, tokenizer, self.length, quiet=True)
            parts = [part.tokens for part in rows]
        else:
            parts = token_rows(source, tokenizer, quiet=True)
        return tuple(unknown_share(part[:TOKENIZER_SAMPLE], tokenizer) for part in parts)

    # === How it is trained ===

    def durations(self, batches):  # noqa: ARG002
        """Return the steps; the head is not trained apart."""
        return 0, self.steps

    def lasting(self, steps, batches):  # noqa: ARG002
        """Return the settings with so many steps."""
        return dataclasses.replace(self, steps=steps)

    def eval_steps(self, batches, steps):  # noqa: ARG002
        """Return the steps from one validation to the next."""
        return self.eval_every or max(1, steps // 10)

    def make_loss(self, task):
        """Return the loss, with the settings' temperature where texts are contrasted."""
        from kerasllm.models import SpanContrast

        loss = task.default_loss()
        if self.objective == "contrastive":
            loss["pooled"] = SpanContrast(self.temperature)
        return loss

    def loss_weights(self):
        """Return the weight of the contrast beside that of the next token."""
        if self.objective != "contrastive":
            return None
        return {"logits": 1.0, "pooled": self.contrast_weight}

    def validation(self, task, examples, batches, steps):  # noqa: ARG002
        """Return the loss on the beginning of the held-out text."""
        from kerasllm.models.language.corpora import document_rows, token_rows
        from kerasllm.models.language.scoring import masked_nats, token_nats

        tokenizer, source = task.preprocessor.tokenizer, examples.validation
        if self.objective == "masked":
            _, held = document_rows(source, tokenizer, self.length, quiet=True)
            return lambda step: {"loss": float(masked_nats(task, held, VALIDATION_TOKENS).mean())}  # noqa: ARG005
        tokens = token_rows(source, tokenizer, quiet=True)[1][:VALIDATION_TOKENS]
        options = tokens, self.length, self.batch_size
        return lambda step: {"loss": float(token_nats(task, *options).mean())}  # noqa: ARG005


def _tokens(batches):
    """Return the number of tokens that a training learns from."""
    stream = getattr(batches, "stream_batches", batches)
    tokens = getattr(stream, "tokens", None)
    return int(stream.lengths.sum()) if tokens is None else len(tokens)
