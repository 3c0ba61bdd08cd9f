"""What a user gives to `fit` and its like: raw examples, streams of them, or arrays."""

import itertools

import keras
import numpy as np

from kerasllm import datasets
from kerasllm.models.feeding import as_dataset


def is_raw(x):
    """Return whether x are raw examples: texts, or lists, pairs, dicts or arrays of texts.

    Example:
        >>> is_raw(["a text"]), is_raw([("who?", "Ada.")]), is_raw(np.array([[7, 8]]))
        (True, True, False)
    """
    if isinstance(x, datasets.Dataset | datasets.Conversation | str | bytes):
        return True
    if isinstance(x, dict):
        return any(is_raw(part) for part in x.values())
    if isinstance(x, list | tuple):
        return not x or is_raw(x[0])
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind == "O":
        values = np.asarray(x, dtype=object)
        return values.size > 0 and is_raw(values.flat[0])
    return kind in ("U", "S") or str(getattr(x, "dtype", "")) == "<dtype: 'string'>"


def is_stream(x):
    """Return whether x gives batches: a `tf.data.Dataset`, a generator, a `PyDataset` or the like.

    Example:
        >>> is_stream(iter([1])), is_stream(np.zeros(3)), is_stream(["a text"])
        (True, False, False)
    """
    if isinstance(x, keras.utils.PyDataset):
        return True
    if isinstance(x, datasets.Dataset | str | bytes | dict | list | tuple):
        return False
    return hasattr(x, "__iter__") and not hasattr(x, "shape")


def plain(x):
    """Return tensors and arrays of texts as lists of str; anything else as it is.

    Example:
        >>> plain(np.array([b"a", "b"], dtype=object)), plain(({"x": np.array(["c"])}, [1]))
        (['a', 'b'], ({'x': ['c']}, [1]))
    """
    if isinstance(x, bytes):
        return x.decode("utf-8")
    if isinstance(x, dict):
        return {name: plain(part) for name, part in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(plain(part) for part in x)
    if type(x).__name__ == "RaggedTensor":
        return plain(x.to_list())
    if hasattr(x, "dtype") and is_raw(x):
        return plain(np.asarray(x).tolist())
    return np.asarray(x) if hasattr(x, "dtype") and not isinstance(x, np.ndarray) else x


class BatchStream:
    """Batches as a user gives them: raw ones are read into arrays, others pass as they are.

    Args:
        x: gives batches (inputs,), (inputs, targets) or (inputs, targets, weights).

    Attributes:
        raw: whether the batches are raw examples.

        >>> stream = BatchStream(iter([(["a text"], [1]), (["another"], [0])]))
        >>> stream.raw, [len(batch) for batch in stream.batches()]
        (True, [2, 2])
    """

    def __init__(self, x):
        self.source = x
        if isinstance(x, keras.utils.PyDataset):
            first = x[0]
        else:
            iterator = iter(x)
            first = next(iterator, None)
            if iterator is x:  # a generator, which can be read once: Keras takes no other iterator
                self.source = (batch for batch in itertools.chain([first], iterator))
        if first is None:
            raise ValueError("expected batches of examples, the stream gave none.")
        self.first = _parts(first)
        self.raw = is_raw(self.first[0])

    @property
    def count(self):
        """Return how many batches an epoch has, None where the source does not say."""
        try:
            return len(self.source)
        except (TypeError, NotImplementedError):
            return None

    def batches(self):
        """Yield the batches of an epoch, in parts and as lists and arrays."""
        if not isinstance(self.source, keras.utils.PyDataset):
            yield from (plain(_parts(batch)) for batch in self.source)
            return
        yield from (plain(_parts(self.source[number])) for number in range(len(self.source)))
        self.source.on_epoch_end()

    def arrays(self, read):
        """Return what `fit` takes.

        Args:
            read: (inputs, targets, weights) of a raw batch, as far as there are, to arrays.
        """
        if not self.raw:
            return self.source
        if keras.backend.backend() == "tensorflow":
            example = read(*plain(self.first))
            return as_dataset(lambda: (read(*b) for b in self.batches()), example, self.count)
        if self.count is None:
            return (read(*batch) for batch in self.batches())
        return _Read(self, read)


class _Read(keras.utils.PyDataset):
    """The batches of a raw `BatchStream`, which are asked for in their order, read into arrays."""

    def __init__(self, stream, read):
        super().__init__()
        self.stream, self.read, self.batches = stream, read, None

    def __len__(self):
        return self.stream.count

    def __getitem__(self, index):
        if index == 0:
            self.batches = self.stream.batches()
        return self.read(*next(self.batches))

    def on_epoch_end(self):
        if isinstance(self.stream.source, keras.utils.PyDataset):
            self.stream.source.on_epoch_end()


def _parts(batch):
    return batch if isinstance(batch, tuple) else (batch,)
