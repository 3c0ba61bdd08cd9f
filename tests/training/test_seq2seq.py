"""Sequence to sequence from text to scores, on a language of seven words."""

import json

import numpy as np
import pytest

from kerasllm.datasets.examples import Dataset, Pair
from kerasllm.models import RecurrentSeq2Seq, TransformerSeq2Seq
from kerasllm.models.decoding import steps as decoding_steps
from kerasllm.models.decoding.compiled import compiled
from kerasllm.models.seq2seq.preprocessor import run_tokenizers
from kerasllm.training import load_run
from kerasllm.training.seq2seq import evaluate_seq2seq, make_model, predict_seq2seq, train_seq2seq
from kerasllm.training.seq2seq_answers import pair_nats, write_answers
from kerasllm.training.settings.seq2seq import Seq2SeqSettings

WORDS = ["red", "blue", "green", "one", "two", "three", "four"]
OPTIONS = {
    "preset": "tiny", "tokenizer": "word", "word_splitter": "space", "quiet": True, "dropout": 0.0,
    "batch_size": 32, "learning_rate": 0.01, "length": 8, "metric": "exact_match",
    "label_smoothing": 0.0, "beam": 2,
}  # fmt: skip


def reversals(count, split, seed=0):
    """Return pairs of some words and the same words backwards, in upper case."""
    rng = np.random.default_rng([seed, len(split)])
    rows = []
    for _ in range(count):
        words = [WORDS[i] for i in rng.integers(0, 7, rng.integers(1, 4))]
        rows.append(Pair(" ".join(words), " ".join(words[::-1]).upper()))
    return Dataset(rows, name="reversals", split=split, task="seq2seq")


DATA = reversals(320, "train"), reversals(40, "validation")
TEST = reversals(60, "test")


