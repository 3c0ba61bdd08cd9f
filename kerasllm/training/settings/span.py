"""The settings of `train_span`."""

from dataclasses import dataclass

from kerasllm.training.settings.base import OptimizerSettings, flag

METHODS = ("scratch", "frozen", "full")


@dataclass(frozen=True)
class SpanSettings(OptimizerSettings):
    """Settings of `train_span`."""

    learning_rate: float = flag(1e-4, "highest learning rate, reached after the warm-up")
    epochs: float = flag(2.0, "passes over the questions")
    method: str = flag("full", "scratch (new weights), frozen (the head learns alone) or full")
    length: int | None = flag(
        None, "tokens of a window, the question included; None: as in pretraining, 256 at most"
    )
    stride: int | None = flag(
        None, "tokens from one window of a long context to the next; None: half of its room"
    )
    max_question: int = flag(64, "tokens of a question that are read")
    max_answer: int = flag(30, "tokens of an answer at most")
    empty_windows: float = flag(1.0, "share of the windows without the answer that are trained on")
    null_threshold: float | None = flag(
        None,
        "an answer needs a score above this; None: 0, and any score where each training question "
        "has an answer",
    )
    dropout: float = flag(0.1, "dropout on the features, before the head")
    validation_rows: int = flag(1000, "questions that are answered after each epoch")
    patience: int = flag(0, "stop after so many epochs without progress; 0: never")
    keep_best: bool = flag(True, "keep the weights of the best epoch on the validation questions")
