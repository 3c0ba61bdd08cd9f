"""Twins of random models beside Keras' own predict, evaluate, gradients and fit.

`python -m tests.long twins [NUMBER [FIRST SEED]]` counts how many are equal, how many the twin
refuses, and fails if there is another. It writes tests/long/figures/twins.json.
"""

import collections
import json
import time
import warnings
from pathlib import Path

import keras
import numpy as np

from kerasllm import verify
from kerasllm.verify.comparison.backend import in_precision
from tests.long import _graphs as graphs

BARS = {"predict": 1e-11, "evaluate": 1e-11, "gradients": 1e-8, "fit": 1e-6}
# These divide a gradient by its own size, however small it is: rounding becomes a step.
BY_SIGN = (keras.optimizers.Lion, keras.optimizers.Adafactor)


def compare(seed):
    """Return "equal", "refused: why", or "WRONG: where" of the model of a seed."""
    with in_precision("float64"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model, x, y, weight = graphs.build(seed)
        except (ValueError, TypeError) as error:  # of Keras: shapes that do not go together
            return f"not built: {error}"
        try:
            theirs = _keras(model, x, y, weight)
        except Exception as error:  # whatever TensorFlow raises: shapes that do not fit a batch
            return f"not run: {error}"
        try:
            twin = verify.twin(model)
            ours = {"predict": twin.predict(x), "evaluate": twin.loss(x, y, weight)}
            ours["gradients"] = twin.gradients(x, y, weight)
            if wrong := _differences(ours, theirs):
                return f"WRONG: {wrong}"
            return _trained(model, twin, x, y, weight)
        except verify.UnsupportedLayerError as error:
            return f"refused: {error}"
        except Exception as error:  # the twin may refuse, not fail
            return f"WRONG: {type(error).__name__}: {error}"
        finally:
            keras.backend.clear_session()


def _keras(model, x, y, weight):
    options = {"batch_size": len(x), "verbose": 0}
    evaluated = model.evaluate(x, y, sample_weight=weight, **options)
    theirs = {"predict": model.predict(x, **options), "evaluate": np.ravel(evaluated)[0]}
    return theirs | {"gradients": _gradients(model, x, y, weight)}


def _gradients(model, x, y, weight, training=False):
    import tensorflow as tf

    tensors = tf.convert_to_tensor(x, dtype=model.inputs[0].dtype)
    y = keras.tree.map_structure(tf.convert_to_tensor, y)
    if weight is not None:
        weight = keras.tree.map_structure(tf.convert_to_tensor, weight)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(tensors, y, model(tensors, training=training), weight)
    found = tape.gradient(loss, [v.value for v in model.trainable_variables])
    return {
        v.path: np.zeros(v.shape) if d is None else tf.convert_to_tensor(d).numpy()
        for v, d in zip(model.trainable_variables, found, strict=True)
    }


def _differences(ours, theirs, bars=BARS):
    """Return where two nests of arrays are apart, in words; "" where nowhere."""
    for what, expected in theirs.items():
        for name, value in _flat(expected):
            mine = dict(_flat(ours[what]))[name]
            scale = max(np.abs(value).max(), 1e-3) if np.size(value) else 1.0
            if np.shape(mine) != np.shape(value) or not np.allclose(
                mine, value, rtol=0, atol=bars[what] * scale, equal_nan=True
            ):
                return f"{what} {name}: {np.ravel(mine)[:3]}, Keras {np.ravel(value)[:3]}"
    return ""


def _flat(nest):
    if isinstance(nest, dict):
        return list(nest.items())
    return list(enumerate(map(np.asarray, keras.tree.flatten(nest))))


def _trained(model, twin, x, y, weight):
    if isinstance(model.optimizer, BY_SIGN):
        before = model.get_weights()
        slopes = map(np.abs, _gradients(model, x, y, weight, training=True).values())
        model.set_weights(before)  # training moves the averages of a normalization
        if any(((d > 0) & (d < 1e-12)).any() for d in slopes):
            return "equal, but for fit: a gradient that is rounding"
    options = {"batch_size": 3, "epochs": 1, "shuffle": False, "sample_weight": weight}
    ours = {"fit": [twin.fit(x, y, **options)["loss"], *twin.get_weights()]}
    history = model.fit(x, y, verbose=0, **options).history["loss"]
    theirs = {"fit": [history, *model.get_weights()]}
    wrong = _differences(ours, theirs)
    return f"WRONG: {wrong}" if wrong else "equal"


def main(arguments):
    """Compare models, print the figures and write them, every so often and at the end."""
    number, first = (*map(int, arguments), *(1000, 0)[len(arguments) :])
    began, count, why, wrong = time.perf_counter(), collections.Counter(), collections.Counter(), {}
    for done, seed in enumerate(range(first, first + number), 1):
        answer = compare(seed)
        kind, _, rest = answer.partition(": ")
        count[kind.partition(",")[0]] += 1
        if kind == "WRONG":
            wrong[seed] = rest
            print(seed, answer, flush=True)
        elif kind == "refused":
            why[" ".join(rest.split("(")[0].split()[:9])] += 1
        if done % 10 and done < number:
            continue
        figures = {
            "command": f"python -m tests.long twins {done} {first}",
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "models": dict(count),
            "refused": dict(why.most_common()),
            "wrong": wrong,
            "seconds": round(time.perf_counter() - began),
        }
        text = json.dumps(figures, indent=1) + "\n"
        (Path(__file__).parent / "figures" / "twins.json").write_text(text)
        print(done, dict(count), figures["seconds"], flush=True)
    print(text)
    return bool(wrong)
