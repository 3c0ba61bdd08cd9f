"""Tiny data of every shape, all in the same few words, and tiny runs to begin from."""

import contextlib
import csv
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from kerasllm.datasets import Conversation, Dataset, Labelled, Pair, Span, Tagged, Text

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


def _chat(colour, animal):
    question = f"is the {colour} {animal} here ?"
    return Conversation((("user", question), ("assistant", f"the {animal} is {colour}")))


MADE = {
    "chat": _chat,
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


def all_examples():
    """Return {task: (training, validation) data sets}."""
    return {
        task: (examples(task, 23, "train", 1), examples(task, 11, "validation", 2)) for task in MADE
    }


@pytest.fixture(scope="session")
def animals():
    """Return {task: (training, validation) data sets}."""
    return all_examples()


@pytest.fixture(scope="module")
def eager():
    """Train without tracing and pictures, which would take longer than the few steps."""
    with eager_training():
        yield


@contextlib.contextmanager
def eager_training():
    """Train without tracing and pictures while the block runs."""
    import keras

    from kerasllm.training import trainer
    from kerasllm.training.engine import stages
    from kerasllm.training.engine.compilation import compile_model

    def compiled(model, *args):
        compile_model(model, *args)
        model.run_eagerly = True

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as cache:
        if keras.backend.backend() == "jax":  # without compiling it takes longer
            _compile_once(cache)
        else:
            patch.setattr(stages, "compile_model", compiled)
        patch.setattr(trainer, "_draw", lambda *_: None)
        yield


def _compile_once(cache):
    """Let JAX keep what it compiles: each model resumed is the same computation again."""
    import jax

    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


WORDS = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "batch_size": 7}
ENCODER = {**WORDS, "backbone": "transformer", "objective": "masked", "hidden_dim": 8,
           "num_layers": 1, "num_heads": 2, "length": 29, "steps": 2, "dropout": 0.0}  # fmt: skip
LSTM = {**WORDS, "hidden_dim": 7, "units": 7, "num_layers": 1, "length": 17, "steps": 2}
SEQ2SEQ = {**WORDS, "hidden_dim": 8, "num_layers": 1, "length": 13, "epochs": 0.5,
           "metric": "loss", "dropout": 0.0}  # fmt: skip


@pytest.fixture(scope="session")
def bases(animals, shared):
    """Return a function of a name that gives a run to begin from; not to be changed."""
    return bases_in(shared, animals)


def bases_in(shared, animals):
    """Return a function of a name that gives a run in a folder, made when first asked for."""
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


# Kill points: a run folder as a process leaves it that is killed at a replace of a file -------

EPOCHS = {"chat": 2, "classification": 2, "tagging": 2, "span": 2, "seq2seq": 2}
OPTIONS = {"batch_size": 23, "learning_rate": 0.02, "dropout": 0.3, "quiet": True, "xla": False}
SMALL = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "hidden_dim": 8}
FROM_SCRATCH = {
    "chat": {**SMALL, "num_heads": 2, "num_layers": 1, "length": 29},
    "classification": {**SMALL, "units": 7, "word_dropout": 0.2},
    "tagging": {"units": 5, "word_dim": 7, "filters": 3},
    "span": {**SMALL, "num_heads": 2, "length": 29},
    "seq2seq": {**SMALL, "num_heads": 2, "num_layers": 1, "architecture": "transformer"},
    "language_model": {**SMALL, "units": 7, "length": 11},
}
OWN = {
    "span": {"max_answer": 5},
    "seq2seq": {"length": 13, "metric": "loss"},
    "language_model": {"steps": 2, "eval_every": 1},
}


def training_of(task, base, method, animals, bases):
    """Return (data, options) of a small training of one shape by one method, with dropout."""
    data = animals[task][0] if task == "language_model" else animals[task]
    options = {**OPTIONS, **OWN.get(task, {}), "method": method}
    options |= {"epochs": EPOCHS[task]} if task in EPOCHS else {}
    options |= {"lora_rank": 2} if method == "lora" else {}
    options |= {"pretrained": bases(base)} if base else FROM_SCRATCH[task]
    return data, options


@contextlib.contextmanager
def copied_at_every_replace(folder, to):
    """Copy a folder whenever a file is about to be put in its place; give the list of copies."""
    copies, replace = [], os.replace

    def copying(part, path):
        if Path(path).is_relative_to(folder):
            copies.append(to / f"{len(copies):03}_before_{Path(path).name}")
            shutil.copytree(folder, copies[-1])
        replace(part, path)

    os.replace = copying
    try:
        yield copies
    finally:
        os.replace = replace


def found_in(run):
    """Return all that a training decides, of a run: weights, history, how far weights moved."""
    with open(run.path / "history.csv", newline="") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    facts = {"history": rows, "moved": run.read_json("moved.json"), "scores": run.metrics}
    return run.model.get_weights(), facts


def differences(found, expected):
    """Return the names of what is not the same, to the last bit."""
    pairs = zip(found[0], expected[0], strict=True)
    wrong = [] if all(np.array_equal(a, b) for a, b in pairs) else ["weights"]
    return wrong + [name for name in expected[1] if found[1][name] != expected[1][name]]


@pytest.fixture(scope="session")
def tiny():
    """Return this module: tests are imported by path, and cannot import it by name."""
    return sys.modules[__name__]
