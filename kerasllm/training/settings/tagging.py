"""The settings of `train_tagger`."""

from dataclasses import dataclass

from kerasllm.training.settings.base import OptimizerSettings, flag


@dataclass(frozen=True)
class TaggerSettings(OptimizerSettings):
    """Settings of `train_tagger`; None stands for what suits the model."""

    learning_rate: float | None = flag(
        None, "highest learning rate; None: 2e-3 from scratch, 1e-4 from a pretrained run"
    )
    epochs: float | None = flag(None, "passes over the sentences; None: 15 from scratch, else 3")
    head: str = flag("crf", "crf (the best row of tags) or softmax (the best tag of each word)")
    scheme: str = flag("bioes", "how the model writes entities: bio or bioes")
    constrained: bool = flag(True, "crf: forbid rows of tags that break the scheme")
    units: int | None = flag(
        None, "units of a BiLSTM over the words; None: 128 from scratch, else 0"
    )
    characters: bool | None = flag(
        None,
        "features from spelling; None: yes, but for Chinese and where a run sees capitals",
    )
    filters: int = flag(50, "features from spelling")
    word_dim: int = flag(100, "from scratch: width of the word embeddings")
    word_dropout: float = flag(
        0.5, "from scratch: a word seen n times is read as unknown with probability d / (d + n)"
    )
    lowercase: bool = flag(True, "from scratch: look words up in lower case")
    digits: bool = flag(True, "from scratch: look words up with each digit as 0")
    dropout: float | None = flag(
        None, "dropout on the features of words; None: 0.5 from scratch, else 0.1"
    )
    head_rate: float = flag(
        10.0, "pretrained: the rate of the new layers is that of the backbone times this"
    )
    length: int | None = flag(
        None,
        "tokens read at once; longer sentences are read in parts; None: 256, or a run's limit",
    )
    word_length: int = flag(20, "characters read of a word; of longer ones both ends")
    word_splitter: str = flag("treebank", "how typed sentences are split into words")
    patience: int = flag(0, "stop after so many epochs without progress; 0: never")
    keep_best: bool = flag(True, "keep the weights of the best epoch on the validation sentences")
