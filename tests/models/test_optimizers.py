import keras
import numpy as np
import pytest

from kerasllm.models.optimizers import LayerwiseAdamW, WarmupCosine, make_optimizer
from kerasllm.training.engine.compilation import optimizer_of
from kerasllm.training.settings.pretraining import PretrainSettings

pytestmark = pytest.mark.backends


def network():
    keras.utils.set_random_seed(5)
    low, norm = keras.layers.Dense(5, name="low"), keras.layers.LayerNormalization(name="norm")
    high = keras.layers.Dense(2, name="high")
    model = keras.Sequential([keras.Input((3,)), low, norm, high], name="net")
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def step(model, optimizer, steps=3, size=1.0):
    rng = np.random.default_rng(11)
    optimizer.build(model.trainable_variables)
    for _ in range(steps):
        grads = [size * rng.normal(size=v.shape).astype("float32") for v in model.weights]
        grads = [keras.ops.convert_to_tensor(g) for g in grads]
        optimizer.apply_gradients(list(zip(grads, model.trainable_variables, strict=True)))
    return {v.path: keras.ops.convert_to_numpy(v.value) for v in model.trainable_variables}


def test_schedule_follows_the_formula():
    peak, steps, warm, final = 0.3, 50, 7, 0.1
    schedule = WarmupCosine(peak, steps, warm, final)
    for step in range(60):
        s = step + 1
        past = min(1.0, (s - warm) / (steps - warm))
        cosine = final + (1 - final) * (1 + np.cos(np.pi * past)) / 2
        expected = peak * (s / warm if s <= warm else cosine)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)


def test_schedule_moves_at_once_peaks_and_ends():
    schedule = WarmupCosine(2.0, 20, 5, 0.25)
    rates = [float(schedule(step)) for step in range(20)]
    assert rates[0] == pytest.approx(0.4) and max(rates) == pytest.approx(rates[4]) == 2.0
    assert rates[-1] == pytest.approx(0.5)
    assert float(WarmupCosine(2.0, 20)(0)) == pytest.approx(2.0, rel=0.01)  # without warm-up
    again = WarmupCosine.from_config(schedule.get_config())
    assert float(again(13)) == rates[13]


def test_with_factors_of_1_it_is_adamw():
    options = {"learning_rate": 0.05, "weight_decay": 0.1, "global_clipnorm": 0.7}
    plain = step(network(), keras.optimizers.AdamW(**options))
    paths = {v.path: 1.0 for v in network().trainable_variables}
    layered = step(network(), LayerwiseAdamW(**options, factors=paths))
    for path, value in plain.items():
        np.testing.assert_allclose(layered[path], value, rtol=2e-6, atol=1e-6)


def test_rows_of_a_table_are_summed_up_before_the_square():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has gradients of single rows")
    import tensorflow as tf

    rows = tf.IndexedSlices(tf.constant([[0.3, -2.0], [0.5, 1.0], [0.7, 3.0]]), [3, 1, 3], (5, 2))
    tables = []
    for gradient in (rows, tf.convert_to_tensor(rows)):
        table = keras.Variable(np.arange(10.0).reshape(5, 2), dtype="float32")
        optimizer = LayerwiseAdamW(0.1, weight_decay=0.2)
        optimizer.build([table])
        for _ in range(3):
            optimizer.apply_gradients([(gradient, table)])
        tables.append(keras.ops.convert_to_numpy(optimizer._velocities[0].value))
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-6)
    # v = g² (1 - β³) of the sums 1.0 and 1.0: those of single uses would give 0.58 and 13.
    np.testing.assert_allclose(tables[0][3], [1 - 0.999**3] * 2, rtol=1e-4)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("settings", [{"global_clipnorm": 1.5}, {"clipnorm": 2.0}, {}])
def test_the_norm_of_a_table_is_that_of_the_sums_of_its_rows(rng, settings, xla):
    """Also where one row is used by all, and where the optimizer has no operation of its own."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has gradients of single rows")
    import tensorflow as tf

    def moved(values, ids, dense):
        table, bias = (keras.Variable(np.ones(s), dtype="float32") for s in ((5, 2), (2,)))
        optimizer = LayerwiseAdamW(0.1, weight_decay=0.2, amsgrad=xla, **settings)
        optimizer.build([table, bias])

        @tf.function(jit_compile=xla)
        def apply():
            rows = tf.IndexedSlices(tf.constant(values, "float32"), tf.constant(ids), (5, 2))
            gradient = tf.convert_to_tensor(rows) if dense else rows
            optimizer.apply([gradient, tf.constant([0.3, -0.7])], [table, bias])

        apply()
        apply()
        return [v.numpy() for v in (table, bias, *optimizer._momentums, *optimizer._velocities)]

    for ids in ([3, 1, 3, 4, 0, 0, 3], [1] * 7):
        values = rng.normal(size=(7, 2))
        for one, other in zip(moved(values, ids, False), moved(values, ids, True), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)


def test_a_factor_scales_update_and_decay():
    rate, factor = 0.05, 0.2
    model = network()
    low = {v.path: factor for v in model.get_layer("low").trainable_variables}
    options = {"weight_decay": 0.3}
    layered = step(model, LayerwiseAdamW(rate, factors=low, **options))
    slow = step(network(), keras.optimizers.AdamW(rate * factor, **options))
    fast = step(network(), keras.optimizers.AdamW(rate, **options))
    for path, value in layered.items():
        wanted = slow if path in low else fast
        np.testing.assert_allclose(value, wanted[path], rtol=2e-6, atol=1e-6)
        assert not np.allclose(slow[path], fast[path], rtol=1e-3)


def test_factor_0_leaves_a_layer_where_it_is():
    model = network()
    before = model.get_layer("low").get_weights()
    factors = {v.path: 0.0 for v in model.get_layer("low").trainable_variables}
    step(model, LayerwiseAdamW(0.1, weight_decay=0.5, factors=factors))
    for a, b in zip(before, model.get_layer("low").get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_biases_and_norms_do_not_decay():
    settings = {"learning_rate": 0.1, "weight_decay": 0.5, "warmup": 0.0}
    for factors in (None, {"net/low/kernel": 1.0}):
        model = network()
        before = {v.path: keras.ops.convert_to_numpy(v.value).copy() for v in model.weights}
        after = step(model, make_optimizer(1000, factors, **settings), steps=1, size=0.0)
        for path, value in after.items():
            decay = 0.95 if path.endswith("kernel") else 1.0
            np.testing.assert_allclose(value, decay * before[path], rtol=1e-4)


def test_settings_reach_the_optimizer():
    settings = PretrainSettings(learning_rate=0.2, warmup=0.5, clip=0.0, beta_2=0.9)
    optimizer = optimizer_of(settings, steps=10)
    assert optimizer.global_clipnorm is None and optimizer.beta_2 == 0.9
    assert float(optimizer.learning_rate) == pytest.approx(0.2 / 5)
    layered = optimizer_of(settings, 10, {"a/b": 0.5})
    again = LayerwiseAdamW.from_config(layered.get_config())
    assert again.factors == {"a/b": 0.5}
