"""What is scored was held out, whatever the data have become since the training."""

import csv
import json

import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.datasets import Dataset, Labelled, Text
from kerasllm.training import evaluate, load_run, pretrain, train
from kerasllm.training.run_folder.rows import MOST, Rows, fair_rows, hashes
from kerasllm.training.settings.classification import ClassificationSettings

CLASSIFIER = {"size": "tiny", "hidden_dim": 5, "units": 5, "epochs": 0.1, "tokenizer": "word",
              "min_frequency": 1, "xla": False, "quiet": True}  # fmt: skip
LANGUAGE = {"size": "tiny", "units": 5, "hidden_dim": 5, "length": 8, "batch_size": 4, "steps": 1,
            "tokenizer": "word", "xla": False, "quiet": True}  # fmt: skip
ROWS = [(f"this is the thing with the number {i}", "odd" if i % 2 else "even") for i in range(60)]
LINES = [f"the number {i} is a line of the file" for i in range(80)]


def write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory, shared):
    """Return (run, path of its data as they were, its splits); the file is restored for each."""
    folder = tmp_path_factory.mktemp("own")
    path = write(folder / "own.csv", ROWS)
    run = train(path, folder / "run", **CLASSIFIER)
    parts = {s: datasets.load(path, split=s) for s in ("train", "validation", "test")}
    return run, path, parts


@pytest.fixture
def scored(own, monkeypatch):
    """Return a function of the rows of the changed file: (result, texts that were scored)."""
    run, path, _ = own
    seen = {}

    def answer(_, test, learned=None):
        seen["test"], seen["train"] = test, learned
        return {"model": {"accuracy": 1.0}, "interval": {}, "baselines": {}}

    monkeypatch.setattr(type(run.model), "evaluation", answer)

    def score(rows=ROWS, data=None, **options):
        write(path, rows)
        return evaluate(run, data, quiet=True, **options), seen["test"], seen["train"]

    yield score
    write(path, ROWS)


def test_the_rows_of_each_split_are_recorded(own):
    run, _, parts = own
    rows = Rows.load(run.path)
    for split, part in parts.items():
        assert rows.same(split, part) and len(getattr(rows, split)) == len(part)


def test_own_data_unchanged_are_scored_by_their_split(own, scored):
    result, test, learned = scored()
    assert list(test) == list(own[2]["test"]) and list(learned) == list(own[2]["train"])
    assert result["notes"] == [] and result["split"] == "test"


def test_rows_added_and_moved_change_nothing_of_what_is_scored(own, scored):
    added = [(f"a new text of the number {i}", "odd") for i in range(50)]
    result, test, learned = scored([*added, *ROWS[::-1]])
    assert set(test) == set(own[2]["test"]) and set(learned) == set(own[2]["train"])
    assert "0 are gone and 0 were edited; 50 rows are new and not scored" in result["notes"][0]


def test_what_was_removed_and_relabelled_is_said(own, scored):
    gone, relabelled, *_ = own[2]["test"]
    rows = [row for row in ROWS if row[0] != gone.text]
    rows = [(t, "even" if t == relabelled.text else y) for t, y in rows]
    edited = int(relabelled.label != "even")
    result, test, _ = scored(rows)
    assert len(test) == len(own[2]["test"]) - 1 and gone not in test
    assert f"1 are gone and {edited} were edited" in result["notes"][0]
    assert {e.text: e.label for e in test}[relabelled.text] == "even"


def test_nothing_left_of_what_was_held_out_is_an_error(own, scored):
    held = {e.text for e in own[2]["test"]}
    with pytest.raises(ValueError, match=r"nothing that was held out is left.*are gone"):
        scored([row for row in ROWS if row[0] not in held])


