"""What a user may give: lists, arrays, streams of raw examples and of ids, with a validation."""

import keras
import numpy as np
import pytest

from kerasllm.datasets import Dataset, Labelled
from kerasllm.models.raw import BatchStream, is_raw, is_stream, plain

pytestmark = [pytest.mark.backends, pytest.mark.usefixtures("uncompiled")]
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's"
)


class Batches(keras.utils.PyDataset):
    """Examples, or the arrays of a classifier, in batches of 4, which counts its epochs."""

    def __init__(self, *parts):
        super().__init__()
        self.parts, self.epochs = parts, 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return tuple(part[4 * index : 4 * index + 4] for part in self.parts)

    def on_epoch_end(self):
        self.epochs += 1


def in_batches(small, raw=True, epochs=1):
    """Yield batches of 4 of the examples, or of their arrays."""
    parts = [small.x] if small.y is None else [small.x, small.y]
    for start in [0, 4] * epochs:
        batch = tuple(part[start : start + 4] for part in parts)
        yield batch if raw else small.task.preprocessor(*batch)


def trained(small, x, y=None, **options):
    """Return the task, trained for two epochs on what is given."""
    small.eagerly().fit(x, y, epochs=2, verbose=0, **options)
    return small.task


def tensors(small):
    """Return the examples of a shape as what a `tf.data.Dataset` is made of."""
    import tensorflow as tf

    if small.kind in ("tagger", "crf"):
        return tf.ragged.constant(small.x), tf.ragged.constant(small.y)
    if small.kind == "span":
        questions, contexts = map(list, zip(*small.x, strict=True))
        texts, starts = map(list, zip(*small.y, strict=True))
        return {"question": questions, "context": contexts}, {"text": texts, "start": starts}
    return small.x if small.y is None else (small.x, small.y)


def streams(small):
    """Yield streams of the raw examples, and the steps of an epoch where they do not say."""
    parts = (small.x,) if small.y is None else (small.x, small.y)
    yield in_batches(small, epochs=2), 2
    yield Batches(*parts), None
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        yield tf.data.Dataset.from_tensor_slices(tensors(small)).batch(4), None


def test_streams_train_as_lists_do(small, make_small, same_weights):
    expected = trained(small, small.x, small.y, batch_size=4, shuffle=False)
    for stream, steps in streams(small):
        task = trained(make_small(small.kind), stream, steps_per_epoch=steps)
        if small.kind != "masked":  # which hides what each draw says
            same_weights(task, expected, 1e-6)
        if isinstance(stream, Batches):
            assert stream.epochs >= 2


@pytest.mark.parametrize("kind", ["classifier", "causal"])
def test_a_generator_of_arrays_trains_as_they_do(kind, make_small, same_weights):
    one, other = make_small(kind), make_small(kind)
    stream = trained(one, in_batches(one, raw=False, epochs=2), steps_per_epoch=2)
    same_weights(stream, trained(other, *other.arrays, batch_size=4, shuffle=False), 1e-6)


def test_each_batch_of_a_stream_hides_other_tokens(make_small):
    def losses(seed):
        small = make_small("masked")
        keras.utils.set_random_seed(seed)
        task = small.eagerly(keras.optimizers.SGD(0.0))
        history = task.fit(Batches([*small.x] * 2), epochs=3, verbose=0)
        return history.history["loss"]

    first, again, other = losses(3), losses(3), losses(4)
    assert len(set(first)) == 3 and first == again != other


def test_a_py_dataset_of_arrays_is_keras_own(make_small, same_weights):
    small, bare = make_small("classifier"), make_small("classifier", raw=False)
    arrays = small.arrays
    one = trained(small, Batches(*arrays), shuffle=False)
    other = trained(bare, Batches(*arrays), shuffle=False)
    same_weights(one, other)
    found = one.evaluate(Batches(*arrays), verbose=0)
    assert found == pytest.approx(one.evaluate(small.x, small.y, verbose=0), abs=1e-6)
    assert one.predict(Batches(arrays[0]), verbose=0).shape == (7, 3)


def same_answers(found, expected):
    """Compare answers; batches of other sizes round their numbers in another way."""
    (words, numbers), (other_words, other_numbers) = map(_parted, (found, expected))
    assert words == other_words
    assert numbers == pytest.approx(other_numbers, abs=1e-6)


