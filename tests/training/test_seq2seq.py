"""Sequence to sequence from text to scores, on a language of seven words."""

import json

import numpy as np
import pytest

from kerasllm.datasets.examples import Dataset, Labelled, Pair
from kerasllm.models import RecurrentSeq2Seq, TransformerSeq2Seq
from kerasllm.models.decoding import steps as decoding_steps
from kerasllm.models.decoding.compiled import compiled
from kerasllm.models.seq2seq import scoring
from kerasllm.models.seq2seq.scoring import pair_nats, write_answers
from kerasllm.training import Seq2SeqSettings, evaluate, load_run, predict, train
from kerasllm.training.engine.progress import Progress

WORDS = ["red", "blue", "green", "one", "two", "three", "four"]
OPTIONS = {
    "size": "tiny", "tokenizer": "word", "word_splitter": "space", "quiet": True, "dropout": 0.0,
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
    return train(DATA, folder, shared=False, epochs=8, decode_every=4, decode_rows=16, **OPTIONS)


@pytest.fixture(scope="module")
def copying(tmp_path_factory):
    """Return the run of a Transformer that copies, trained a little."""
    return train(
        DATA, tmp_path_factory.mktemp("copying"), architecture="transformer", copy=True,
        min_frequency=1, epochs=2, **OPTIONS | {"metric": "loss", "beam": 1},
    )  # fmt: skip


def test_a_run_folder_holds_all_that_later_commands_need(recurrent):
    run = load_run(recurrent.path)
    assert isinstance(run.model, RecurrentSeq2Seq)
    assert run.config["task"] == "seq2seq" and run.settings["cell"] is None
    assert {p.name for p in run.path.iterdir()} >= {
        "config.json", "tokenizer.json", "model.keras", "history.csv", "metrics.json", "figures",
        "checkpoint",
    }  # fmt: skip
    reader = run.model.preprocessor  # the target's tokenizer is in the model
    assert reader.tokenizer == run.tokenizer != reader.target_tokenizer
    assert run.config["target_tokenizer"] == reader.target_tokenizer.fingerprint
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
    result = evaluate(load_run(recurrent.path), TEST, trained_rows="score", quiet=True)
    assert result["rows"] == 60 and result["data"] == "reversals"
    assert result["model"]["exact_match"] > 60
    assert result["model"]["loss"] < 0.5
    low, high = result["interval"]["exact_match"]
    assert low <= result["model"]["exact_match"] <= high
    assert {"bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "perplexity"} <= set(result["model"])
    json.dumps(result)


def test_several_references_of_a_row_are_one_row(recurrent):
    several = Dataset(
        [Pair(pair.source, "none of these", (pair.target,)) for pair in TEST],
        name="several", split="test", task="seq2seq",
    )  # fmt: skip
    one, found = (
        evaluate(recurrent, data, trained_rows="score", quiet=True) for data in (TEST, several)
    )
    assert found["rows"] == 60 and found["signatures"]["bleu"].startswith("nrefs:2|")
    assert found["model"]["exact_match"] == one["model"]["exact_match"]
    assert found["interval"]["exact_match"] == one["interval"]["exact_match"]
    assert found["model"]["loss"] > one["model"]["loss"] + 1  # each reference is asked for


def test_the_table_shows_the_scores_of_what_is_written(recurrent, capfd):
    evaluate(recurrent, TEST, trained_rows="score", with_baselines=False)
    shown = capfd.readouterr().out
    assert "bleu" in shown and "exact match" in shown and "60 rows" in shown


def test_answers_are_texts_with_warnings(recurrent):
    found = predict(recurrent, ["red two", "", "zebra lion", " ".join(WORDS * 2)])
    assert [row["text"] for row in found] == ["red two", "", "zebra lion", " ".join(WORDS * 2)]
    assert found[0] == {"text": "red two", "answer": "TWO RED", "warning": None}
    assert found[1]["answer"] == "" and "the text is empty" in found[1]["warning"]
    assert "every token is unknown" in found[2]["warning"]
    assert found[3]["warning"] == "only the first 8 of 15 tokens were read"
    assert predict(recurrent, "red two") == found[:1]


@pytest.mark.parametrize("kind", ["recurrent", "copying"])
def test_what_it_looked_at_is_returned(kind, request):
    run = request.getfixturevalue(kind)
    for text in ("red two", "three blue one"):
        (row,) = predict(run, text, attention=True)
        source, target, weights = row["attention"]
        assert source == [*text.split(), "<eos>"]
        # Each row is that of the model for the beginning of the answer alone.
        tokenizers = run.tokenizer, run.model.preprocessor.target_tokenizer
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
    result = evaluate(recurrent, str(path), trained_rows="score", split="test", quiet=True)
    assert set(result["baselines"]) == {"nearest", "lead", "copy"}
    assert result["baselines"]["lead"]["exact_match"] < result["model"]["exact_match"]


def test_one_vocabulary_is_kept_once_and_the_loss_chooses_without_decoding(copying):
    run = load_run(copying.path)
    assert isinstance(run.model, TransformerSeq2Seq) and run.model.settings.copy
    assert run.model.preprocessor.get_config()["target_tokenizer"] is None
    assert run.model.preprocessor.target_tokenizer == run.tokenizer
    assert not (run.path / "target_tokenizer.json").exists()
    assert "val_exact_match" not in (run.path / "history.csv").read_text()
    assert run.model.settings.max_length == 32


def test_an_unknown_word_is_copied_into_its_place(copying, monkeypatch):
    run = copying
    unknown = run.tokenizer.unk_id
    red = run.tokenizer.token_to_id("red")
    monkeypatch.setattr(scoring, "decode_ids", lambda *a, **k: [[unknown, red, 3], [red, 3]])
    found = write_answers(run.model, ["one Zanzibar two", "Zanzibar"])
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
    settings, examples = Seq2SeqSettings(dropout=0.3), Seq2SeqSettings.examples(*DATA)
    settings = settings.suited(examples, recurrent, Progress(quiet=True))
    reader = settings.make_preprocessor(examples, recurrent)
    assert reader.target_tokenizer == recurrent.model.preprocessor.target_tokenizer
    model = settings.make_task(reader, recurrent)
    assert model is not recurrent.model and model.settings.dropout == 0.3
    for a, b in zip(model.get_weights(), recurrent.model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    other = copy_of(recurrent)
    other.write_json("config.json", {**other.config, "task": "classification"})
    with pytest.raises(ValueError, match=r"expected a run of an encoder-decoder .*classification"):
        train(DATA, tmp_path / "never", pretrained=other, quiet=True)


def test_no_other_task_can_begin_from_it(recurrent, tmp_path):
    rows = [Labelled("red two", "a"), Labelled("blue", "b")] * 4
    texts = Dataset(rows, name="own", split="train", task="classification")
    with pytest.raises(ValueError, match="holds a RecurrentSeq2Seq, which has no backbone that"):
        train((texts, texts), tmp_path / "never", pretrained=recurrent, quiet=True)
    assert not (tmp_path / "never").exists()


def test_a_run_of_before_has_its_target_tokenizer_in_a_file_and_no_foreign_one(recurrent, copy_of):
    run, expected = copy_of(recurrent), predict(recurrent, ["red two"])
    model = run.model
    model.preprocessor.target_tokenizer.save(run.path / "target_tokenizer.json")
    model.preprocessor = None
    model.save(run.path / "model.keras")
    config = run.read_json("config.json")
    run.write_json("config.json", {k: v for k, v in config.items() if k not in ("run", "files")})
    assert predict(load_run(run.path), ["red two"]) == expected
    run.tokenizer.save(run.path / "target_tokenizer.json")
    with pytest.raises(ValueError, match="not the tokenizer that the model was trained with"):
        predict(load_run(run.path), ["red"])


def test_bad_data_is_explained_before_anything_is_written(tmp_path):
    broken = Dataset([Pair("a", "")], name="own", split="train", task="seq2seq")
    with pytest.raises(ValueError, match="row 0 of own/train has an empty target"):
        train((broken, broken), tmp_path / "run", **OPTIONS)
    with pytest.raises(ValueError, match="has a source of 4 tokens, the model reads 3"):
        train(DATA, tmp_path / "run", **OPTIONS | {"length": 3})
    with pytest.raises(TypeError, match="Did you mean 'architecture'"):
        train(DATA, tmp_path / "run", archtecture="transformer")
    assert not (tmp_path / "run").exists()
