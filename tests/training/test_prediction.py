"""Answers on raw text: labels of a classifier, scores and continuations of a language model."""

import numpy as np
import pytest

from kerasllm.models.language.scoring import token_nats
from kerasllm.training import generate, predict, pretrain


def test_answers_have_a_label_and_probabilities_that_add_up(classifier):
    rows = predict(classifier, ["the recipe of the day", "my team won"])
    assert [row["text"] for row in rows] == ["the recipe of the day", "my team won"]
    for row in rows:
        p = row["probabilities"]
        assert sorted(p) == classifier.config["labels"] and sum(p.values()) == pytest.approx(1)
        assert p[row["label"]] == max(p.values()) and row["warning"] is None


def test_one_text_is_a_list_of_one_and_none_gives_none(classifier):
    assert len(predict(classifier.path, "the recipe")) == 1
    assert predict(classifier, []) == []


def test_the_answer_does_not_depend_on_the_company(classifier):
    texts = ["the recipe of the day", "my " * 30, "a"]
    alone = [predict(classifier, text)[0]["probabilities"] for text in texts]
    for row, expected in zip(predict(classifier, texts), alone, strict=True):
        assert row["probabilities"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("the " * 32, None),
        ("the " * 33, "only the first 32 of 33 tokens were read"),
        ("", "the text is empty"),
        ("龘 靐", "every token is unknown"),
        (
            "the 龘",
            "1 of 2 tokens is unknown to the tokenizer ('龘'): the answer rests on the others",
        ),
        ("龘 the " * 20, "20 of 40 tokens are unknown"),
    ],
)
def test_warnings(classifier, text, warning):
    (row,) = predict(classifier, [text])
    assert (row["warning"] or "").startswith(warning or "") and bool(row["warning"]) == bool(
        warning
    )


def test_a_language_model_says_how_likely_a_text_is(pretrained):
    rows = predict(pretrained, ["the recipe of the day", "", "龘 靐"])
    ids = pretrained.tokenizer.encode("the recipe of the day", eos=True)
    loss = token_nats(pretrained.model, ids, 32).mean()
    assert rows[0]["loss"] == pytest.approx(loss) and rows[0]["warning"] is None
    assert rows[0]["perplexity"] == pytest.approx(np.exp(loss))
    assert rows[1]["loss"] is None and "the text is empty" in rows[1]["warning"]
    assert "every token is unknown" in rows[2]["warning"]


def test_only_an_encoder_decoder_looks_at_a_source(pretrained, classifier):
    for run, name in ((pretrained, "CausalLM"), (classifier, "TextClassifier")):
        with pytest.raises(ValueError, match=f"holds a {name}, and only an encoder-decoder looks"):
            predict(run, "a text", attention=True)


def test_a_continuation_begins_with_the_prompt(pretrained):
    text = generate(pretrained, "the recipe", max_new_tokens=7, seed=3)
    assert text.startswith("the recipe") and len(text) > len("the recipe")
    assert text == generate(pretrained, "the recipe", max_new_tokens=7, seed=3)
    assert text != generate(pretrained, "the recipe", max_new_tokens=7, seed=4)


def test_words_are_joined_to_the_prompt_by_a_space(pretrained):
    text = generate(pretrained, "the", max_new_tokens=5, temperature=0)
    assert text == "the" or not text[3].isalpha()


def test_several_prompts_give_several_texts(pretrained):
    texts = generate(pretrained, ["the", "my old"], max_new_tokens=3)
    assert [t.split()[0] for t in texts] == ["the", "my"]


def test_a_classifier_cannot_continue_a_text(classifier):
    with pytest.raises(ValueError, match="holds a TextClassifier, which cannot continue a text"):
        generate(classifier, "the")


def test_a_masked_model_cannot_continue_a_text(tmp_path):
    options = {
        "size": "tiny", "units": 5, "hidden_dim": 5, "length": 16, "batch_size": 4, "steps": 1,
        "tokenizer": "character", "xla": False, "quiet": True, "objective": "masked",
    }  # fmt: skip
    run = pretrain("sentiment_zh", tmp_path / "run", **options)
    with pytest.raises(ValueError, match="holds a MaskedLM, which cannot continue a text"):
        generate(run, "好")