def _parted(answers):
    """Return answers as nests whose numbers are 0, and their numbers."""
    numbers = [x for x in keras.tree.flatten(answers) if isinstance(x, float)]
    words = keras.tree.map_structure(lambda x: 0 if isinstance(x, float) else x, answers)
    return words, numbers


def test_streams_are_scored_and_answered(small):
    task = small.eagerly()
    parts = (small.x,) if small.y is None else (small.x, small.y)
    wanted = task.evaluate(small.x, small.y, batch_size=4, verbose=0)
    if small.kind != "masked":
        assert task.evaluate(Batches(*parts), verbose=0) == pytest.approx(wanted, abs=1e-6)
    one = ((small.x[n : n + 1],) for n in (2, 1))
    same_answers(task.predict(one), task.predict([small.x[2], small.x[1]]))


def test_weights_and_class_weights_in_a_stream(make_small, same_weights):
    weights = np.array([1, 2, 3, 1, 0, 2, 1.0])
    small, again = make_small("classifier"), make_small("classifier")
    options = {"class_weight": {"yes": 3.0}}
    stream = Batches(small.x, small.y, weights)
    one = trained(small, stream, **options)
    listed = {"batch_size": 4, "shuffle": False, "sample_weight": weights}
    same_weights(one, trained(again, again.x, again.y, **listed, **options), 1e-6)


def test_what_a_stream_cannot_take_keras_refuses(make_small):
    small = make_small("classifier")
    with pytest.raises(ValueError, match="sample_weight"):
        small.eagerly().fit(Batches(small.x, small.y), sample_weight=np.ones(7), verbose=0)
    with pytest.raises(ValueError, match="validation_split"):
        small.eagerly().fit(Batches(small.x, small.y), validation_split=0.3, verbose=0)
    with pytest.raises(ValueError, match="expected batches of examples, the stream gave none"):
        small.eagerly().fit(iter(()), verbose=0)
    unknown = make_small("classifier", labels=None)
    with pytest.raises(ValueError, match="the classes are not known yet: give labels"):
        unknown.eagerly().fit(Batches(small.x, small.y), verbose=0)


# === tf.data ===


@on_tensorflow
def test_tf_data_of_ids_is_keras_own(make_small, same_weights):
    import tensorflow as tf

    small, again = make_small("causal"), make_small("causal")
    stream = tf.data.Dataset.from_tensor_slices(small.arrays).batch(4)
    arrays = trained(again, *again.arrays, batch_size=4, shuffle=False)
    same_weights(trained(small, stream), arrays)
    found = small.task.evaluate(stream, verbose=0)
    assert found == pytest.approx(small.task.evaluate(*small.arrays, 4, verbose=0), abs=1e-6)


@on_tensorflow
def test_tf_data_is_scored_answered_and_validates(make_small):
    import tensorflow as tf

    small, other = make_small("classifier"), make_small("classifier")
    task, stream = small.eagerly(), tf.data.Dataset.from_tensor_slices((small.x, small.y)).batch(4)
    wanted = task.evaluate(small.x, small.y, batch_size=4, verbose=0, return_dict=True)
    assert task.evaluate(stream, verbose=0, return_dict=True) == pytest.approx(wanted, abs=1e-6)
    same_answers(task.predict(stream), task.predict(small.x))
    history = task.fit(stream, epochs=2, validation_data=stream, verbose=0).history
    endless = other.eagerly().fit(stream.repeat(), epochs=2, steps_per_epoch=2, verbose=0)
    assert history["loss"] == pytest.approx(endless.history["loss"])
    after = task.evaluate(stream, verbose=0, return_dict=True)
    assert history["val_loss"][-1] == pytest.approx(after["loss"], abs=1e-6)


# === Validation ===


def validated(small, data, **options):
    """Return the losses of two validations, of training at a rate of 0."""
    task = small.eagerly(keras.optimizers.SGD(0.0))
    options = {"validation_data": data, "epochs": 2, "verbose": 0, **options}
    return task.fit(small.x, small.y, **options).history["val_loss"]


def test_validation_on_raw_examples_is_their_evaluation(small):
    x, y = small.x[:3], None if small.y is None else small.y[:3]
    weights = np.array([1.0, 2.0, 0.5])
    task, options = small.eagerly(), {"verbose": 0, "return_dict": True}
    loss = task.evaluate(x, y, sample_weight=weights, **options)["loss"]
    assert validated(small, (x, y, weights)) == pytest.approx([loss, loss], abs=1e-6)


