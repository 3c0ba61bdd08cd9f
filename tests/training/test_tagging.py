"""A tagger from text to entities: trained, scored, asked, and stopped by what cannot be."""

from importlib.util import find_spec

import numpy as np
import pytest

from kerasllm.datasets.examples import Dataset, Labelled, Tagged
from kerasllm.models.backbones.embedding import EmbeddingBackbone
from kerasllm.models.tagging.token_tagger import TokenTagger
from kerasllm.training import evaluate, load_run, predict, pretrain, train
from kerasllm.training.settings.tagging import TaggingSettings

SMALL = {"units": 11, "word_dim": 13, "filters": 7, "batch_size": 8, "learning_rate": 0.02}
PLAIN = {**SMALL, "units": 0, "characters": False, "head": "softmax"}  # nothing with a loop
PLACES = ("Rome", "Oslo", "New York", "Kyiv", "Bath")
PEOPLE = ("Anna", "Bo Lee", "Carl", "Dora May Orr")


def tagged(rows, split="train", **options):
    examples = [Tagged(tuple(words), tuple(tags)) for words, tags in rows]
    return Dataset(examples, name="trips", split=split, task="tagging", **options)


def trip(person, place, before="then"):
    words, tags = [before], ["O"]
    for name, kind in ((person, "PER"), (place, "LOC")):
        parts = name.split()
        words += [*parts, "went", "to"] if kind == "PER" else [*parts, "."]
        tags += [f"B-{kind}", *[f"I-{kind}"] * (len(parts) - 1)] + ["O"] * (1 + (kind == "PER"))
    return words, tags


def trips(split="train"):
    return tagged([trip(a, b) for a in PEOPLE for b in PLACES] * 2, split)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """Return a run that has learned the trips; not to be changed."""
    folder = tmp_path_factory.mktemp("tagger") / "run"
    return train((trips(), trips("validation")), folder, quiet=True, epochs=12.0, **SMALL)


def test_the_run_folder_says_everything(tagger):
    config = tagger.config
    assert config["task"] == "tagging" and config["settings"]["scheme"] == "bioes"
    assert config["labels"] == ["B-LOC", "B-PER", "E-LOC", "E-PER", "I-PER", "O", "S-LOC", "S-PER"]
    assert set("RomeAnna") <= set(config["characters"]) and not config["by_character"]
    assert tagger.metrics["val_f1"] == 1.0
    assert {path.name for path in tagger.path.iterdir()} >= {"model.keras", "history.csv"}


def test_loaded_again_it_gives_entities_with_their_places(tagger):
    run = load_run(tagger.path)
    assert type(run.model) is TokenTagger and type(run.backbone) is EmbeddingBackbone
    text = "then  Dora May Orr went to New York."
    (answer,) = predict(run, text)
    assert answer["tokens"] == ["then", "Dora", "May", "Orr", "went", "to", "New", "York", "."]
    assert answer["tags"][1:4] == ["B-PER", "I-PER", "I-PER"] and answer["warning"] is None
    found = [(entity["type"], entity["text"]) for entity in answer["entities"]]
    assert found == [("PER", "Dora May Orr"), ("LOC", "New York")]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in answer["entities"])


def test_order_of_the_sentences_is_kept(tagger):
    texts = ["then Anna went to Rome.", "", "then Bo Lee went to Oslo .", "then Carl went to Bath."]
    together = predict(tagger, texts)
    assert [answer["text"] for answer in together] == texts
    assert together == [answer for text in texts for answer in predict(tagger, [text])]
    assert "nothing to tag" in together[1]["warning"] and together[1]["entities"] == []
    assert predict(tagger, []) == []


def test_scores_have_intervals(tagger):
    result = evaluate(tagger, trips("test"), quiet=True)
    assert result["model"]["f1"] == result["model"]["accuracy"] == 1.0
    assert result["rows"] == 40 and result["interval"]["f1"] == (1.0, 1.0)
    assert result["model"]["types"]["LOC"]["entities"] == 40 and result["baselines"] == {}
    result = evaluate(tagger, tagged([trip("Zoe", "Rome"), trip("Anna", "Lima Sur")]), quiet=True)
    low, high = result["interval"]["f1"]
    assert low <= result["model"]["f1"] <= high


def test_baselines_are_trained_on_the_training_sentences(tagger, tmp_path):
    for split in ("train", "validation", "test"):
        rows = [[*zip(e.tokens, e.tags, strict=True), ("", "")] for e in trips()]
        lines = [f"{word} {tag}\n" for row in rows for word, tag in row]
        (tmp_path / f"{split}.conll").write_text("".join(lines))
    result = evaluate(tagger, tmp_path, quiet=True)
    names = {"frequent", "linear", "crf"} if find_spec("pycrfsuite") else {"frequent", "linear"}
    found = {name: scores["f1"] for name, scores in result["baselines"].items()}
    assert found == dict.fromkeys(names, 1.0)


def test_cut_off_and_resumed_the_weights_are_the_same(tmp_path, monkeypatch):
    data, options = (trips(), trips("validation")), {"epochs": 2.0, "quiet": True, **PLAIN}
    whole = train(data, tmp_path / "whole", **options)

    scores, calls = TokenTagger.scores, []

    def cut(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return scores(*args)

    monkeypatch.setattr(TokenTagger, "scores", cut)
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "cut", **options)
    monkeypatch.undo()
    resumed = train(data, tmp_path / "cut", resume=True, **options)
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="cannot resume"):
        train(data, tmp_path / "cut", resume=True, **{**options, "head": "crf"})


