"""Run folders with untrained models, made in no time; and models in float64."""

import dataclasses

import keras
import pytest

from kerasllm.models import (
    CausalLM,
    ContrastiveLM,
    MaskedLM,
    RecurrentBackbone,
    RecurrentConfig,
    TextClassifier,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.text import train_tokenizer
from kerasllm.training.run_folder.run import Run
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.settings.pretraining import PretrainSettings
from kerasllm.verify.comparison.backend import in_precision

TEXTS = [
    "The cat sat on the mat.",
    "这部电影真的很好看，我很喜欢。",
    "A bird sang in the old tree.",
]
LABELS = ["computing", "cooking", "finance", "health", "sport", "travel"]


def _recurrent(size, **options):
    return RecurrentBackbone(RecurrentConfig(size, hidden_dim=5, units=7, **options))


def _transformer(size, **options):
    return TransformerBackbone(
        TransformerConfig(size, hidden_dim=6, num_layers=1, num_heads=2, max_length=29, **options)
    )


TASKS = {
    "lstm": lambda v: CausalLM(_recurrent(v)),
    "gru": lambda v: CausalLM(_recurrent(v, cell="gru", num_layers=2)),
    "gpt": lambda v: CausalLM(_transformer(v)),
    "bert": lambda v: MaskedLM(_transformer(v, causal=False)),
    "both": lambda v: MaskedLM(_recurrent(v, bidirectional=True)),
    "contrast": lambda v: ContrastiveLM(_recurrent(v)),
    "classifier": lambda v: TextClassifier(_recurrent(v), len(LABELS)),
}


@pytest.fixture
def float64():
    """Build every model of a test in float64."""
    with in_precision("float64"):
        yield


@pytest.fixture(scope="session")
def make_run(tmp_path_factory):
    """Return a function from a name in `TASKS` to a run folder, not to be changed."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = _make(tmp_path_factory.mktemp("runs") / name, name)
        return made[name]

    return make


def _make(path, name):
    keras.utils.set_random_seed(7)
    tokenizer = train_tokenizer(TEXTS, kind="character")
    model = TASKS[name](tokenizer.vocabulary_size)
    finetuned = name == "classifier"
    objective = {"bert": "masked", "both": "masked", "contrast": "contrastive"}.get(name, "causal")
    settings = PretrainSettings(length=16, objective=objective)
    if finetuned:
        settings = ClassificationSettings(length=13, clean=False)
    run = Run.create(path)
    config = {
        "task": "classification" if finetuned else "language_model",
        "settings": {**dataclasses.asdict(settings), "beta_2": 0.99, "clip": 1.0},
        "data": {"name": "topic_en", "source": "topic_en"},
        "tokenizer": tokenizer.fingerprint,
        **({"labels": LABELS} if finetuned else {}),
    }
    run.begin(config, tokenizer)
    run.save(model, tokenizer)
    return run
