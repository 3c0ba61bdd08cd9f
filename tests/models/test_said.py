"""What is said beside an answer or a score: unknown tokens, the task's own score first."""

import numpy as np
import pytest

from kerasllm.datasets import Dataset, Text
from kerasllm.datasets.sources import Source
from kerasllm.models.decoding import steps as decoding_steps
from kerasllm.models.seq2seq import scoring as seq2seq_scoring
from kerasllm.training.evaluation import table_of

OWN = {"classifier": "accuracy", "tagger": "f1", "crf": "f1", "span": "f1", "recurrent": "bleu",
       "transformer": "bleu", "causal": "loss", "masked": "loss"}  # fmt: skip


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Run loops and scores without tracing, which would take longer than what they do."""
    for module in (decoding_steps, seq2seq_scoring):
        monkeypatch.setattr(module, "compiled", lambda function, _model, **_: function)
    monkeypatch.setattr("kerasllm.models.language.scoring.compiled", lambda function, _: function)


def scored(small):
    """Return the evaluation of a small task on its own examples, baselines beside it."""
    task, text = small.eagerly(), small.kind in ("causal", "masked")
    if text:
        source = Source("small", small.x, small.x)
        return task.evaluation(source, source)
    data = task.preprocessor.dataset(small.x, small.y)
    return task.evaluation(data, data)


def test_the_own_score_comes_first_for_the_network_and_every_baseline(small):
    found, task = scored(small), small.task
    result = {"data": "small", "split": "test", **found, "rows": 7}
    table = table_of(result, task.shown, task.counted)
    own = OWN[small.kind]
    assert table.columns[:2] == ("model", own) and task.shown[0] == own
    assert table.rows[0][0] == "network"
    assert len(table.rows) == 1 + len(found["baselines"])
    assert all(row[1] != "-" for row in table.rows)
    assert found["baselines"] or small.kind == "masked"
    counted = "tokens" if small.kind in ("causal", "masked") else "rows"
    assert f"7 {counted}" in table.title
    assert ("unknown" in found["model"]) == (small.kind not in ("classifier", "tagger", "crf",
                                                                "span"))  # fmt: skip


def test_an_unknown_word_is_named_beside_the_answer(small):
    reader = small.task.preprocessor
    x = ("who zebra", "ape bee") if small.kind == "span" else "ape zebra bee"
    if small.kind in ("tagger", "crf"):
        warning = reader.warning(x.split())
        assert warning.startswith("1 of 3 words is unknown to the tokenizer ('zebra')")
    elif small.kind == "span":
        warning = reader.warning(*x)
        assert warning == (
            "question: every token is unknown to the tokenizer: the answer says nothing about this "
            "text"
        )
    else:
        warning = reader.warning(x)
        assert warning.startswith("1 of 3 tokens is unknown to the tokenizer ('zebra')")
    given = (x, "bee") if small.kind in ("recurrent", "transformer") else x
    assert warning in small.task.reading(given).note
    known = x if small.kind != "span" else ("ape", "ape bee")
    known = known if small.kind == "span" else "ape bee"
    told = reader.warning(known.split()) if small.kind in ("tagger", "crf") else (
        reader.warning(*known) if small.kind == "span" else reader.warning(known))  # fmt: skip
    assert told is None


def test_the_share_of_unknown_tokens_of_a_data_set(small):
    reader = small.task.preprocessor
    if small.kind in ("causal", "masked"):
        data = Dataset(map(Text, ["ape zebra", "bee cat"]), name="x", split="all",
                       task="language_model")  # fmt: skip
        assert reader.unknown_share(data) == 0.25
        return
    assert reader.unknown_share(reader.dataset(small.x, small.y)) == 0


def test_a_trace_reads_what_predict_reads(small, monkeypatch):
    """Text enters a model by its preprocessor alone."""
    task, seen = small.eagerly(), {}
    model = task.decoder if small.kind in ("tagger", "crf") else task
    x = [small.x[0]]
    if small.kind in ("tagger", "crf"):
        x = [" ".join(x[0])]
    if small.kind in ("recurrent", "transformer"):
        inputs = task.reading((x[0], "bee")).inputs["source"]
        assert inputs[0].tolist() == task.preprocessor.source_ids(x)[0]
        return
    if small.kind in ("causal", "masked"):
        ids = task.reading(x[0]).ids
        assert task.preprocessor.rows(x)[0][0][: len(ids)] == ids.tolist()
        return
    whole = model.predict_on_batch
    monkeypatch.setattr(model, "predict_on_batch", lambda b: seen.update(batch=b) or whole(b))
    task.answers(x)
    read, fed = task.reading(x[0]).inputs, seen["batch"]
    for name in read if isinstance(read, dict) else ("ids",):
        a, b = (read[name], fed[name]) if isinstance(read, dict) else (read, fed)
        real = np.pad(a, [(0, n - m) for n, m in zip(b.shape, a.shape, strict=True)],
                      constant_values=-1 if name == "positions" else 0)  # fmt: skip
        assert np.array_equal(real, b)


def test_a_trace_of_a_chinese_sentence_has_its_characters(make_small):
    small = make_small("tagger", by_character=True)
    reader = small.task.preprocessor
    assert small.task.reading("高勇 男").streams[1].tokens == list(reader.words("高勇 男"))
    assert list(reader.words("高勇 男")) == ["高", "勇", "男"]