@pytest.fixture(scope="module")
def subword(tmp_path_factory):
    """Return a pretrained masked model of word pieces; not to be changed."""
    texts = [" ".join(example.tokens) for example in trips()] * 2
    options = {"size": "tiny", "num_layers": 1, "hidden_dim": 8, "length": 24, "batch_size": 8}
    options |= {"backbone": "transformer", "objective": "masked", "tokenizer": "wordpiece"}
    folder = tmp_path_factory.mktemp("subword")
    return pretrain(texts, folder, vocabulary_size=60, steps=2, xla=False, quiet=True, **options)


def test_on_a_pretrained_run_words_are_tagged_at_their_first_pieces(subword, tmp_path):
    before = [w.copy() for w in subword.backbone.get_weights()]
    options = {"epochs": 3.0, "learning_rate": 0.01, "head_rate": 2.0, "quiet": True}
    run = train((trips(), trips("validation")), tmp_path / "run", pretrained=subword, **options)
    assert (
        run.settings["units"] == 0 and run.settings["length"] == 24 and not run.config["characters"]
    )
    assert run.config["pretrained"] == str(subword.path)
    for a, b in zip(before, subword.backbone.get_weights(), strict=True):
        assert np.array_equal(a, b)
    optimizer = run.model.optimizer
    assert set(optimizer.factors.values()) == {2.0}
    assert {path.split("/")[0] for path in optimizer.factors} == {"tags", "crf"}
    (answer,) = predict(run, ["then Dora May Orr went to New York ."])
    assert len(answer["tags"]) == len(answer["tokens"]) == 9
    (row,) = run.model.preprocessor.rows([answer["tokens"]])
    assert len(row.ids) > 9 and len(row.positions) == 9
    long = predict(run, ["then Anna went to Rome . " * 6])[0]
    assert "read in" in long["warning"] and len(long["tags"]) == 36


def test_chinese_is_tagged_character_by_character(tmp_path):
    rows = [("高勇，男，中国籍", ["B-NAME", "E-NAME", "O", "O", "O", "B-CONT", "I-CONT", "E-CONT"])]
    data = tagged(rows * 8, language="zh"), tagged(rows, "validation", language="zh")
    options = {**PLAIN, "epochs": 1.0, "characters": None, "quiet": True}
    run = train(data, tmp_path / "run", **options)
    assert run.config["by_character"] and run.config["characters"] == ""
    (answer,) = predict(run, ["高勇 男"])
    assert answer["tokens"] == ["高", "勇", "男"]


def test_tags_that_mark_no_entities_are_scored_by_accuracy(tmp_path):
    rows = [(["the", "cat", "sat"], ["DT", "NN", "VB"]), (["a", "dog"], ["DT", "NN"])] * 8
    data, options = (tagged(rows), tagged(rows, "validation")), {"epochs": 12.0, **PLAIN}
    run = train(data, tmp_path / "run", quiet=True, **options)
    result = evaluate(run, tagged(rows, "test"), quiet=True)
    assert result["model"] == {"accuracy": 1.0} and result["interval"]["accuracy"] == (1.0, 1.0)
    (answer,) = predict(run, ["the dog sat"])
    assert answer["tags"] == ["DT", "NN", "VB"] and answer["entities"] == []
    assert "every word is unknown" in predict(run, ["no such word"])[0]["warning"]


def test_broken_tags_are_mended_and_told(tmp_path, capfd):
    rows = [(["in", "New", "York"], ["O", "I-LOC", "I-LOC"]), (["Rome"], ["B-LOC"])] * 4
    rows += [(["so", "Rome"], ["O", "B-LOC"])]
    run = train((tagged(rows), tagged(rows)), tmp_path / "run", epochs=1.0, **PLAIN)
    assert "4 sentences break bio" in capfd.readouterr().err
    assert run.config["labels"] == ["B-LOC", "E-LOC", "O", "S-LOC"]


def test_bad_data_and_settings_are_refused(tagger, subword, tmp_path):
    texts = Dataset([Labelled("a", "b")], name="x", split="train", task="classification")
    with pytest.raises(ValueError, match="expected sentences with a tag for each word"):
        TaggingSettings.read((texts, texts))
    uneven = tagged([(["a", "b"], ["O"]), (["a"], ["B-X"])])
    with pytest.raises(ValueError, match=r"sentence 0 of .* has 2 words and 1 tags"):
        TaggingSettings.read((uneven, uneven))
    plain = tagged([(["a"], ["O"])])
    with pytest.raises(ValueError, match=r"at least 2 tags, trips has \['O'\] only"):
        TaggingSettings.read((plain, plain))
    data, output = (trips(), trips()), tmp_path / "run"
    for options, message in (
        ({"head": "cfr"}, "Did you mean 'crf'"),
        ({"scheme": "bios"}, "Did you mean 'bio"),
        ({"epochs": 0.0}, "epochs must be above 0"),
        ({"pretrained": subword, "length": 25}, "longer than the 24 tokens"),
    ):
        with pytest.raises(ValueError, match=message):
            train(data, output, quiet=True, **options)
    with pytest.raises(ValueError, match="is the pretrained run itself"):
        train(data, subword.path, pretrained=subword, length=24, quiet=True)
    with pytest.raises(ValueError, match="expected sentences with a tag for each word"):
        evaluate(tagger, texts)
    with pytest.raises(
        ValueError, match=r"given in Python, which is not kept: .* with the data to score"
    ):
        evaluate(tagger)
    assert not output.exists()


def test_every_setting_has_a_help_text():
    import dataclasses

    assert all(field.metadata["help"] for field in dataclasses.fields(TaggingSettings))
