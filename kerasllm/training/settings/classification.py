"""The settings of `finetune`."""

from dataclasses import dataclass

from kerasllm.training.settings.base import OptimizerSettings, flag


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
