"""Low-rank adaptation: the equation on every kind of matrix, and what may not move."""

import keras
import numpy as np
import pytest

from kerasllm.models import CausalLM, RecurrentBackbone, TextClassifier, TransformerBackbone
from kerasllm.models.lora import LoRA, fingerprint
from kerasllm.training.engine.adapters import load_adapter, save_adapter

pytestmark = pytest.mark.backends
V, C = 31, 3
BACKBONES = {
    "lstm": lambda: RecurrentBackbone.from_size("tiny", V, hidden_dim=13, units=11, dropout=0.1),
    "gru": lambda: RecurrentBackbone.from_size(
        "tiny", V, hidden_dim=13, units=11, cell="gru", bidirectional=True
    ),
    "transformer": lambda: TransformerBackbone.from_size("tiny", V, max_length=9, dropout=0.1),
}
TARGETS = ("*kernel", "embeddings")


@pytest.fixture(params=sorted(BACKBONES))
def task(request):
    keras.utils.set_random_seed(3)
    return TextClassifier(BACKBONES[request.param](), C, dropout=0.1)


@pytest.fixture
def texts(rng):
    ids = rng.integers(6, V, (17, 7)).astype("int32")
    ids[::3, 5:] = 0
    return ids, rng.integers(0, C, 17)


def answer(model, ids):
    return keras.ops.convert_to_numpy(model(ids, training=False))


def trained(adapted, texts, epochs=5):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = keras.backend.backend() == "jax"  # elsewhere tracing would take longer
    adapted.compile(keras.optimizers.Adam(1e-2), loss, jit_compile=jit, run_eagerly=not jit)
    adapted.fit(*texts, epochs=epochs, batch_size=17, verbose=0)
    return adapted


def randomised(adapted, rng):
    """Give every A, B and the head random values, as if trained."""
    for pair in adapted.corrections:
        for weight in pair:
            weight.assign(0.3 * rng.standard_normal(weight.shape))
    head = adapted.task.get_layer("classes").kernel
    head.assign(0.3 * rng.standard_normal(head.shape))


def test_before_training_nothing_differs(task, texts):
    plain = answer(task, texts[0])
    np.testing.assert_array_equal(answer(LoRA(task, 3), texts[0]), plain)


def test_only_corrections_and_head_move(task, texts):
    adapted = LoRA(task, 3, targets=TARGETS)
    base = [w.copy() for w in task.backbone.get_weights()]
    head = task.get_layer("classes")
    kernel, bias = head.get_weights()
    before = [np.array(keras.ops.convert_to_numpy(b)) for _, b in adapted.corrections]
    trained(adapted, texts)
    for was, now in zip(base, task.backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    for was, (_, b) in zip(before, adapted.corrections, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(b) - was).max() > 1e-3
    assert np.abs(head.get_weights()[0] - kernel).max() > 1e-3
    assert np.abs(head.get_weights()[1] - bias).max() > 1e-4


def test_the_equation_weight_by_weight(task, texts, rng):
    """Oracle: W + α / r A B put into a copy of the task by hand."""
    adapted = LoRA(task, 3, alpha=5, targets=TARGETS)
    randomised(adapted, rng)
    ours = answer(adapted, texts[0])
    plain = answer(task, texts[0])
    by_hand = task.__class__.from_config(task.get_config())
    by_hand.set_weights(task.get_weights())
    positions = {id(w): n for n, w in enumerate(task.weights)}
    for weight, (a, b) in zip(adapted.adapted, adapted.corrections, strict=True):
        a, b = keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b)
        copy = by_hand.weights[positions[id(weight)]]
        copy.assign(keras.ops.convert_to_numpy(weight) + 5 / 3 * (a @ b))
    np.testing.assert_allclose(ours, answer(by_hand, texts[0]), rtol=1e-5, atol=1e-6)
    assert np.abs(ours - plain).max() > 1e-2


def test_merged_equals_unmerged(task, texts, rng):
    adapted = LoRA(task, 3, targets=TARGETS)
    randomised(adapted, rng)
    before = answer(adapted, texts[0])
    merged = adapted.merge()
    np.testing.assert_allclose(answer(merged, texts[0]), before, atol=1e-6)
    np.testing.assert_allclose(answer(adapted, texts[0]), before, atol=1e-6)


def test_every_kind_of_matrix_is_adapted():
    names = {
        w.path.split("/")[-1]
        for make in BACKBONES.values()
        for w in LoRA(TextClassifier(make(), C), 3, targets=TARGETS).adapted
    }
    assert names == {"kernel", "recurrent_kernel", "qkv_kernel", "output_kernel", "embeddings"}


def test_dropout_draws_anew_at_each_step(texts):
    keras.utils.set_random_seed(5)
    adapted = LoRA(TextClassifier(BACKBONES["lstm"](), C, dropout=0.5), 3)
    randomised(adapted, np.random.default_rng(5))
    seeds = [v for v in adapted.task.non_trainable_variables if "seed" in v.path]
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in seeds]
    first, second = (keras.ops.convert_to_numpy(adapted(texts[0], training=True)) for _ in "12")
    assert np.abs(first - second).max() > 1e-3
    if keras.backend.backend() != "torch":  # which draws from a generator of its own
        now = [keras.ops.convert_to_numpy(v) for v in seeds]
        assert any((a != b).any() for a, b in zip(now, before, strict=True))


def test_a_language_model_with_its_tied_head_adapts_too(rng):
    ids = rng.integers(6, V, (5, 8)).astype("int32")
    model = CausalLM(BACKBONES["transformer"]())
    adapted = LoRA(model, 2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    adapted.compile(keras.optimizers.Adam(1e-2), loss, run_eagerly=True)
    losses = adapted.fit(ids[:, :-1], ids[:, 1:], epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank must be a positive integer, received 0"),
        ({"rank": 11}, "rank=11 is no low rank for .*choose a rank below 11"),
        ({"targets": "kernal"}, "no matrix .*'kernal': choose targets among .*'kernel'"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        LoRA(TextClassifier(BACKBONES["lstm"](), C), **options)


def test_an_adapter_alone_rebuilds_the_task(task, texts, tmp_path):
    keras.utils.set_random_seed(9)
    pretrained = task.backbone.__class__.from_config(task.backbone.get_config())
    pretrained.set_weights(task.backbone.get_weights())
    adapted = trained(LoRA(task, 3, targets=TARGETS), texts)
    save_adapter(tmp_path / "adapter.npz", adapted)
    again = load_adapter(tmp_path / "adapter.npz", pretrained)
    expected = answer(adapted, texts[0])
    np.testing.assert_allclose(answer(again, texts[0]), expected, atol=1e-6)
    assert fingerprint(pretrained) == adapted.fingerprint  # the base itself is as it was


def test_an_adapter_refuses_a_foreign_base(task, tmp_path):
    save_adapter(tmp_path / "adapter.npz", LoRA(task, 3))
    foreign = task.backbone.__class__.from_config(task.backbone.get_config())
    with pytest.raises(ValueError, match=r"belongs to the backbone .* Load the run"):
        load_adapter(tmp_path / "adapter.npz", foreign)


def test_a_damaged_adapter_says_so(task, tmp_path):
    path = tmp_path / "adapter.npz"
    save_adapter(path, LoRA(task, 3))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cannot be read .* damaged"):
        load_adapter(path, task.backbone)
    with pytest.raises(FileNotFoundError):
        load_adapter(tmp_path / "none.npz", task.backbone)
