"""A model that chats: how likely answers are to it, what it answers, and how it is kept."""

import keras
import numpy as np
import pytest

from kerasllm.models import CausalLM, ChatLM
from kerasllm.models.chat import scoring
from kerasllm.models.language.losses import TokenCrossEntropy

EOS = 3
numpy = keras.ops.convert_to_numpy


@pytest.fixture(params=["llama", "lstm-untied"])
def model(request, make_lm, reader):
    plain = make_lm(request.param)
    model = ChatLM(plain.backbone, preprocessor=reader)
    model.set_weights(plain.get_weights())
    return model


def nats_by_hand(model, ids, targets):
    """Return -ln p of the counted targets of one conversation."""
    logits = numpy(model(np.array([ids])))[0].astype("float64")
    log_p = logits - np.log(np.exp(logits - logits.max()).sum(-1, keepdims=True)) - logits.max()
    return np.array([-log_p[t, y] for t, y in enumerate(targets) if y])


def test_scores_are_those_of_the_answers_alone(model, reader, talks, monkeypatch):
    monkeypatch.setattr(scoring, "compiled", lambda function, _model: function)
    monkeypatch.setattr(scoring, "TOKENS_AT_ONCE", 64)  # two batches
    lessons = [reader.lesson(example) for example in talks]
    by_hand = [nats_by_hand(model, lesson.ids, lesson.targets) for lesson in lessons]
    for found, expected in zip(scoring.answer_nats(model, lessons), by_hand, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    mean = np.concatenate(by_hand).mean()
    scores = model.scores(talks)
    assert scores["loss"] == pytest.approx(mean, abs=1e-5)
    assert scores["perplexity"] == pytest.approx(np.exp(mean), rel=1e-5)
    assert mean == pytest.approx(
        float(TokenCrossEntropy()(reader(talks)[1], model(reader(talks)[0]))), abs=1e-5
    )


@pytest.mark.usefixtures("uncompiled")
def test_an_evaluation_writes_the_last_answers(model, reader, talks, monkeypatch):
    said = {"ape": "bee cat", "dog elk gnu": "gnu  ", "bee ape cat": "elk dog"}
    asked = []

    def decoded(_task, prompts, most):
        words = [reader.tokenizer.decode(ids) for ids in prompts]
        asked.append((words, most))
        return [(next(a for q, a in said.items() if text.endswith(q)), True) for text in words]

    monkeypatch.setattr(scoring, "_decoded", decoded)
    written = scoring.write_answers(model, talks[:3], shown=[talks[3]])
    # The example, then the conversation up to its last answer; "elk dog fox" has 3 tokens.
    assert asked == [(["cat cat cat cat dog ape", "cat cat cat cat dog dog elk gnu",
                       "cat cat cat cat dog fox ape bee ape cat"], 3 + 8)]  # fmt: skip
    assert written.references == ["bee cat", "gnu", "elk dog fox"]
    # Two of three are right but for white space; ROUGE-L of 2 of 3 words: 2·1·⅔ / (1+⅔) = 0.8.
    assert written.scores["exact_match"] == pytest.approx(200 / 3)
    assert written.scores["rouge_l"] == pytest.approx(100 * (1 + 1 + 0.8) / 3)
    some = scoring.write_answers(model, talks[:3], most=2)
    assert len(some.answers) == 2
    assert some.told[0].startswith("2 of 3 conversations were answered, drawn by a seed")


def test_the_nearest_question_is_a_baseline_of_what_is_written(talks):
    written = scoring.Written(["ape hen", "gnu"], ["bee cat", "rat"], ["", ""], [])
    # "ape hen" is nearest to "ape" and gets its answer, "gnu" that to "gnu".
    assert scoring._nearest(talks, written)["exact_match"] == 50


@pytest.mark.usefixtures("uncompiled")
def test_an_evaluation_says_what_was_cut(model, reader, talks, monkeypatch):
    monkeypatch.setattr(scoring, "compiled", lambda function, _model: function)
    whole = model.evaluation(talks, talks)
    assert whole["rows"] == 3 + 2 + 2 + 4 + 2 + 3 and whole["notes"] == []
    low, high = whole["interval"]["loss"]
    assert low < whole["model"]["loss"] < high
    assert whole["baselines"]["kneser_ney"]["tokens"] == whole["rows"]
    model.preprocessor = reader.shortened(4)
    (note,) = model.evaluation(talks)["notes"]
    assert note == (
        "5 of 5 conversations are longer than 4 tokens: their ends are cut, and with them 10 of 16 "
        "tokens of answers; of 2 no answer is left"
    )
    model.preprocessor = reader


@pytest.mark.usefixtures("uncompiled")
def test_answers_are_what_the_model_writes_after_the_question(model, reader, talks):
    asked = ["ape", [*talks[2].messages, {"role": "user", "content": "gnu"}]]
    found = model.answers(asked, max_new_tokens=3)
    for messages, row in zip(asked, found, strict=True):
        ids = reader.prompt_of(messages)
        begin = len(ids)
        for _ in range(3):
            logits = numpy(model(np.array([ids])))[0, -1]
            logits[[i for i in reader.tokenizer.special_ids if i != EOS]] = -np.inf
            ids.append(int(logits.argmax()))
            if ids[-1] == EOS:
                break
        ended = ids[-1] == EOS
        new = ids[begin : len(ids) - ended]
        assert row["answer"] == reader.tokenizer.decode(new)
        assert row["warning"] == (None if ended else "the answer is cut after 3 tokens")
    assert [row["text"] for row in found] == ["ape", "gnu"]


@pytest.mark.usefixtures("uncompiled")
def test_what_does_not_fit_is_left_out_and_said(make_lm, reader, talks):
    model = ChatLM(make_lm("llama", max_length=32).backbone, preprocessor=reader)
    asked = [*talks[2].messages, {"role": "user", "content": "gnu"}]
    (row,) = model.answers([asked])
    assert "the oldest 2 messages did not fit and were left out" in row["warning"]
    (row,) = model.predict([" "])
    assert "there is nothing to answer" in row["warning"]
    talk = [{"role": "user", "content": "ape"}]
    assert model.answers("ape") == model.answers(talk) == model.answers([talk])


def test_it_is_kept_with_its_reader(model, talks, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is ChatLM and isinstance(again, CausalLM)
    assert again.preprocessor.template == model.preprocessor.template
    ids, _ = model.preprocessor(talks)
    np.testing.assert_array_equal(numpy(again(ids)), numpy(model(ids)))


def test_it_learns_raw_conversations(model, talks):
    model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
    before = model.evaluate(talks, verbose=0)
    model.fit(list(talks), epochs=6, verbose=0)
    assert model.evaluate([example.messages for example in talks], verbose=0) < before - 0.3
    assert model.review(talks) is None
