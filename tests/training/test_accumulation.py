"""Batches in parts: refused where they cannot be, and the same numbers after a kill."""

import dataclasses

import pytest

from kerasllm.training import train
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.settings.pretraining import PretrainSettings
from kerasllm.training.settings.task import Examples


def test_more_parts_than_texts_are_refused():
    settings = resolve(ClassificationSettings, batch_size=4, accumulate=5)
    with pytest.raises(ValueError, match="accumulate=5 and batch_size=4: lower --accumulate"):
        settings.check(None)
    dataclasses.replace(settings, accumulate=4).check(None)
    with pytest.raises(ValueError, match="accumulate must be 1 or more"):
        resolve(ClassificationSettings, accumulate=0)


def test_a_contrast_cannot_be_computed_in_parts():
    settings = PretrainSettings(objective="contrastive", accumulate=2)
    with pytest.raises(ValueError, match=r"compares all texts .* leave --accumulate out"):
        settings.suited(Examples(None, None, "", "", ""), None, None)


@pytest.mark.usefixtures("eager")
def test_killed_in_the_middle_and_resumed_it_ends_with_the_same_numbers(
    animals, bases, tmp_path, tiny
):
    data, options = tiny.training_of("tagging", None, "scratch", animals, bases)
    options |= {"accumulate": 3, "batch_size": 7}
    with tiny.copied_at_every_replace(tmp_path / "whole", tmp_path) as copies:
        expected = tiny.found_in(train(data, tmp_path / "whole", **options))
    between = [copy for copy in copies if "last.npz" in copy.name][2]
    resumed = train(data, between, resume=True, **options)
    assert not tiny.differences(tiny.found_in(resumed), expected)
