"""The settings of `pretrain`."""

from dataclasses import dataclass

from kerasllm.training.settings.base import OptimizerSettings, flag


@dataclass(frozen=True)
class PretrainSettings(OptimizerSettings):
    """Settings of `pretrain`."""

    objective: str = flag("causal", "causal (next token), masked (hidden tokens), contrastive")
    backbone: str = flag("recurrent", "recurrent or transformer")
    preset: str = flag("small", "size of the backbone: tiny, small or base")
    cell: str | None = flag(None, "recurrent cell: lstm, gru or simple")
    hidden_dim: int | None = flag(None, "width of embedding and features")
    units: int | None = flag(None, "recurrent units")
    residual: bool | None = flag(None, "recurrent: add each layer's input to its output")
    num_layers: int | None = flag(None, "layers")
    num_heads: int | None = flag(None, "attention heads")
    positions: str | None = flag(None, "Transformer positions: learned, sinusoidal or rotary")
    dropout: float | None = flag(None, "dropout in the backbone")
    output_dropout: float = flag(0.0, "dropout between the backbone and the scores of the tokens")
    tokenizer: str = flag("bpe", "bpe, wordpiece, word or character")
    word_splitter: str = flag("treebank", "word tokenizer: treebank, tweet, space or jieba")
    vocabulary_size: int = flag(8000, "tokens in the vocabulary at most")
    min_frequency: int | None = flag(
        None, "a token comes so often in the training text at least; None: twice, characters once"
    )
    lowercase: bool = flag(False, "lower-case the text")
    clean: bool = flag(False, "clean the text first: NFKC, control characters, HTML, white space")
    length: int = flag(128, "tokens of context in training")
    whole_word: bool = flag(False, "masked objective: hide whole words")
    mask_share: float = flag(0.15, "masked objective: share of tokens hidden")
    pooling: str = flag("mean", "contrastive objective: how features become one vector")
    layer: int = flag(-1, "contrastive objective: features pooled: 0 embeddings, -1 the top")
    contrast_batch: int = flag(256, "contrastive objective: texts told apart in a step")
    contrast_weight: float = flag(1.0, "contrastive objective: weight of the contrast in the loss")
    temperature: float = flag(0.2, "contrastive objective: temperature of the softmax")
    steps: int = flag(1000, "training steps")
    eval_every: int = flag(0, "steps between validations; 0: a tenth of the steps")
    patience: int = flag(0, "stop after so many validations without progress; 0: never")
