"""Tasks: heads, training, saving, and what they refuse."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import MaskedPooling
from kerasllm.models import (
    CausalLM,
    ContrastiveLM,
    MaskedLM,
    SpanContrast,
    TextClassifier,
    TokenCrossEntropy,
    generate_ids,
)

V = 23
MODES = ("mean", "max", "last", "first", "attention")
POSITIONS = np.array([[1, 6, 4], [3, 0, 0], [0, 0, 0]], dtype="int32")


def _classifier(backbone, num_classes, *args, **options):
    """Return a classifier with a random head: a new one begins at 0."""
    model = TextClassifier(backbone, num_classes, *args, **options)
    head, rng = model.get_layer("classes"), np.random.default_rng(11)
    head.set_weights([rng.normal(size=w.shape) for w in head.get_weights()])
    return model


def _make(task, backbone):
    """Return a task on the backbone, and targets for it."""
    if task == "classifier":
        return _classifier(backbone, 3), np.array([2, 0, 1])
    targets = np.array([[7, 9, 8], [11, 0, 0], [6, 0, 0]], dtype="int32")
    if task == "masked":
        return MaskedLM(backbone), targets
    if task == "contrastive":
        model = ContrastiveLM(backbone, "attention")
        logits = np.pad(targets, ((0, 1), (0, 4)))
        return model, {"logits": logits, "pooled": np.zeros((4, 1))}
    return CausalLM(backbone), np.pad(targets, ((0, 0), (0, 4)))


def _inputs(task, ids):
    if task == "contrastive":
        return {"ids": ids[[0, 1, 2, 0]], "spans": ids[[0, 1, 2, 1], :3]}
    return {"ids": ids, "positions": POSITIONS} if task == "masked" else ids


TASKS = [
    ("causal", "gpt"), ("causal", "lstm"), ("causal", "lstm-untied"), ("masked", "bert"),
    ("masked", "birnn"), ("classifier", "bert"), ("classifier", "gru-residual"),
    ("contrastive", "gpt"), ("contrastive", "simple"),
]  # fmt: skip
every_task = pytest.mark.parametrize(("task", "name"), TASKS)


@pytest.mark.backends
@every_task
def test_one_step_of_training_moves_every_weight(task, name, make_backbone, ids):
    model, y = _make(task, make_backbone(name))
    loss = TokenCrossEntropy()
    if task == "classifier":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if task == "contrastive":
        loss = {"logits": loss, "pooled": SpanContrast()}
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    before = model.get_weights()
    model.fit(_inputs(task, ids), y, verbose=0)
    for weight, old, new in zip(model.weights, before, model.get_weights(), strict=True):
        assert np.isfinite(new).all()
        assert not np.array_equal(old, new), weight.path


@every_task
def test_saved_and_loaded(task, name, make_backbone, ids, numpy, tmp_path):
    model, _ = _make(task, make_backbone(name))
    x = _inputs(task, ids)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.backbone.settings == model.backbone.settings
    assert loaded.count_params() == model.count_params()
    keras.tree.map_structure(np.testing.assert_array_equal, numpy(loaded(x)), numpy(model(x)))
    # The backbone inside is the one that the outputs come from.
    assert np.array_equal(numpy(loaded.backbone(ids)), numpy(model.backbone(ids)))


@pytest.mark.usefixtures("uncompiled")
def test_a_model_that_has_generated_can_be_saved(make_backbone, tmp_path):
    model = CausalLM(make_backbone("gpt"))
    text = generate_ids(model, [[7, 8]], 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert generate_ids(loaded, [[7, 8]], 4) == text


@pytest.mark.backends
@pytest.mark.parametrize("name", ["gpt", "lstm"])
def test_a_tied_head_is_the_embedding_transposed(name, make_backbone, ids, numpy):
    backbone = make_backbone(name)
    model = CausalLM(backbone)
    assert len(model.weights) == len(backbone.weights)
    table, features = backbone.embedding.get_weights()[0], numpy(backbone(ids))
    assert np.abs(numpy(model(ids)) - features @ table.T).max() < 1e-5
    assert np.array_equal(numpy(model.logits(backbone(ids))), numpy(model(ids)))


def test_features_of_another_width_get_a_head_of_their_own(make_backbone, ids, numpy):
    backbone = make_backbone("lstm-untied")
    model = CausalLM(backbone)
    kernel, bias = model.get_layer("head").get_weights()
    assert kernel.shape == (7, V)
    assert np.abs(numpy(model(ids)) - (numpy(backbone(ids)) @ kernel + bias)).max() < 1e-5
    assert np.array_equal(numpy(model.logits(backbone(ids))), numpy(model(ids)))


@pytest.mark.backends
@pytest.mark.parametrize("name", ["bert", "birnn"])
def test_a_masked_model_scores_the_chosen_positions(name, make_backbone, ids, numpy):
    backbone = make_backbone(name)
    model = MaskedLM(backbone)
    logits = numpy(model({"ids": ids, "positions": POSITIONS}))
    features = np.take_along_axis(numpy(backbone(ids)), POSITIONS[..., None], axis=1)
    assert logits.shape == (3, 3, V)
    if name == "bert":
        expected = features @ backbone.embedding.get_weights()[0].T
        assert np.abs(logits - expected).max() < 1e-5


@pytest.mark.parametrize("pooling", MODES)
@pytest.mark.parametrize("name", ["bert", "lstm"])
def test_a_classifier_pools_the_real_tokens(name, pooling, make_backbone, ids, numpy):
    backbone = make_backbone(name)
    model = _classifier(backbone, 3, pooling)
    kernel, bias = model.get_layer("classes").get_weights()
    pool = MaskedPooling(pooling)
    pooled = numpy(pool(keras.ops.convert_to_tensor(numpy(backbone(ids))), mask=ids != 0))
    pooled = ref.layer_norm(pooled, epsilon=1e-6)[0]
    logits = numpy(model(ids))
    assert np.abs(logits - (pooled @ kernel + bias)).max() < 1e-4
    for row, length in enumerate((ids != 0).sum(axis=1)):
        assert np.abs(numpy(model(ids[row : row + 1, :length]))[0] - logits[row]).max() < 1e-4


def test_a_classifier_can_read_a_lower_layer(make_backbone, ids, numpy):
    backbone = make_backbone("bert")
    tops = [backbone.embedding(ids)]
    for block in backbone.blocks:
        tops.append(block(tops[-1]))
    tops[-1] = backbone.get_layer("norm")(tops[-1])
    for layer, features in ((0, tops[0]), (1, tops[1]), (2, tops[2]), (-1, tops[2])):
        model = _classifier(backbone, 3, layer=layer)
        pooled = numpy(MaskedPooling()(features, mask=ids != 0))
        kernel, bias = model.get_layer("classes").get_weights()
        expected = ref.layer_norm(pooled, epsilon=1e-6)[0] @ kernel + bias
        assert np.abs(numpy(model(ids)) - expected).max() < 1e-4
        assert type(model).from_config(model.get_config()).task_config["layer"] == layer


@pytest.mark.backends
def test_a_contrastive_model_gives_logits_and_pooled_spans(make_backbone, ids, numpy):
    backbone = make_backbone("gpt")
    model, spans = ContrastiveLM(backbone), ids[[0, 1, 2, 0], 1:6]
    out = numpy(model({"ids": ids, "spans": spans}))
    kernel, bias = model.get_layer("head").get_weights()  # never tied
    features = numpy(backbone(ids))
    assert np.abs(out["logits"] - (features @ kernel + bias)).max() < 1e-5
    assert np.array_equal(out["logits"], numpy(model.logits(backbone(ids))))
    pooled = MaskedPooling()(backbone(spans), mask=spans != 0)
    assert np.abs(out["pooled"] - numpy(pooled)).max() < 1e-5


def test_dropout_lies_before_each_head(make_backbone, ids, numpy):
    for model in (
        CausalLM(make_backbone("gpt"), dropout=0.5),
        _classifier(make_backbone("bert"), 2, dropout=0.5),
    ):
        assert not np.allclose(numpy(model(ids, training=True)), numpy(model(ids)))
        assert type(model).from_config(model.get_config()).task_config["dropout"] == 0.5


@pytest.mark.backends
def test_mixed_precision(make_backbone, ids, numpy):
    before = keras.config.dtype_policy()
    exact = CausalLM(make_backbone("gpt-rotary"))
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        half = CausalLM(make_backbone("gpt-rotary"))
        half.set_weights(exact.get_weights())
        logits = half(ids)
        assert keras.backend.standardize_dtype(logits.dtype) == "bfloat16"
        difference = numpy(keras.ops.cast(logits, "float32")) - numpy(exact(ids))
        assert np.linalg.norm(difference) < 0.05 * np.linalg.norm(numpy(exact(ids)))
        half.compile("sgd", TokenCrossEntropy(), run_eagerly=True)
        assert np.isfinite(half.evaluate(ids, ids, verbose=0))
    finally:
        keras.config.set_dtype_policy(before)


def test_a_causal_model_refuses_a_backbone_that_reads_ahead(make_backbone):
    for name in ("bert", "birnn"):
        for task in (CausalLM, ContrastiveLM):
            with pytest.raises(ValueError, match=r"sees the past only.*causal=True.*bidirectional"):
                task(make_backbone(name))


def test_bad_arguments_are_explained(make_backbone):
    backbone = make_backbone("bert")
    with pytest.raises(ValueError, match="at least 2 classes, received 1"):
        TextClassifier(backbone, 1)
    with pytest.raises(ValueError, match=r"pooling must be one of .* received 'average'"):
        TextClassifier(backbone, 2, "average")
    for layer in (4, -5):
        with pytest.raises(ValueError, match=rf"layer from 0 .* or -1, received {layer}\."):
            TextClassifier(backbone, 2, layer=layer)