def test_a_copy_of_the_data_is_refused_unless_told(own, scored, tmp_path):
    copy = write(tmp_path / "copy.csv", ROWS)
    count = f"{len(own[2]['train'])} of the 60 rows of copy were trained on"
    with pytest.raises(ValueError, match=count):
        scored(data=copy)
    result, test, _ = scored(data=copy, trained_rows="drop")
    assert set(test) == {*own[2]["validation"], *own[2]["test"]}
    assert result["notes"] == [f"{count} and are left out"]
    result, test, _ = scored(data=copy, trained_rows="score")
    assert len(test) == 60 and count in result["notes"][0]
    with pytest.raises(ValueError, match="expected trained_rows to be one of"):
        scored(data=copy, trained_rows="keep")


def test_a_file_is_scored_whole_and_beside_with_baselines_of_the_own_rows(own, scored, tmp_path):
    run, _, parts = own
    run.write_json("metrics.json", {"own": 1})
    other = write(
        tmp_path / "other.csv",
        [(f"another text {i}", ("odd", "even")[i % 2]) for i in range(30)],
    )
    result, test, learned = scored(data=str(other))
    assert len(test) == 30 and list(learned) == list(parts["train"])
    assert run.metrics == {"own": 1}
    assert json.loads((run.path / "evaluations" / "other-all.json").read_text()) == result
    _, test, _ = scored(data=str(other), split="test")
    assert len(test) == 2  # a tenth of each label, as asked for


def test_a_part_that_was_held_out_is_scored_though_it_repeats_training_rows(own, scored):
    held = own[2]["validation"]
    assert len(scored(data=held)[1]) == len(held)


def test_few_rows_may_be_there_by_chance():
    some = [Labelled(f"text {i}", "a") for i in range(200)]
    data = Dataset(some, name="new", split="all", task="classification")
    rows = Rows.of(some[:2], ())
    keep, notes = fair_rows(rows, data)
    assert keep.all() and notes == [
        "2 of the 200 rows of new were trained on: of these the scores say nothing"
    ]
    with pytest.raises(ValueError, match="3 of the 200 rows of new were trained on"):
        fair_rows(Rows.of(some[:3], ()), data)


def test_short_lines_may_be_said_twice():
    texts = [Text("Yes."), Text("No.")]
    data = Dataset(texts, name="talk", split="all", task="language_model")
    assert fair_rows(Rows.of(texts, ()), data)[1] == []


def test_too_many_rows_to_record(monkeypatch):
    monkeypatch.setattr("kerasllm.training.run_folder.rows.MOST", 3)
    rows = Rows.of([Text("a")] * 4, [Text("b")])
    assert len(rows.train) == 0 and len(rows.validation) == 1 < MOST


def test_a_damaged_record_is_named(tmp_path):
    Rows.of([Text("a")], [Text("b")]).save(tmp_path)
    assert Rows.load(tmp_path).train.tolist() == hashes([Text("a")]).tolist()
    whole = (tmp_path / "rows.bin").read_bytes()
    for damaged in (whole[:-8], b"", b"\xff" * len(whole)):
        (tmp_path / "rows.bin").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"rows\.bin.* is damaged"):
            Rows.load(tmp_path)


@pytest.fixture(scope="module")
def language(tmp_path_factory, shared):
    """Return (run of a language model, path of its text file)."""
    folder = tmp_path_factory.mktemp("language")
    path = folder / "own.txt"
    path.write_text("\n".join(LINES))
    return pretrain(path, folder / "run", **LANGUAGE), path


def held_out_now(run, monkeypatch, data=None, **options):
    """Return (texts scored, what baselines learn from, result)."""
    seen = {}

    def answer(_, source, learned=None):
        seen["test"], seen["train"] = source.validation, learned
        return {"rows": 1, "model": {"loss": 1.0}, "interval": {}, "baselines": {}}

    monkeypatch.setattr(type(run.model), "evaluation", answer)
    result = evaluate(run, data, quiet=True, **options)
    return seen["test"], seen["train"], result


