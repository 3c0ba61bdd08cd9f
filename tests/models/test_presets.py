"""Where tasks come from: runs, checkpoints of other projects, sizes."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasllm
from kerasllm.models import (
    CausalLM,
    ClassificationPreprocessor,
    EmbeddingBackbone,
    MaskedLM,
    RecurrentBackbone,
    RecurrentSeq2Seq,
    Seq2Seq,
    Seq2SeqPreprocessor,
    SpanExtractor,
    TaggingPreprocessor,
    TextClassifier,
    TextEncoder,
    TokenTagger,
    TransformerBackbone,
    TransformerSeq2Seq,
)
from kerasllm.models.presets import copy_of, make_backbone
from kerasllm.text import train_tokenizer
from kerasllm.training.run_folder.folder import RunFolder

RUNS = Path(__file__).parents[1] / "training" / "runs_of_before"
CLASSES = {
    "finetune": TextClassifier,
    "finetune_lora": TextClassifier,
    "finetune_several": TextClassifier,
    "imported": TextEncoder,
    "pretrain_masked": MaskedLM,
    "pretrain_recurrent": CausalLM,
    "pretrain_transformer": CausalLM,
    "seq2seq_recurrent": RecurrentSeq2Seq,
    "seq2seq_transformer": TransformerSeq2Seq,
    "span": SpanExtractor,
    "tagger": TokenTagger,
    "tagger_pretrained": TokenTagger,
}
ASKED = {"span": [("who came?", "then ada came.")]}
IDS = np.array([[7, 8, 9, 3], [6, 3, 0, 0]], "int32")


def answers(task, name):
    return task.predict(ASKED.get(name, ["the cat"]))


def assert_same(one, other):
    """Compare answers, whose vectors are arrays."""
    for a, b in zip(one, other, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def assert_same_backbone(one, other):
    assert one is not other and one.get_config() == {**other.get_config(), "trainable": True}
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# === A trained task, as it is ===


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", CLASSES)
def test_a_run_of_this_class_is_returned_as_it_is(name):
    kind = CLASSES[name]
    task, run = kind.from_preset(RUNS / name), kerasllm.load_run(RUNS / name)
    assert type(task) is kind
    assert task.preprocessor.get_config() == run.model.preprocessor.get_config()
    assert_same(answers(task, name), answers(run.model, name))


def saved(small, folder):
    """Write a task as a run folder, as training does."""
    run = RunFolder.create(folder)
    tokenizer = small.task.preprocessor.tokenizer
    run.begin({"task": small.task.data_task, "settings": {"length": 3}}, tokenizer)
    run.save(small.task, tokenizer)
    return folder


@pytest.mark.usefixtures("uncompiled")
def test_a_run_of_today_brings_its_preprocessor(small, tmp_path, same_weights):
    task = type(small.task).from_preset(saved(small, tmp_path))
    assert task.preprocessor.get_config() == small.task.preprocessor.get_config()
    same_weights(task, small.task)
    task.compile(run_eagerly=True)
    task.fit(small.x, small.y, verbose=0)  # and it learns on


def test_how_examples_are_read_can_be_changed_under_the_same_head(make_small, tmp_path):
    small = make_small("classifier")
    folder = saved(small, tmp_path)
    task = TextClassifier.from_preset(folder, length=2, long_texts="windows")
    assert task.preprocessor.length == 2 and task.preprocessor.labels == ["maybe", "no", "yes"]
    kernel, expected = (t.get_layer("classes").kernel.numpy() for t in (task, small.task))
    np.testing.assert_array_equal(kernel, expected)
    bare = TextClassifier.from_preset(folder, preprocessor=None)
    assert bare.preprocessor is None
    with pytest.raises(ValueError, match="this model has no preprocessor"):
        bare.predict(["ape"])
    own = ClassificationPreprocessor(small.task.preprocessor.tokenizer, list("abc"), 5)
    assert TextClassifier.from_preset(folder, preprocessor=own).preprocessor is own


def test_other_labels_get_a_new_head(make_small, tmp_path):
    small = make_small("classifier")
    folder = saved(small, tmp_path)
    for options in ({"labels": ["a", "b"]}, {"num_classes": 2}, {"pooling": "max"}):
        given = {"num_classes": 2, **options}
        task = TextClassifier.from_preset(folder, **given)
        assert task.task_config["num_classes"] == 2
        assert task.preprocessor.labels == options.get("labels")
        assert not task.get_layer("classes").kernel.numpy().any()  # as a new one begins
        assert_same_backbone(task.backbone, small.task.backbone)


@pytest.mark.usefixtures("uncompiled")
def test_an_encoder_decoder_keeps_both_vocabularies(tmp_path):
    source, target = (
        train_tokenizer([text], kind="word", min_frequency=1)
        for text in ("ein zwei drei vier", "one two")
    )
    options = {"hidden_dim": 8, "num_heads": 2, "num_layers": 1}
    reader = Seq2SeqPreprocessor(source, target, length=7, beam=1)
    task = TransformerSeq2Seq.from_size("tiny", preprocessor=reader, **options)
    assert task.settings.target_vocabulary_size == target.vocabulary_size == 8
    run = RunFolder.create(tmp_path)
    run.begin({"task": "seq2seq", "settings": {}}, source)
    run.save(task, source)
    for kind in (TransformerSeq2Seq, Seq2Seq):
        again = kind.from_preset(tmp_path, beam=3)
        assert type(again) is TransformerSeq2Seq and again.preprocessor.beam == 3
        assert again.preprocessor.target_tokenizer == target
        again.preprocessor.beam = 1
        assert again.predict(["ein zwei"]) == task.predict(["ein zwei"])


# === Another task on its backbone ===

OTHERS = [
    ("pretrain_masked", TextClassifier, {"num_classes": 3}),
    ("pretrain_recurrent", TextClassifier, {"labels": ["a", "b"], "length": 7}),
    ("pretrain_masked", TokenTagger, {"labels": ["B-X", "I-X", "O"], "head": "softmax"}),
    ("pretrain_masked", SpanExtractor, {"max_answer": 3}),
    ("pretrain_contrastive", CausalLM, {}),
    ("imported", TextClassifier, {"num_classes": 2}),
    ("imported", MaskedLM, {"mask_share": 0.3}),
    ("finetune", TokenTagger, {"labels": ["N", "V"], "scheme": "none"}),
    ("tagger_pretrained", TextClassifier, {"num_classes": 2, "pooling": "max"}),
    ("span", TextEncoder, {}),
]


@pytest.mark.parametrize(("name", "kind", "options"), OTHERS)
def test_of_another_class_the_backbone_is_taken(name, kind, options):
    before = kerasllm.load_run(RUNS / name)
    task = kind.from_preset(RUNS / name, **options)
    assert type(task) is kind
    assert_same_backbone(task.backbone, before.model.backbone)
    reader = task.preprocessor
    assert reader.tokenizer == before.tokenizer
    assert reader.length == options.get("length", before.settings["length"])
    for option, value in options.items():
        where = vars(reader) if option in vars(reader) else task.task_config
        assert where[option] == value
    assert len(task.predict([("q", "the cat")] if kind is SpanExtractor else ["the cat"])) == 1


def test_what_cannot_begin_from_a_source_is_explained(tmp_path):
    with pytest.raises(ValueError, match="span extraction needs a backbone that reads the whole"):
        SpanExtractor.from_preset(RUNS / "pretrain_transformer")
    with pytest.raises(ValueError, match="causal language model needs a backbone that sees the pa"):
        CausalLM.from_preset(RUNS / "pretrain_masked")
    message = "holds a RecurrentEncoderDecoder, which no TextClassifier can begin from: give a run"
    with pytest.raises(ValueError, match=message):
        TextClassifier.from_preset(RUNS / "seq2seq_recurrent", num_classes=2)
    for name, kind in (("seq2seq_recurrent", TransformerSeq2Seq), ("finetune", RecurrentSeq2Seq)):
        message = f"to be a {kind.backbone_class.__name__}, received a"
        with pytest.raises(ValueError, match=message):
            kind.from_preset(RUNS / name)
    with pytest.raises(ValueError, match="expected num_classes, or a preprocessor with labels"):
        TextClassifier.from_preset(RUNS / "pretrain_recurrent")
    with pytest.raises(FileNotFoundError, match=r"there is none at .*mind the spelling"):
        TextClassifier.from_preset(tmp_path / "none")
    shutil.copytree(RUNS / "finetune", tmp_path / "half")
    (tmp_path / "half" / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):
        TextClassifier.from_preset(tmp_path / "half")


# === Checkpoints of other projects ===


@pytest.fixture
def checkpoint(tmp_path):
    """Return the folder of a tiny BERT with random weights and its tokenizer."""
    from kerasllm.models.hub import save_checkpoint

    pytest.importorskip("safetensors", reason="needs the extra hub")
    keras.utils.set_random_seed(3)
    tokenizer = train_tokenizer(["the cat saw a dog"] * 3, kind="wordpiece", vocabulary_size=41)
    options = {"causal": False, "norm": "post", "num_layers": 1, "num_heads": 2, "hidden_dim": 6,
               "max_length": 19, "segments": 2, "epsilon": 1e-12}  # fmt: skip
    backbone = TransformerBackbone.from_size("tiny", tokenizer.vocabulary_size, **options)
    return save_checkpoint(backbone, tokenizer, tmp_path / "bert", "bert"), backbone


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (TextClassifier, {"num_classes": 3}),
        (TokenTagger, {"labels": ["N", "V"], "scheme": "none"}),
        (SpanExtractor, {"max_answer": 5}),
        (MaskedLM, {}),
        (TextEncoder, {}),
    ],
)
def test_a_checkpoint_gives_any_task_its_backbone(kind, options, checkpoint):
    folder, backbone = checkpoint
    task = kind.from_preset(folder, **options)
    for one, other in zip(task.backbone.get_weights(), backbone.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)
    assert task.preprocessor.length == 19
    assert len(task.predict([("cat?", "the cat")] if kind is SpanExtractor else ["the cat"])) == 1


def test_a_checkpoint_without_a_tokenizer_takes_ids(checkpoint):
    folder, _ = checkpoint
    for path in folder.iterdir():
        if path.suffix != ".safetensors" and path.name != "config.json":
            path.unlink()
    with pytest.raises(ValueError, match="has no tokenizer: give a preprocessor, or preprocessor="):
        TextClassifier.from_preset(folder, num_classes=2)
    task = TextClassifier.from_preset(folder, preprocessor=None, num_classes=2)
    assert task.predict(IDS, verbose=0).shape == (2, 2)


# === Sizes ===


def test_sizes_give_untrained_tasks(make_small):
    tokenizer = make_small("causal").task.preprocessor.tokenizer
    tags = TaggingPreprocessor(tokenizer, ["N", "V"], "none")
    for kind, options, backbone in (
        (CausalLM, {"cell": "gru", "units": 7}, RecurrentBackbone),
        (MaskedLM, {"backbone": "transformer", "num_heads": 4}, TransformerBackbone),
        (TextClassifier, {"num_classes": 3, "pooling": "max"}, RecurrentBackbone),
        (TokenTagger, {"preprocessor": tags, "units": 5}, RecurrentBackbone),
        (SpanExtractor, {"dropout": 0.3}, RecurrentBackbone),
    ):
        size = None if "preprocessor" in options else 13
        task = kind.from_size("tiny", size, **options)
        assert type(task.backbone) is backbone
        assert task.backbone.settings.vocabulary_size == 13
        assert task.backbone.causal == (kind is CausalLM)
        for name in options.keys() - {"backbone", "preprocessor"}:
            own = task.task_config.get(name, getattr(task.backbone.settings, name, None))
            assert own == options[name]
    for kind in (CausalLM, TransformerSeq2Seq):
        with pytest.raises(ValueError, match="expected vocabulary_size, or a preprocessor"):
            kind.from_size("tiny")
    with pytest.raises(ValueError, match=r"expected backbone .*Did you mean 'transformer'"):
        CausalLM.from_size("tiny", 13, backbone="transfomer")


def test_a_copied_backbone_is_another_one():
    backbone = make_backbone("recurrent", "tiny", 13, causal=True, units=7)
    backbone.trainable = False
    again, new = copy_of(backbone, dropout=0.2), copy_of(backbone, weights=False)
    assert again.settings.dropout == 0.2 and again.trainable
    for a, b in zip(again.get_weights(), backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(new.get_weights()[0], backbone.get_weights()[0])
    wide = make_backbone("recurrent", "tiny", 13, causal=True, residual=True)
    assert not wide.settings.project and backbone.settings.project  # nothing to project


def test_words_of_before_are_translated():
    config = json.loads((RUNS / "finetune_several" / "config.json").read_text("utf-8"))
    assert config["kind"] == "finetune" and config["several_labels"]
    task = TextClassifier.from_preset(RUNS / "finetune_several")
    assert task.preprocessor.multilabel and isinstance(task.predict(["cat"])[0]["labels"], list)
    assert isinstance(TokenTagger.from_preset(RUNS / "tagger").backbone, EmbeddingBackbone)