@pytest.fixture(scope="module", autouse=True)
def no_xla():
    """Compile decoding loops without XLA, which takes seconds each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding_steps, "compiled", lambda f, model: compiled(f, model, jit=False))
        yield


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory):
    """Return the run of a recurrent model that learned to reverse."""
    folder = tmp_path_factory.mktemp("recurrent")
    return train_seq2seq(
        DATA, folder, shared=False, epochs=8, decode_every=4, decode_rows=16, **OPTIONS
    )


@pytest.fixture(scope="module")
def copying(tmp_path_factory):
    """Return the run of a Transformer that copies, trained a little."""
    return train_seq2seq(
        DATA, tmp_path_factory.mktemp("copying"), architecture="transformer", copy=True,
        min_frequency=1, epochs=2, **OPTIONS | {"metric": "loss", "beam": 1},
    )  # fmt: skip


def test_a_run_folder_holds_all_that_later_commands_need(recurrent):
    run = load_run(recurrent.path)
    assert isinstance(run.model, RecurrentSeq2Seq)
    assert run.config["kind"] == "seq2seq" and run.settings["cell"] is None
    assert {p.name for p in run.path.iterdir()} >= {
        "config.json", "tokenizer.json", "target_tokenizer.json", "model.keras", "history.csv",
        "metrics.json", "figures", "checkpoint",
    }  # fmt: skip
    assert {p.name for p in (run.path / "figures").iterdir()} == {
        "learning_curves.png", "attention.png"
    }  # fmt: skip
    assert run.model.settings.vocabulary_size == 6 + 7


def test_validation_decodes_on_schedule_and_chooses(recurrent):
    header, *rows = (recurrent.path / "history.csv").read_text().splitlines()
    column = header.split(",").index("val_exact_match")
    decoded = [row.split(",")[column] != "" for row in rows]
    assert decoded == [False, False, False, True] * 2
    best = json.loads((recurrent.path / "metrics.json").read_text())["val_exact_match"]
    assert best == max(float(row.split(",")[column]) for row in rows[3::4])


def test_it_learned_and_says_so(recurrent):
    result = evaluate_seq2seq(load_run(recurrent.path), TEST)
    assert result["rows"] == 60 and result["data"] == "reversals"
    assert result["model"]["exact_match"] > 60
    assert result["model"]["loss"] < 0.5
    low, high = result["interval"]["exact_match"]
    assert low <= result["model"]["exact_match"] <= high
    assert {"bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "perplexity"} <= set(result["model"])
    json.dumps(result)


def test_answers_are_texts_with_warnings(recurrent):
    found = predict_seq2seq(recurrent, ["red two", "", "zebra lion", " ".join(WORDS * 2)])
    assert [row["text"] for row in found] == ["red two", "", "zebra lion", " ".join(WORDS * 2)]
    assert found[0] == {"text": "red two", "answer": "TWO RED", "warning": None}
    assert found[1]["answer"] == "" and "the text is empty" in found[1]["warning"]
    assert "every token is unknown" in found[2]["warning"]
    assert found[3]["warning"] == "only the first 8 of 15 tokens were read"
    assert predict_seq2seq(recurrent, "red two") == found[:1]


@pytest.mark.parametrize("kind", ["recurrent", "copying"])
def test_what_it_looked_at_is_returned(kind, request):
    run = request.getfixturevalue(kind)
    for text in ("red two", "three blue one"):
        (row,) = predict_seq2seq(run, text, attention=True)
        source, target, weights = row["attention"]
        assert source == [*text.split(), "<eos>"]
        # Each row is that of the model for the beginning of the answer alone.
        tokenizers = run_tokenizers(run)
        ids = [
            [t.token_to_id(word) for word in words]
            for t, words in zip(tokenizers, (source, target), strict=True)
        ]
        for t in range(len(target)):
            begun = [[tokenizers[1].bos_id, *ids[1][:t]]]
            alone = np.asarray(run.model.attention([ids[0]], begun))[0, t]
            np.testing.assert_allclose(weights[t], alone, atol=1e-6)
        assert weights.shape == (len(target), len(source))
        assert np.allclose(weights.sum(axis=1), 1)


def test_baselines_stand_beside_the_network(recurrent, tmp_path):
    path = tmp_path / "pairs.jsonl"
    lines = [json.dumps({"source": p.source, "target": p.target}) for p in DATA[0]]
    path.write_text("\n".join(lines))
    result = evaluate_seq2seq(recurrent, str(path), split="test")
    assert set(result["baselines"]) == {"nearest", "lead"}
    assert result["baselines"]["lead"]["exact_match"] < result["model"]["exact_match"]


def test_one_vocabulary_has_one_file_and_the_loss_chooses_without_decoding(copying):
    run = load_run(copying.path)
    assert isinstance(run.model, TransformerSeq2Seq) and run.model.settings.copy
    assert not (run.path / "target_tokenizer.json").exists()
    assert "val_exact_match" not in (run.path / "history.csv").read_text()
    assert run.model.settings.max_length == 32


def test_an_unknown_word_is_copied_into_its_place(copying, monkeypatch):
    from kerasllm.training import seq2seq_answers

    run = copying
    unknown = run.tokenizer.unk_id
    red = run.tokenizer.token_to_id("red")
    monkeypatch.setattr(
        seq2seq_answers, "decode_ids", lambda *a, **k: [[unknown, red, 3], [red, 3]]
    )
    texts = ["one Zanzibar two", "Zanzibar"]
    tokenizers = (run.tokenizer, run.tokenizer)
    found = write_answers(run.model, tokenizers, texts, Seq2SeqSettings(**run.settings))
    assert found == ["Zanzibar red", "red"]


def test_the_loss_is_that_of_the_model_pair_by_pair(copying, rng):
    model = copying.model
    sources = [rng.integers(6, 20, n).tolist() for n in (3, 6, 1)]
    targets = [[2, *rng.integers(6, 20, n).tolist(), 3] for n in (2, 5, 4)]
    nats, tokens = pair_nats(model, sources, targets, batch_size=2)
    assert tokens.tolist() == [3, 6, 5]
    for row in range(3):
        source, target = np.array([sources[row]]), np.array([targets[row]])
        log_p = np.asarray(model({"source": source, "target": target[:, :-1]}))[0]
        expected = -log_p[np.arange(tokens[row]), target[0, 1:]].sum()  # with copying: ln p
        assert nats[row] == pytest.approx(expected, rel=1e-4)


def test_going_on_from_an_earlier_run(recurrent, copy_of, tmp_path):
    settings = Seq2SeqSettings(**recurrent.settings | {"dropout": 0.3})
    model = make_model(settings, run_tokenizers(recurrent), recurrent)
    assert model is not recurrent.model and model.settings.dropout == 0.3
    for a, b in zip(model.get_weights(), recurrent.model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    other = copy_of(recurrent)
    other.write_json("config.json", {**other.config, "kind": "finetune"})
    with pytest.raises(ValueError, match="expected a run of `train seq2seq` to go on from"):
        train_seq2seq(DATA, tmp_path / "never", pretrained=other, **OPTIONS)


def test_a_foreign_target_tokenizer_is_refused(recurrent, copy_of):
    run = copy_of(recurrent)
    other = (run.path / "tokenizer.json").read_text()
    (run.path / "target_tokenizer.json").write_text(other)
    with pytest.raises(ValueError, match="not the tokenizer that the model was trained with"):
        predict_seq2seq(run, ["red"])


def test_bad_data_is_explained_before_anything_is_written(tmp_path):
    broken = Dataset([Pair("a", "")], name="own", split="train", task="seq2seq")
    with pytest.raises(ValueError, match="row 0 of own/train has an empty target"):
        train_seq2seq((broken, broken), tmp_path / "run", **OPTIONS)
    with pytest.raises(ValueError, match="has a source of 4 tokens, the model reads 3"):
        train_seq2seq(DATA, tmp_path / "run", **OPTIONS | {"length": 3})
    with pytest.raises(TypeError, match="Did you mean 'architecture'"):
        train_seq2seq(DATA, tmp_path / "run", archtecture="transformer")
    assert not (tmp_path / "run").exists()
