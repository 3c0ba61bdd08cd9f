"""Tiny data of every shape, all in the same few words, and tiny runs to begin from."""

import numpy as np
import pytest

from kerasllm.datasets import Dataset, Labelled, Pair, Span, Tagged, Text

COLOURS, ANIMALS = ("red", "blue", "green", "pink", "grey"), ("cat", "dog", "fox", "hen", "owl")


def _labelled(colour, animal):
    return Labelled(f"the {colour} {animal} is here", f"a {animal}")


def _tagged(colour, animal):
    return Tagged(("the", colour, animal, "is", "here"), ("O", "B-COLOUR", "B-ANIMAL", "O", "O"))


def _span(colour, animal):
    context = f"here is the {colour} {animal} that I saw"
    return Span(context, f"is the {animal} here ?", ((colour, context.index(colour)),))


def _pair(colour, animal):
    return Pair(f"the {colour} {animal}", f"{animal} {colour}")


def _text(colour, animal):
    return Text(f"the {colour} {animal} is here . I saw that {animal} , is it {colour} ?")


MADE = {
    "classification": _labelled,
    "tagging": _tagged,
    "span": _span,
    "seq2seq": _pair,
    "language_model": _text,
}


def examples(task, rows, split, seed):
    """Return a data set of so many rows for a task."""
    rng = np.random.default_rng(seed)
    drawn = [(str(rng.choice(COLOURS)), str(rng.choice(ANIMALS))) for _ in range(rows - 5)]
    drawn += zip(COLOURS, ANIMALS, strict=True)  # every word is there
    made = [MADE[task](*words) for words in drawn]
    return Dataset(made, name="animals", split=split, task=task)


@pytest.fixture(scope="session")
def animals():
    """Return {task: (training, validation) data sets}."""
    return {
        task: (examples(task, 23, "train", 1), examples(task, 11, "validation", 2)) for task in MADE
    }


@pytest.fixture(scope="module")
def eager():
    """Train without tracing and pictures, which would take longer than the few steps."""
    from kerasllm.training import trainer
    from kerasllm.training.engine import stages
    from kerasllm.training.engine.compilation import compile_model

    def compiled(model, *args):
        compile_model(model, *args)
        model.run_eagerly = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "compile_model", compiled)
        patch.setattr(trainer, "_draw", lambda *_: None)
        yield


WORDS = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "batch_size": 7}
ENCODER = {**WORDS, "backbone": "transformer", "objective": "masked", "hidden_dim": 8,
           "num_layers": 1, "num_heads": 2, "length": 29, "steps": 2, "dropout": 0.0}  # fmt: skip
LSTM = {**WORDS, "hidden_dim": 7, "units": 7, "num_layers": 1, "length": 17, "steps": 2}
SEQ2SEQ = {**WORDS, "hidden_dim": 8, "num_layers": 1, "length": 13, "epochs": 0.5,
           "metric": "loss", "dropout": 0.0}  # fmt: skip


@pytest.fixture(scope="session")
def bases(animals, shared):
    """Return a function of a name that gives a run to begin from; not to be changed."""
    from kerasllm.training import pretrain, train

    texts, made = [t for pair in animals.values() for part in pair for t in part.texts], {}
    texts += [example.question for example in animals["span"][0]]
    begin = {
        "encoder": lambda to: pretrain(texts, to, quiet=True, xla=False, **ENCODER),
        "lstm": lambda to: pretrain(texts, to, quiet=True, xla=False, **LSTM),
        "contrastive": lambda to: pretrain(
            texts, to, quiet=True, xla=False, objective="contrastive", **LSTM
        ),
        "recurrent": lambda to: train(animals["seq2seq"], to, quiet=True, units=8, **SEQ2SEQ),
        "transformer": lambda to: train(
            animals["seq2seq"], to, quiet=True, architecture="transformer", num_heads=2,
            **SEQ2SEQ,
        ),
    }  # fmt: skip

    def base(name):
        if name not in made:
            made[name] = begin[name](shared / f"base_{name}")
        return made[name]

    return base
