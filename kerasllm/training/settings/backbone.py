"""The tokenizer and the backbone of a training from scratch, which a pretrained run comes with."""

import dataclasses
from dataclasses import dataclass

from kerasllm.training.settings.base import amount, flag

SIZES = ("tiny", "small", "base")
CELLS = ("lstm", "gru", "simple")
POSITIONS = ("learned", "sinusoidal", "rotary")
TOKENIZERS = ("bpe", "wordpiece", "word", "character")
DEVIATION = 0.006  # of the first vectors of an embedding: a word seen once adds little noise
SPLITTERS = ("treebank", "tweet", "space", "jieba")


@dataclass(frozen=True)
class BackboneSettings:
    """The tokenizer and the backbone of a training from scratch."""

    backbone: str | None = flag(
        "recurrent", "from scratch: recurrent or transformer", choices=("recurrent", "transformer")
    )
    size: str | None = flag("small", "from scratch: tiny, small or base", choices=SIZES)
    cell: str | None = flag(None, "recurrent cell: lstm, gru or simple", choices=CELLS)
    hidden_dim: int | None = amount(None, "width of embedding and features")
    units: int | None = amount(None, "recurrent units")
    residual: bool | None = flag(None, "recurrent: add each layer's input to its output")
    num_layers: int | None = amount(None, "layers", maximum=1000)
    num_heads: int | None = amount(None, "attention heads")
    positions: str | None = flag(
        None, "Transformer positions: learned, sinusoidal or rotary", choices=POSITIONS
    )
    tokenizer: str | None = flag(
        None,
        "from scratch: bpe, wordpiece, word or character; None: character for Chinese, else bpe",
        choices=TOKENIZERS,
    )
    word_splitter: str | None = flag(
        "treebank", "word tokenizer: treebank, tweet, space or jieba", choices=SPLITTERS
    )
    vocabulary_size: int | None = flag(8000, "tokens in the vocabulary at most", above=6)
    min_frequency: int | None = flag(
        None,
        "a token comes so often in the training text at least; None: twice, characters once",
        above=0,
    )
    lowercase: bool | None = flag(False, "lower-case the text")

    def suited(self, examples, pretrained, report):
        """Return the settings with what is None filled; from scratch with a tokenizer too."""
        settings = self if pretrained else self._with_tokenizer(examples, report)
        return super(BackboneSettings, settings).suited(examples, pretrained, report)

    def _with_tokenizer(self, examples, report):
        """Return the settings with the tokenizer that suits the language of the texts."""
        if self.tokenizer is not None:
            return self
        chinese = examples.language == "zh"
        if chinese:
            report.say("  tokenizer character: Chinese has no spaces between words")
        return dataclasses.replace(self, tokenizer="character" if chinese else "bpe")

    def width(self, pretrained=None):
        """Return how wide the layers are: units of recurrent ones, features of a Transformer's."""
        if pretrained is not None:
            own = pretrained.backbone.settings
            return getattr(own, "units", None) or own.hidden_dim
        from kerasllm.models.presets import BACKBONES

        name = "units" if self.backbone == "recurrent" else "hidden_dim"
        usual = BACKBONES[self.backbone].config_class.of_size(self.size, vocabulary_size=7)
        return getattr(self, name) or getattr(usual, name)

    def make_tokenizer(self, texts):
        """Train the tokenizer that the settings describe."""
        from kerasllm.text import train_tokenizer

        usual = 1 if self.tokenizer == "character" else 2
        return train_tokenizer(
            texts,
            kind=self.tokenizer,
            vocabulary_size=self.vocabulary_size,
            lowercase=self.lowercase,
            word_splitter=self.word_splitter,
            min_frequency=self.min_frequency or usual,
        )

    def make_backbone(self, vocabulary_size, causal, dropout=None):
        """Return the untrained backbone that the settings describe."""
        from kerasllm.models.presets import make_backbone

        if self.backbone == "embedding":
            names, own = ("hidden_dim", "pairs"), {"deviation": DEVIATION}
        elif self.backbone == "recurrent":
            names = ("cell", "units", "residual", "hidden_dim", "num_layers")
            own = {}
        else:
            names = ("num_heads", "positions", "hidden_dim", "num_layers")
            own = {"max_length": max(getattr(self, "length", None) or 512, 16)}
        given = {name: getattr(self, name) for name in names}
        return make_backbone(
            self.backbone, self.size, vocabulary_size, causal, dropout=dropout, **given, **own
        )


BackboneSettings.brought = frozenset(
    {f.name for f in dataclasses.fields(BackboneSettings)} | {"backbone_dropout"}
)