def test_what_may_validate(make_small):
    small = make_small("classifier")
    loss = small.eagerly().evaluate(small.x, small.y, verbose=0, return_dict=True)["loss"]
    examples = [Labelled(*pair) for pair in zip(small.x, small.y, strict=True)]
    own = Dataset(examples, name="own", split="test", task="classification")
    for data in (own, (small.x, small.y), [small.x, small.y], small.arrays):
        assert validated(small, data) == pytest.approx([loss] * 2, abs=1e-6)
    loss = small.task.evaluate(small.x, small.y, 4, verbose=0, return_dict=True)["loss"]
    for data in (Batches(small.x, small.y), Batches(*small.arrays)):
        assert validated(small, data) == pytest.approx([loss] * 2, abs=1e-6)
    once = {"epochs": 1, "validation_steps": 2}
    assert validated(small, in_batches(small), **once) == pytest.approx([loss], abs=1e-6)
    texts = make_small("causal")
    loss = texts.eagerly().evaluate(texts.x, verbose=0)
    assert validated(texts, texts.x) == pytest.approx([loss] * 2, abs=1e-6)


@pytest.mark.parametrize("kind", ["classifier", "tagger", "span", "transformer", "causal"])
def test_a_split_holds_out_the_last_examples(kind, make_small, same_weights):
    one, other = make_small(kind), make_small(kind)
    cut, options = int(0.7 * len(one.x)), {"shuffle": False, "verbose": 0}
    split = one.eagerly().fit(one.x, one.y, validation_split=0.3, **options)
    parts = [(rows[:cut], rows[cut:]) for rows in (other.x, other.y) if rows is not None]
    train, held = zip(*parts, strict=True)
    given = other.eagerly().fit(*train, validation_data=held, **options)
    same_weights(one.task, other.task)
    for name, losses in split.history.items():
        assert losses == pytest.approx(given.history[name])


def test_a_split_of_weighted_examples(make_small):
    small, weights = make_small("classifier"), np.array([1, 2, 3, 1, 1, 2, 0.5])
    task = small.eagerly(keras.optimizers.SGD(0.0))
    history = task.fit(small.x, small.y, validation_split=0.4, sample_weight=weights, verbose=0)
    nats, _ = small.nats()
    for name, part in (("loss", slice(4)), ("val_loss", slice(4, 7))):
        expected = (nats * weights)[part].sum() / weights[part].sum()
        assert history.history[name][0] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"validation_split=0.9 of 3 examples leaves nothing"):
        task.fit(small.x[:3], small.y[:3], validation_split=0.9)


# === What is what ===


@pytest.mark.parametrize(
    ("x", "raw"),
    [
        ("a text", True), (["a text"], True), ([["two", "words"]], True), ([("q", "c")], True),
        ({"question": ["q"], "context": ["c"]}, True), (np.array(["a", "b"]), True),
        (np.array(["a", "b"], dtype=object), True), (np.array([b"a"], dtype=object), True),
        ([], True), ([1, 2], False), (np.array([[7, 8]]), False), ({"ids": np.ones(3)}, False),
        (None, False), (np.array([], dtype=object), False), ([[7, 8], [9]], False),
    ],
)  # fmt: skip
def test_raw_examples_are_told_from_arrays(x, raw):
    assert is_raw(x) == raw
    assert not is_stream(x)


def test_streams_are_told_from_arrays():
    assert is_stream(Batches([1])) and is_stream(iter([1])) and is_stream(n for n in [1])
    assert not is_stream(keras.ops.ones((2, 3))) and not is_stream(np.ones(3))


def test_arrays_of_texts_are_read_as_lists(make_small):
    small = make_small("classifier")
    texts, labels = np.array(small.x, dtype=object), np.array(small.y)
    wanted = small.eagerly().evaluate(small.x, small.y, verbose=0)
    assert small.task.evaluate(texts, labels, verbose=0) == pytest.approx(wanted)
    assert small.task.evaluate(tuple(small.x), labels, verbose=0) == pytest.approx(wanted)
    assert small.task.predict(texts[:1]) == small.task.predict(small.x[:1])
    assert plain({"a": (b"x", np.array(["y"]))}) == {"a": ("x", ["y"])}


def test_a_stream_of_known_and_of_unknown_length():
    assert BatchStream(Batches(["a"] * 7, [1] * 7)).count == 2
    stream = BatchStream(iter([(["a"], [1]), (["b"], [0])]))
    assert stream.count is None and stream.raw
    assert list(stream.batches()) == [(["a"], [1]), (["b"], [0])]
