"""What a task does beside a Keras model: it trains on, scores and answers raw examples."""

import math
from functools import partial

import keras
import numpy as np

from kerasllm.datasets.splits import WHY_MORE
from kerasllm.models.accumulation import Accumulating
from kerasllm.models.feeding import feed
from kerasllm.models.raw import BatchStream, is_raw, is_stream, plain
from kerasllm.text.batching import WeightedBatches
from kerasllm.utils.allocator import keep_buffers


class RawModel(Accumulating, keras.Model):
    """A Keras model whose `fit`, `evaluate` and `predict` also take raw examples.

    A subclass has a `preprocessor`, the methods `answers` and `prepare_for`, and gives its default
    optimizer a schedule (`_schedule`).
    """

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        *,
        sample_weight=None,
        class_weight=None,
        validation_data=None,
        validation_split=0.0,
        shuffle=True,
        steps_per_epoch=None,
        initial_epoch=0,
        validation_batch_size=None,
        **options,
    ):
        """Train as `keras.Model.fit` does, on raw examples or on arrays.

        Args:
            x: raw examples, a `Dataset`, arrays, or a stream of batches of either: `tf.data`, a
                generator, a `PyDataset`.
            y: raw targets, where x are raw examples.
            batch_size: examples a step; 32 when None.
            epochs: passes over the data.
            sample_weight: a weight for each example.
            class_weight: {class: weight}; classes by name or number.
            validation_data: (x, y) or (x, y, weights), raw or arrays, or a stream.
            validation_split: share of the examples, at their end, to validate on.
            shuffle: whether raw examples come in a new order in each epoch.
            steps_per_epoch: as in Keras.
            initial_epoch: as in Keras.
            validation_batch_size: examples a step of the validation.
            **options: of `keras.Model.fit`.

        Returns:
            The `History` of Keras.
        """
        keep_buffers()
        if not self.compiled:
            self.compile()
        given = {"x": x, "y": y, "batch_size": batch_size, "epochs": epochs, "shuffle": shuffle}
        given |= {"sample_weight": sample_weight, "class_weight": class_weight}
        given |= {"validation_data": validation_data, "validation_split": validation_split}
        given |= {"steps_per_epoch": steps_per_epoch, "initial_epoch": initial_epoch}
        if self._is_raw(x):
            given |= self._of_examples(**given)
        elif is_stream(x):
            given |= self._of_stream(x, shuffle, class_weight)
        if given["validation_data"] is not None:
            size = validation_batch_size or batch_size or 32
            given["validation_data"] = self._validation(given["validation_data"], size)
        if not self._scheduled:
            steps = given["steps_per_epoch"] or _steps(**given)
            self._schedule(steps and steps * (epochs - initial_epoch))
        return super().fit(**given, validation_batch_size=validation_batch_size, **options)

    def _of_examples(
        self, x, y, batch_size, shuffle, sample_weight, class_weight, validation_data,
        validation_split, steps_per_epoch, initial_epoch, **_,
    ):  # fmt: skip
        """Return the arguments of Keras' `fit` for raw examples."""
        data = self.preprocessor.dataset(plain(x), plain(y))
        self.prepare_for(data)
        if validation_split and validation_data is None:
            data, sample_weight, validation_data = _divided(data, sample_weight, validation_split)
        seed = _drawn_seed() if shuffle else None
        batches = self._batches(data, batch_size or 32, seed, sample_weight, class_weight)
        steps = steps_per_epoch or batches.steps_per_epoch
        nothing = ("y", "batch_size", "sample_weight", "class_weight")  # is left to say
        return {
            "x": feed(batches, initial_epoch * steps),
            "steps_per_epoch": steps,
            "shuffle": False,
            "validation_data": validation_data,
            "validation_split": 0.0,
            **dict.fromkeys(nothing),
        }

    def _of_stream(self, x, shuffle, class_weight):
        """Return the arguments of Keras' `fit` for batches, raw or not."""
        stream = self._stream(x)
        if not stream.raw:  # of which Keras can shuffle those of a PyDataset alone
            shuffle = shuffle and isinstance(x, keras.utils.PyDataset)
            return {"x": stream.source, "shuffle": shuffle}
        x = stream.arrays(partial(self._read, class_weight=class_weight, draw=True))
        return {"x": x, "class_weight": None, "shuffle": False}

    def evaluate(self, x=None, y=None, batch_size=None, *, sample_weight=None, **options):
        """Return the loss and the metrics as `keras.Model.evaluate` does, of raw examples too."""
        keep_buffers()
        in_fit = options.get("_use_cached_eval_dataset")  # whose validation is read already
        if not in_fit and self._is_raw(x):
            x = self._validation((x, y, sample_weight), batch_size or 32)
            y = batch_size = sample_weight = None
        elif not in_fit and is_stream(x):
            x = self._stream(x).arrays(self._read)
        options["sample_weight"] = sample_weight
        return super().evaluate(x, y, batch_size=batch_size, **options)

    def predict(self, x, batch_size=None, **options):
        """Return the answers to raw examples (see `answers`); of arrays what Keras returns."""
        keep_buffers()
        if self._is_raw(x):
            return self.answers(plain(x))
        if is_stream(x):
            stream = self._stream(x)
            if stream.raw:
                return [answer for batch in stream.batches() for answer in self.answers(batch[0])]
            x = stream.source
        return super().predict(x, batch_size=batch_size, **options)

    # === Inside ===

    def _is_raw(self, x):
        return is_raw(x) and self._has_preprocessor()

    def _has_preprocessor(self):
        if self.preprocessor is None:
            raise ValueError(
                "this model has no preprocessor and takes arrays, received raw examples: give "
                "token ids, or build it with a preprocessor."
            )
        return True

    def _stream(self, x):
        stream = BatchStream(x)
        if stream.raw:
            self._has_preprocessor()
        return stream

    def _validation(self, data, batch_size):
        """Return what is validated on as `fit` takes it: a stream of arrays, or arrays."""
        if is_stream(data):
            return self._stream(data).arrays(self._read)
        alone = not isinstance(data, list | tuple) or isinstance(data[0], str)
        x, y, weights = (*((data,) if alone else data), None, None)[:3]
        if not self._is_raw(x):
            return data
        dataset = self.preprocessor.dataset(plain(x), plain(y))
        batches = self._batches(dataset, batch_size, None, weights)
        return feed(batches, count=batches.steps_per_epoch)

    def _read(self, x, y=None, weights=None, class_weight=None, draw=False):
        """Return a raw batch as arrays; what is drawn at random is the same unless `draw`."""
        dataset, seed = self.preprocessor.dataset(x, y), _drawn_seed() if draw else None
        return self._batches(dataset, None, seed, weights, class_weight).batch(0)

    def _batches(self, data, batch_size, seed, weights=None, class_weight=None):
        batches = self.preprocessor.batches(data, batch_size, seed, weights)
        if not class_weight:
            return batches
        table = np.asarray(self.preprocessor.class_table(class_weight), "float32")
        if isinstance(batches, WeightedBatches):
            batches.table = table
            return batches
        return WeightedBatches(batches, table=table)


def _drawn_seed():
    """Return a seed drawn from NumPy's generator, which `keras.utils.set_random_seed` sets."""
    return int(np.random.randint(2**31 - 1))  # noqa: NPY002


def _steps(x, batch_size, validation_split, **_):
    """Return the steps of an epoch, None where the data do not say."""
    part = keras.tree.flatten(x)[0]
    if hasattr(part, "shape"):
        return math.ceil(int(part.shape[0] * (1 - validation_split)) / (batch_size or 32))
    try:
        return len(x)
    except (TypeError, NotImplementedError):
        return None


def _divided(data, weights, share):
    """Return (data, weights, (held-out data, None, weights)): the last examples are held out."""
    cut = int(len(data) * (1 - share))  # as Keras counts
    if not 0 < cut < len(data):
        raise ValueError(
            f"validation_split={share} of {len(data)} examples leaves nothing on one side: give "
            f"more examples, or another share; {WHY_MORE}."
        )
    parts = (None, None) if weights is None else (weights[:cut], weights[cut:])
    return data[:cut], parts[0], (data[cut:], None, parts[1])
