"""The tokenizer and the backbone of a training from scratch, which a pretrained run comes with."""

import dataclasses
from dataclasses import dataclass

from kerasllm.training.settings.base import amount, flag

SIZES = ("tiny", "small", "base")
CELLS = ("lstm", "gru", "simple")
POSITIONS = ("learned", "sinusoidal", "rotary")
TOKENIZERS = ("bpe", "wordpiece", "word", "character")
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
        "bpe", "from scratch: bpe, wordpiece, word or character", choices=TOKENIZERS
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

        if self.backbone == "recurrent":
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
