"""Checkpoints as run folders: imported, fine-tuned, continued, exported."""

import json

import keras
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from kerasllm.datasets import Dataset, Labelled
from kerasllm.models import (
    CausalLM,
    ClassificationPreprocessor,
    MaskedPreprocessor,
    TextEncoder,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.models.decoding import steps as decoding_steps
from kerasllm.models.decoding.compiled import compiled
from kerasllm.models.hub import load_checkpoint, save_checkpoint
from kerasllm.text import train_tokenizer
from kerasllm.text.tokenizers.imported import import_tokenizer
from kerasllm.training import evaluate, finetune, generate, load_run, predict
from kerasllm.training.importing import export_checkpoint, import_checkpoint

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s", "a", "the"]
pytest.importorskip("safetensors", reason="needs the extra hub")


def _random(config, rng):
    keras.utils.set_random_seed(7)
    backbone = TransformerBackbone(config)
    backbone.set_weights([w + rng.normal(scale=0.2, size=w.shape) for w in backbone.get_weights()])
    return backbone


@pytest.fixture
def bert(tmp_path, rng):
    """Return the folder of a random BERT with vocab.txt."""
    config = TransformerConfig(len(WORDS), 8, 2, 2, max_length=16, causal=False, norm="post",
                               segments=2, separator=3, epsilon=1e-12, dropout=0.1)  # fmt: skip
    folder = save_checkpoint(_random(config, rng), None, tmp_path / "bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder


@pytest.fixture
def gpt2(tmp_path, rng):
    """Return the folder of a random GPT-2 with vocab.json and merges.txt."""
    pipeline = Tokenizer(models.BPE())
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pipeline.train_from_iterator(["the good film, a bad film"], trainers.BpeTrainer(
        vocab_size=270, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))  # fmt: skip
    special = {"bos": "<|endoftext|>", "eos": "<|endoftext|>"}
    tokenizer = import_tokenizer(json.loads(pipeline.to_str()), special, "gpt2")
    config = TransformerConfig(tokenizer.vocabulary_size, 8, 2, 2, max_length=64, score_pad=False)
    return save_checkpoint(_random(config, rng), tokenizer, tmp_path / "gpt2")


def _data():
    rows = [Labelled("a good film", "+"), Labelled("the bad films", "-")] * 40
    return tuple(
        Dataset(rows, name="own", split=split, task="classification", labels=("+", "-"))
        for split in ("train", "validation")
    )


def test_a_bert_becomes_a_run(bert, tmp_path):
    run = import_checkpoint(bert, tmp_path / "run", quiet=True)
    again = load_run(run.path)
    assert again.config["task"] == "language_model" and again.config["encoder"]
    assert again.config["model_type"] == "bert"
    assert isinstance(again.model, TextEncoder)
    assert again.settings["length"] == 16
    assert again.settings["pooling"] == "mean"
    backbone, tokenizer, _ = load_checkpoint(bert)
    assert again.tokenizer == tokenizer
    ids = np.array([[2, 5, 7, 3], [2, 6, 3, 0]])
    assert np.array_equal(np.asarray(again.backbone(ids)), np.asarray(backbone(ids)))
    features = np.asarray(backbone(ids))
    mean = np.stack([features[0].mean(axis=0), features[1, :3].mean(axis=0)])
    assert np.abs(np.asarray(again.model(ids)) - mean).max() < 1e-5


def test_it_is_fine_tuned_and_predicts(bert, tmp_path):
    run = import_checkpoint(bert, tmp_path / "run", quiet=True, dropout=0.0)
    assert run.backbone.settings.dropout == 0
    tuned = finetune(run, _data(), tmp_path / "tuned", epochs=20, learning_rate=5e-3, quiet=True)
    assert tuned.settings["length"] == 16
    assert tuned.settings["pooling"] == "mean"
    answers = predict(load_run(tuned.path), ["a good film", "the bad films", "film " * 30])
    assert [answer["label"] for answer in answers[:2]] == ["+", "-"]
    assert answers[0]["warning"] is None
    assert answers[2]["warning"] == "only the first 14 of 30 tokens were read"
    unknown = predict(tuned, ["zzz"])[0]["warning"]
    assert "every token is unknown" in unknown


def test_what_the_model_reads_is_framed(bert, tmp_path):
    tokenizer = import_checkpoint(bert, tmp_path / "run", quiet=True).tokenizer
    reader = ClassificationPreprocessor(tokenizer, length=5)
    rows, owners = reader.rows(["good film", "the film a film the"])
    assert rows == [[2, 5, 7, 3], [2, 10, 7, 9, 3]]
    assert owners == [0, 1]
    reader = ClassificationPreprocessor(tokenizer, length=6, long_texts="windows")
    rows, owners = reader.rows(["good", "the film a film the good"])
    assert rows[0] == [2, 5, 3]
    assert rows[1:] == [[2, 10, 7, 9, 7, 3], [2, 9, 7, 10, 5, 3]]
    assert owners == [0, 1, 1]


def test_masks_are_those_of_the_tokenizer(bert, tmp_path, rng):
    tokenizer = import_checkpoint(bert, tmp_path / "run", quiet=True).tokenizer
    ids = np.array([tokenizer.frame(tokenizer.encode("the good films a film"))] * 200)
    inputs, _ = MaskedPreprocessor(tokenizer, mask_share=0.5).hide(ids, None, rng)
    hidden = inputs["ids"]
    assert (hidden[:, 0] == 2).all()
    assert (hidden[:, -1] == 3).all()
    assert set(np.unique(hidden)) <= {2, 3, 4, *range(5, 11)}
    assert 0.2 < (hidden[:, 1:-1] == 4).mean() < 0.6


def test_a_gpt2_becomes_a_run_that_writes(gpt2, tmp_path, monkeypatch):
    # Without XLA, which compiles for seconds.
    monkeypatch.setattr(decoding_steps, "compiled", lambda f, model: compiled(f, model, jit=False))
    run = import_checkpoint(gpt2, tmp_path / "run", quiet=True)
    assert isinstance(run.model, CausalLM)
    text = generate(run, ["the good", ""], max_new_tokens=5, seed=3)
    assert text[0].startswith("the good")
    assert "<pad>" not in "".join(text)
    assert run.settings["pooling"] == "last"
    tuned = finetune(run, _data(), tmp_path / "tuned", epochs=1, quiet=True)
    assert {answer["label"] for answer in predict(tuned, ["film"])} <= {"+", "-"}


def test_an_encoder_answers_with_vectors(bert, tmp_path):
    run = import_checkpoint(bert, tmp_path / "run", quiet=True)
    film, cut = predict(run, ["a good film", "film " * 30])
    assert film["warning"] is None and cut["warning"] == "only the first 14 of 30 tokens were read"
    alone = np.asarray(run.model(np.array([[2, 9, 5, 7, 3]])))[0]
    np.testing.assert_allclose(film["vector"], alone, atol=1e-5)


def test_an_encoder_has_no_score_of_its_own(bert, tmp_path):
    run = import_checkpoint(bert, tmp_path / "run", quiet=True)
    texts = _data()[0]
    with pytest.raises(ValueError, match="holds a TextEncoder, an imported model without a head"):
        evaluate(run, texts, quiet=True)
    with pytest.raises(ValueError, match="TextEncoder, which cannot continue a text"):
        generate(run, "a film")


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_exported_it_is_the_same_model(kind, request, tmp_path, capsys):
    run = import_checkpoint(request.getfixturevalue(kind), tmp_path / "run", quiet=True)
    folder = export_checkpoint(run.path, tmp_path / "out")
    assert "AutoModel" in capsys.readouterr().err
    backbone, tokenizer, _ = load_checkpoint(folder)
    assert tokenizer.encode("the good films") == run.tokenizer.encode("the good films")
    for ours, theirs in zip(backbone.get_weights(), run.backbone.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_checkpoint_without_tokenizer_is_no_run(bert, tmp_path):
    (bert / "vocab.txt").unlink()
    with pytest.raises(ValueError, match="expected the files of a tokenizer in"):
        import_checkpoint(bert, tmp_path / "run", quiet=True)


def test_a_tokenizer_of_another_size_is_refused(bert, tmp_path):
    (bert / "vocab.txt").write_text("\n".join([*WORDS, "extra"]) + "\n")
    with pytest.raises(ValueError, match=r"it has 12 tokens, the embedding has 11 \(vocab_size"):
        import_checkpoint(bert, tmp_path / "run", quiet=True)


def test_words_cannot_be_exported(tmp_path, rng):
    tokenizer = train_tokenizer(["the cat sat"] * 2, "word")
    backbone = _random(TransformerConfig(tokenizer.vocabulary_size, 8, 1, 2, max_length=9), rng)
    with pytest.raises(ValueError, match="bpe or wordpiece, received 'word'"):
        save_checkpoint(backbone, tokenizer, tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()
