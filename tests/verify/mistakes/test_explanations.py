"""What a known mistake is called by, in English and in Chinese."""

import re

import pytest

from kerasllm.verify.mistakes.catalogue import MISTAKES
from kerasllm.verify.mistakes.mistake import _in_chinese


def test_every_mistake_has_its_sentence_and_no_sentence_is_left_over():
    assert [*_in_chinese()] and set(_in_chinese()) == {mistake.name for mistake in MISTAKES}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_sentence_is_a_chinese_clause(mistake):
    assert re.search("[\u4e00-\u9fff]{2}", mistake.chinese)
    assert not mistake.chinese.endswith(("。", "."))
    assert not re.search("[\u4e00-\u9fff][,;:]", mistake.chinese)  # signs of half width


def test_an_english_explanation_goes_on_in_small_letters_but_for_a_symbol():
    explained = {mistake.name: mistake.explanation for mistake in MISTAKES}
    assert explained["crf_partition_step_by_step"].startswith("Z is taken")
    assert explained["lstm_mask_silences_the_input"].startswith("a masked step")


def test_explanations_that_are_one_in_english_are_one_in_chinese():
    by_english = {}
    for mistake in MISTAKES:
        by_english.setdefault(mistake.explanation, set()).add(mistake.chinese)
    assert all(len(chinese) == 1 for chinese in by_english.values())
