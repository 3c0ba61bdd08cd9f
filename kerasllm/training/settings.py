"""The settings of each command: one frozen dataclass each, whose fields are the command's flags."""

import dataclasses
import math
import typing
from dataclasses import dataclass, field

_ABOVE_0 = {
    "steps", "batch_size", "length", "epochs", "learning_rate", "vocabulary_size",
    "mask_share", "discriminative", "contrast_batch", "temperature", "min_frequency",
    "max_question", "max_answer", "stride", "validation_rows",
}  # fmt: skip
_SHARES = {
    "warmup", "final_rate", "mask_share", "beta_2", "dropout", "output_dropout", "word_dropout",
    "held_out", "empty_windows",
}  # fmt: skip

_ANY_SIGN = {"layer", "null_threshold"}


def flag(default, text):
    """Return a dataclass field with the help text that the command line shows."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class OptimizerSettings:
    """How weights are updated, in every training command."""

    learning_rate: float = flag(1e-3, "highest learning rate, reached after the warm-up")
    warmup: float = flag(0.05, "share of the steps in which the rate rises from 0")
    final_rate: float = flag(0.1, "share of the highest rate that cosine decay ends at")
    weight_decay: float = flag(0.01, "decoupled weight decay (AdamW)")
    clip: float = flag(1.0, "largest global norm of the gradients; 0 switches clipping off")
    beta_2: float = flag(0.99, "Adam's decay of the second moment")
    batch_size: int = flag(32, "texts a step")
    seed: int = flag(0, "seed of every random draw")
    mixed_precision: bool = flag(False, "compute in 16 bits where that is safe (GPU)")
    xla: bool | None = flag(None, "compile with XLA (TensorFlow); None: where lengths are fixed")
    tensorboard: bool = flag(
        False, "write TensorBoard logs into the run folder (extra `tensorboard`)"
    )


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


@dataclass(frozen=True)
class FinetuneSettings(OptimizerSettings):
    """Settings of `finetune`."""

    method: str = flag(
        "full",
        "scratch, frozen (the head learns from features computed once), full, gradual or lora",
    )
    pooling: str | None = flag(
        None, "mean, max, last, first or attention; inherited from pretraining, else mean"
    )
    layer: int | None = flag(None, "features pooled: 0 embeddings, -1 the top; inherited")
    dropout: float = flag(0.1, "dropout on the pooled features")
    word_dropout: float = flag(0.0, "share of the tokens that are hidden (<unk>) in training")
    held_out: float = flag(
        0.0, "share of the training texts that validates in place of the validation split"
    )
    head_epochs: float = flag(0.0, "epochs with the backbone frozen, before the method begins")
    lora_rank: int = flag(8, "lora: rank of the corrections")
    lora_targets: str = flag("*kernel", "lora: names of the weights corrected, by commas")
    discriminative: float = flag(1.0, "divide the rate by this for each group of layers below")
    epochs: float = flag(3.0, "passes over the training texts")
    length: int | None = flag(None, "longest text in tokens; inherited from pretraining")
    long_texts: str = flag("truncate", "longer texts: truncate, or windows (predictions pooled)")
    clean: bool | None = flag(None, "clean the text first; inherited from pretraining")
    patience: int = flag(0, "stop after so many epochs without progress; 0: never")
    keep_best: bool = flag(True, "keep the weights of the best validation")


def resolve(kind, settings=None, **overrides):
    """Return settings of `kind` with overrides applied; unknown names raise with a suggestion."""
    from kerasllm.text.errors import nearest  # loads NumPy, which `kerasllm --help` can do without

    known = {f.name for f in dataclasses.fields(kind)}
    for name in overrides:
        if name not in known:
            raise TypeError(
                f"expected a setting among {sorted(known)}, received {name!r}."
                + nearest(name, known)
            )
    resolved = dataclasses.replace(settings or kind(), **overrides)
    for entry in dataclasses.fields(kind):
        _check(entry, getattr(resolved, entry.name))
    return resolved


def _check(entry, value):
    """Raise unless the value is of the field's type and in its range."""
    kinds = typing.get_args(entry.type) or (entry.type,)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type(value) not in kinds and not (float in kinds and number):
        names = " or ".join(kind.__name__ for kind in kinds).replace("NoneType", "None")
        raise TypeError(f"{entry.name} must be {names}, received {value!r}.")
    if number and not (math.isfinite(value) and (value >= 0 or entry.name in _ANY_SIGN)):
        raise ValueError(f"{entry.name} must be 0 or more, received {value!r}.")
    if entry.name in _ABOVE_0 and value == 0:
        raise ValueError(f"{entry.name} must be above 0, received {value!r}.")
    if entry.name in _SHARES and number and value > 1:
        raise ValueError(f"{entry.name} is a share, from 0 to 1, received {value!r}.")


def check_choice(name, value, choices):
    """Raise with the choices and the nearest one unless `value` is among them."""
    if value not in choices:
        from kerasllm.text.errors import nearest

        raise ValueError(
            f"expected {name} to be one of {sorted(choices)}, received {value!r}."
            + nearest(value, choices)
        )
