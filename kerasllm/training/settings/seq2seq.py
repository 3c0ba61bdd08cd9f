"""The settings of `train_seq2seq`, whose fields are the command's flags."""

from dataclasses import dataclass

from kerasllm.training.settings.base import OptimizerSettings, flag, resolve
from kerasllm.utils.errors import check_choice

ARCHITECTURES = ("recurrent", "transformer")
METRICS = ("bleu", "chrf", "rouge_l", "exact_match", "loss")


@dataclass(frozen=True)
class Seq2SeqSettings(OptimizerSettings):
    """Settings of `train_seq2seq`."""

    architecture: str = flag("recurrent", "recurrent or transformer")
    preset: str = flag("small", "size of the model: tiny, small or base")
    cell: str | None = flag(None, "recurrent cell: lstm or gru")
    attention: str | None = flag(None, "recurrent: bahdanau, dot, general or concat")
    hidden_dim: int | None = flag(None, "width of the embeddings (and of the Transformer)")
    units: int | None = flag(None, "recurrent units")
    num_layers: int | None = flag(None, "layers of the encoder, and of the decoder")
    num_heads: int | None = flag(None, "attention heads")
    inner_dim: int | None = flag(None, "Transformer: width of the feed-forward networks")
    positions: str | None = flag(None, "Transformer: sinusoidal, learned or rotary")
    copy: bool | None = flag(None, "let the decoder copy words of the source")
    tied: bool | None = flag(None, "score tokens by the target's embedding table")
    dropout: float = flag(0.3, "dropout in the model")
    shared: bool = flag(True, "one vocabulary for source and target; False: one each")
    tokenizer: str = flag("bpe", "bpe, wordpiece, word or character")
    word_splitter: str = flag("treebank", "word tokenizer: treebank, tweet, space or jieba")
    vocabulary_size: int = flag(8000, "tokens in a vocabulary at most")
    min_frequency: int | None = flag(
        None, "a token comes so often in the training text at least; None: twice, characters once"
    )
    lowercase: bool = flag(False, "lower-case the text")
    length: int = flag(128, "longest source and target in tokens")
    truncate: bool = flag(False, "cut longer sources (and training targets) instead of refusing")
    label_smoothing: float = flag(0.1, "probability taken from the right token in the loss")
    epochs: float = flag(10.0, "passes over the training pairs")
    metric: str = flag(
        "bleu", "what chooses the model: bleu, chrf, rouge_l, exact_match (by decoding) or loss"
    )
    decode_every: int = flag(1, "epochs between validations by decoding")
    decode_rows: int = flag(200, "validation pairs that are decoded")
    patience: int = flag(0, "stop after so many validations without progress; 0: never")
    beam: int = flag(4, "beams in evaluation and prediction; 1: greedy")
    length_penalty: float = flag(0.6, "beam search: 0 favours short answers")


def resolve_seq2seq(settings=None, **overrides):
    """Return checked settings with overrides applied.

    Raises:
        ValueError: an unknown name, or copying between two vocabularies.
        TypeError: an unknown setting, or one of a wrong type.
    """
    settings = resolve(Seq2SeqSettings, settings, **overrides)
    check_choice("architecture", settings.architecture, ARCHITECTURES)
    check_choice("metric", settings.metric, METRICS)
    for name in ("decode_every", "decode_rows", "beam"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} must be at least 1, received {getattr(settings, name)}.")
    if not 0 <= settings.label_smoothing < 1:
        raise ValueError(
            f"label_smoothing must lie in [0, 1), received {settings.label_smoothing}."
        )
    if settings.copy and not settings.shared:
        raise ValueError(
            "copy=True says words of the source in the target, and so needs one vocabulary for "
            "both: leave shared=True, or set copy=False."
        )
    return settings
