"""Which language is spoken: what was asked for, else the environment, else English."""

import pytest

from kerasllm.utils.languages import chosen_language


def test_the_argument_goes_before_the_environment(monkeypatch):
    monkeypatch.delenv("KERASLLM_LANGUAGE", raising=False)
    assert chosen_language() == "en" and chosen_language("zh") == "zh"
    monkeypatch.setenv("KERASLLM_LANGUAGE", "zh")
    assert chosen_language() == "zh" and chosen_language("en") == "en"
    monkeypatch.setenv("KERASLLM_LANGUAGE", "")
    assert chosen_language() == "en"


def test_another_language_is_refused_with_where_it_was_asked_for(monkeypatch):
    with pytest.raises(ValueError, match=r"expected language to be one of .*, received 'de'"):
        chosen_language("de")
    monkeypatch.setenv("KERASLLM_LANGUAGE", "chinese")
    with pytest.raises(ValueError, match=r"variable KERASLLM_LANGUAGE .*'en', 'zh'.*'chinese'"):
        chosen_language()
