"""Sequence to sequence: from pairs of texts to a model that writes the second from the first."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from kerasllm.training.settings.backbone import POSITIONS, SIZES, SPLITTERS, TOKENIZERS
from kerasllm.training.settings.base import amount, flag, fraction
from kerasllm.training.settings.task import TaskSettings
from kerasllm.training.settings.told import unknown_told

ATTENTIONS = ("bahdanau", "dot", "general", "concat")
ARCHITECTURES = ("recurrent", "transformer")
LENGTH = 128  # tokens that are read where nothing else is said
METRICS = ("bleu", "chrf", "rouge_l", "exact_match", "loss")


@dataclass(frozen=True)
class Seq2SeqSettings(TaskSettings):
    """Settings of an encoder-decoder."""

    task: ClassVar[str] = "seq2seq"
    wanted: ClassVar[tuple] = (
        "pairs of source and target",
        "choose a seq2seq set, or name the columns source and target in your file",
    )

    brought: ClassVar[frozenset] = frozenset(
        (
            "architecture", "size", "cell", "attention", "hidden_dim", "units", "num_layers",
            "num_heads", "inner_dim", "positions", "copy", "tied", "shared", "tokenizer",
            "word_splitter", "vocabulary_size", "min_frequency", "lowercase",
        )
    )  # fmt: skip

    architecture: str = flag("recurrent", "recurrent or transformer", choices=ARCHITECTURES)
    size: str = flag("small", "size of the model: tiny, small or base", choices=SIZES)
    cell: str | None = flag(None, "recurrent cell: lstm or gru", choices=("lstm", "gru"))
    attention: str | None = flag(
        None, "recurrent: bahdanau, dot, general or concat", choices=ATTENTIONS
    )
    hidden_dim: int | None = amount(None, "width of the embeddings (and of the Transformer)")
    units: int | None = amount(None, "recurrent units")
    num_layers: int | None = amount(None, "layers of the encoder, and of the decoder", maximum=1000)
    num_heads: int | None = amount(None, "attention heads")
    inner_dim: int | None = amount(None, "Transformer: width of the feed-forward networks")
    positions: str | None = flag(
        None, "Transformer: sinusoidal, learned or rotary", choices=POSITIONS
    )
    copy: bool | None = flag(None, "let the decoder copy words of the source")
    tied: bool | None = flag(None, "score tokens by the target's embedding table")
    dropout: float = fraction(0.3, "dropout in the model")
    shared: bool = flag(True, "one vocabulary for source and target; False: one each")
    tokenizer: str = flag("bpe", "bpe, wordpiece, word or character", choices=TOKENIZERS)
    word_splitter: str = flag(
        "treebank", "word tokenizer: treebank, tweet, space or jieba", choices=SPLITTERS
    )
    vocabulary_size: int = flag(8000, "tokens in a vocabulary at most", above=6)
    min_frequency: int | None = flag(
        None,
        "a token comes so often in the training text at least; None: twice, characters once",
        above=0,
    )
    lowercase: bool = flag(False, "lower-case the text")
    length: int | None = amount(
        None, "longest source and target in tokens; inherited from a run, else 128"
    )
    truncate: bool = flag(False, "cut longer sources (and training targets) instead of refusing")
    label_smoothing: float = fraction(0.1, "probability taken from the right token in the loss")
    epochs: float = flag(10.0, "passes over the training pairs", above=0, maximum=10**6)
    metric: str = flag(
        "bleu",
        "what chooses the model: bleu, chrf, rouge_l, exact_match (by decoding) or loss",
        choices=METRICS,
    )
    decode_every: int = flag(1, "epochs between validations by decoding", minimum=1)
    decode_rows: int = amount(200, "validation pairs that are decoded", minimum=1)
    beam: int = amount(4, "beams in evaluation and prediction; 1: greedy", maximum=1000)
    length_penalty: float = flag(0.6, "beam search: 0 favours short answers")

    def check(self, pretrained):
        """Raise for settings that make no sense together."""
        super().check(pretrained)
        if self.copy and not self.shared:
            raise ValueError(
                "copy=True says words of the source in the target, and so needs one vocabulary "
                "for both: leave shared=True, or set copy=False."
            )
        if pretrained is not None and pretrained.config["task"] != self.task:
            raise ValueError(
                f"expected a run of an encoder-decoder to go on from, {pretrained.path} is one "
                f"for {pretrained.config['task']}: leave pretrained out."
            )

    @classmethod
    def check_examples(cls, dataset):
        """Raise unless both sides of every pair hold text."""
        from kerasllm.models.seq2seq.preprocessor import check_pairs

        check_pairs(dataset)

    def _usual(self, examples, pretrained):  # noqa: ARG002
        """Fill what neither the call nor a run says."""
        return dataclasses.replace(self, length=self.length or LENGTH)

    def make_preprocessor(self, examples, pretrained):
        """Return the preprocessor; vocabularies are learned on the training pairs, or the run's."""
        from kerasllm.models.seq2seq.preprocessor import Seq2SeqPreprocessor, train_tokenizers

        if pretrained is None:
            tokenizers = train_tokenizers(examples.train, self)
        else:
            reader = pretrained.model.preprocessor
            tokenizers = reader.tokenizer, reader.target_tokenizer
        return Seq2SeqPreprocessor(
            *tokenizers, self.length, self.truncate, self.beam, self.length_penalty
        )

    def make_task(self, preprocessor, pretrained):
        """Return the model, with the weights of the run to go on from if there is one."""
        from kerasllm.models.seq2seq.seq2seq import ARCHITECTURES as KINDS

        if pretrained is not None:
            before = pretrained.model
            config = dataclasses.replace(before.settings, dropout=self.dropout)
            task = type(before)(config, preprocessor=preprocessor)
            if self.method != "scratch":
                task.set_weights(before.get_weights())
            return task
        kind = KINDS[self.architecture]
        known = {field.name for field in dataclasses.fields(kind.backbone_class.config_class)}
        chosen = dataclasses.asdict(self)
        own = known - {"vocabulary_size", "target_vocabulary_size", "max_length"}
        given = {name: chosen[name] for name in own if chosen.get(name) is not None}
        if not self.shared:
            given["target_vocabulary_size"] = preprocessor.target_tokenizer.vocabulary_size
        if "max_length" in known:
            given["max_length"] = -(-(self.length + 1) // 32) * 32  # as decoding rounds lengths
        return kind.from_size(self.size, preprocessor=preprocessor, **given)

    def make_loss(self, task):  # noqa: ARG002
        """Return the cross-entropy with the settings' label smoothing."""
        from kerasllm.models import TokenCrossEntropy

        return TokenCrossEntropy(self.label_smoothing)

    def validation(self, task, examples, batches, steps):
        """Return the loss, and every `decode_every` epochs and at the end the metric."""
        from kerasllm.metrics.generation import generation_metrics
        from kerasllm.models.seq2seq.scoring import pair_nats, references_of, write_answers

        held = examples.validation
        ids = task.preprocessor.ids(held)
        some = held.take(min(self.decode_rows, len(held)))

        def validate(step):
            nats, tokens = pair_nats(task, *ids)
            row = {"loss": float(nats.sum() / tokens.sum())}
            epoch = -(-step // batches.steps_per_epoch)
            due = epoch % self.decode_every == 0 or step >= steps
            if self.metric != "loss" and due:
                answers = write_answers(task, some.texts, beam=1)
                row |= generation_metrics(references_of(some), answers, [self.metric])
            return row

        return validate

    def compared(self, examples):
        """Return as many validation pairs as are decoded anyway."""
        rows = super().compared(examples)
        return rows and rows.take(min(self.decode_rows, len(rows)))

    def facts(self, task, examples, batches):  # noqa: ARG002
        """Return the fingerprint of the target's tokenizer."""
        return {"target_tokenizer": task.preprocessor.target_tokenizer.fingerprint}

    def told(self, task, examples, batches):  # noqa: ARG002
        """Return the sizes of the vocabularies and of the model."""
        reader = task.preprocessor
        both = dict.fromkeys((reader.tokenizer, reader.target_tokenizer))
        sizes = " and ".join(f"{tokenizer.vocabulary_size:,}" for tokenizer in both)
        unknown = unknown_told(*self.unknown_shares(task, examples))
        return [f"{sizes} tokens in the vocabulary, {task.count_params():,} weights", *unknown]

    def figures(self, task, examples):
        """Return what the model looks at in the first validation pair."""
        from kerasllm import plots
        from kerasllm.models.seq2seq.scoring import attention_of

        def attention():
            sources, targets = task.preprocessor.ids(examples.validation[:1])
            looked = attention_of(task, sources[0], targets[0][1:])
            return plots.attention_map(looked.target, looked.weights, looked.source)

        return {"attention": attention}
