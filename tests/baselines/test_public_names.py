"""The public names: one shape for all baselines, and nothing heavy behind an import."""

import dataclasses
import subprocess
import sys

import pytest

from kerasllm import baselines, metrics
from kerasllm.baselines import BASELINES, Baseline
from kerasllm.datasets.examples import Dataset, Labelled, Pair, Span, Tagged

EXAMPLES = {
    "classification": [Labelled("win a prize", "spam"), Labelled("see you", "ham")],
    "multilabel": [Labelled("oil ship", "oil|ship"), Labelled("gold", "")],
    "tagging": [Tagged(("in", "Rome"), ("O", "B-P")), Tagged(("is", "it"), ("O", "O"))],
    "span": [Span("Ada came.", "Who came?", (("Ada", 0),)), Span("Bo left.", "Who left?", ())],
    "seq2seq": [Pair("ein Hund", "a dog"), Pair("zwei", "two")],
}
OTHER_ANSWERS = {
    "classification": {"label": "ham"},
    "multilabel": {"label": "ship"},
    "tagging": {"tags": ("O", "O")},
    "span": {"answers": ()},
    "seq2seq": {"target": "?"},
}


def dataset(task, examples):
    task, info = (
        (task, {}) if task != "multilabel" else ("classification", {"label_separator": "|"})
    )
    return Dataset(examples, name="own", split="train", task=task, info=info)


@pytest.mark.parametrize("package", [metrics, baselines])
def test_every_public_name_exists_and_says_what_it_is(package):
    for name in package.__all__:
        assert getattr(package, name).__doc__, name
    assert sorted(set(package.__all__)) == sorted(package.__all__)


@pytest.mark.parametrize("package", ["metrics", "baselines"])
def test_importing_loads_nothing_heavy(package):
    code = f"import sys, kerasllm.{package}; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"keras", "tensorflow", "jax", "torch", "scipy", "sklearn", "sacrebleu", "rouge_score"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize(
    ("task", "name"), [(t, n) for t, found in BASELINES.items() for n in found if t in EXAMPLES]
)
def test_all_have_one_shape_and_see_no_test_answer(task, name):
    train = dataset(task, EXAMPLES[task] * 3)
    found = BASELINES[task][name](train, train)
    assert isinstance(found, Baseline) and found.name == name
    assert len(found.predicted) == len(train)
    assert all(isinstance(score, float | int | list | dict) for score in found.metrics.values())
    hidden = [dataclasses.replace(example, **OTHER_ANSWERS[task]) for example in train]
    again = BASELINES[task][name](train, dataset(task, hidden))
    assert list(map(str, again.predicted)) == list(map(str, found.predicted))