def test_a_text_file_that_grew_is_scored_on_the_lines_held_out_then(language, monkeypatch):
    run, path = language
    rows = Rows.load(run.path)
    assert len(rows.train) + len(rows.validation) == 80 and 6 <= len(rows.validation) <= 8
    path.write_text("\n".join([*LINES, *(f"a new line of the number {i}" for i in range(99))]))
    (test,), learned, result = held_out_now(run, monkeypatch)
    assert test.split("\n") == LINES[-len(rows.validation) :]
    assert learned.train[0].split("\n") == LINES[: len(rows.train)]
    assert "99 rows are new" in result["notes"][0] and result["split"] == "validation"
    path.write_text("\n".join(LINES[:40]))
    with pytest.raises(ValueError, match="nothing that was held out is left"):
        held_out_now(run, monkeypatch)
    path.write_text("\n".join(LINES))


def test_a_text_file_with_lines_trained_on_is_refused(language, monkeypatch, tmp_path):
    run, _ = language
    other = tmp_path / "other.txt"
    other.write_text("\n".join(["an entirely new line of text", *LINES[:9]]))
    with pytest.raises(ValueError, match=r"9 of the 10 rows of other\.txt were trained on"):
        held_out_now(run, monkeypatch, other)
    kept, learned, _ = held_out_now(run, monkeypatch, other, trained_rows="drop")
    assert kept == ["an entirely new line of text"] and learned.validation is None
    whole, _, _ = held_out_now(run, monkeypatch, str(other), trained_rows="score")
    assert whole == other


def test_texts_of_a_set_are_recorded_by_split(pretrained, monkeypatch):
    rows = Rows.load(pretrained.path)
    for split in ("train", "validation", "test"):
        texts = list(map(Text, datasets.load("topic_en", split=split).texts))
        assert np.array_equal(getattr(rows, split), hashes(texts))
    train = datasets.load("topic_en")
    long = sum(len(text.strip()) >= 20 for text in train.texts)
    with pytest.raises(ValueError, match=f"{long} of the 384 rows of topic_en were trained on"):
        held_out_now(pretrained, monkeypatch, train)


def test_a_run_of_before_is_told_of_changes_it_cannot_know(own, scored):
    run, path, _ = own
    kept = (run.path / "rows.bin").rename(run.path.parent / "rows.bin")
    try:
        assert scored()[0]["notes"] == []
        result, test, _ = scored([*ROWS, ("an added text", "odd")])
        assert "may have been trained on" in result["notes"][0] and len(test)
        assert len(scored(data=write(path.parent / "copy.csv", ROWS))[1]) == 60
    finally:
        kept.rename(run.path / "rows.bin")
    assert Rows.load(load_run(run.path).path) is not None


# A share of the training rows ------------------------------------------------


def test_of_a_training_and_a_test_file_the_share_is_of_all_training_rows(tmp_path, shared):
    write(tmp_path / "train.csv", ROWS)
    write(tmp_path / "test.csv", [(f"another text, {i}", ROWS[i][1]) for i in range(5)])
    run = train(tmp_path, tmp_path / "run", held_out=0.25, seed=3, **CLASSIFIER)
    rows = Rows.load(run.path)
    assert list(map(len, rows)) == [44, 16, 5]  # whole rows of each class
    assert len(np.unique(np.concatenate(rows)[:, 0])) == 65
    for data in (None, tmp_path):
        for split, count in (("validation", 16), ("test", 5)):
            result = evaluate(run, data, split=split, quiet=True, with_baselines=False)
            assert (result["rows"], result.get("notes", [])) == (count, [])


def test_a_file_to_validate_on_is_left_out_for_the_share(tmp_path):
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.csv", ROWS)
    settings = ClassificationSettings(held_out=0.25)
    assert settings.divided(tmp_path) == tmp_path
    for data in ("topic_en", tmp_path / "train.csv", f"{tmp_path}/train.csv?test=test.csv"):
        named = "fractions=0.75,0.25&seed=0" in str(settings.divided(data))
        assert named == ("?" in str(data))
    assert settings.divided(tmp_path / "no") == tmp_path / "no"


def test_the_share_of_one_data_set_is_of_all_its_rows():
    rows = [Labelled(text, label) for text, label in ROWS]
    data = Dataset(rows, name="own", split="all", task="classification")
    parts = ClassificationSettings(held_out=0.25).divided(data)
    assert [len(part) for part in parts] == [44, 16]
    assert ClassificationSettings().divided(data) is data
