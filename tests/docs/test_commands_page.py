"""The page of the command line has every verb and what each flag says."""

import pytest

pytest.importorskip("sphinx")
from docs.site import commands


def section(name):
    page = commands.page()
    return page.split(f"\n## {name}\n")[1].split("\n## ")[0]


def test_every_verb_has_a_section_with_its_flags():
    predict = section("kerasllm predict")
    assert "```text\nkerasllm predict runs/finetuned" in predict
    assert "| `TEXTS` |  | texts; standard input if none |" in predict
    assert "| `--steps` | `1000` | training steps |" in section("kerasllm pretrain")
    assert "Describe a data set" in section("kerasllm data show")


def test_a_verb_whose_flags_follow_from_the_data_leads_to_the_settings():
    train = section("kerasllm train")
    assert "<kerasllm.training.TaggingSettings>`" in train and "\b" not in train
    assert "    The" not in train
    assert "Settings" not in section("kerasllm recipe")
