"""Which layers lose the mask of padding, and who reads padding for text because of it.

- The model runs once on real inputs; every call of a layer or operation of its graph is watched.
- A layer that reads a mask and returns no steps (an LSTM that returns its last state) has used it
  up. One that returns steps without their mask loses it, whether it reads it or not: a layer after
  it that asks for a mask is handed none, and a loss of Keras counts padded steps.
- From Keras 3.16 on, its RNN, LSTM, GRU, Bidirectional and TimeDistributed lose masks.
"""

import contextlib
import inspect
import warnings

import keras

from kerasllm.verify.comparison.backend import to_numpy
from kerasllm.verify.twins import graph
from kerasllm.verify.twins.task_losses import has_own_loss

__all__ = ["LostMask", "keras_silent", "lost_masks"]

RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)


class LostMask:
    """A layer that is given the mask of padded steps and does not pass it on, or does not read it.

    Attributes:
        operation: the layer, or the operation of `keras.ops`.
        giver: name of the layer that the mask comes from.
        ignores: whether it may read padding as text itself, because its `call` gets no mask.
        readers: the layers after it that ask for a mask and are handed none.
        outputs: places of the model's outputs that have lost it, where a loss of Keras reads them.
    """

    def __init__(self, operation, giver, ignores):
        self.operation, self.giver, self.ignores = operation, giver, ignores
        self.readers, self.outputs = [], []

    @property
    def harms(self):
        """Whether padding may be read as text, by this layer or because of it."""
        return bool(self.ignores or self.readers or self.outputs)

    def who_reads(self, operations=None, output=None):
        """Return who reads padding as text after this layer, in words; "" if nobody does.

        Args:
            operations: ids of those that count; all if left out.
            output: place of the output that counts; all if left out.
        """
        counted = [r for r in self.readers if operations is None or id(r) in operations]
        names = list(dict.fromkeys(reader.name for reader in counted))
        verb = "read" if len(names) > 1 else "reads"
        said = [f"{' and '.join(names)} {verb} padding as text"] if names else []
        if self.outputs if output is None else output in self.outputs:
            said.append("a loss of Keras counts padded steps")
        return ", ".join(said)

    @property
    def cure(self):
        """What to do about it."""
        if isinstance(self.operation, RECURRENT) and not self.ignores:
            return (
                "Put kerasllm.layers.StackedRNN or BiLSTM in its place, or hand the mask on "
                "yourself: call the layers after it with mask=..., and fit with sample_weight."
            )
        if isinstance(self.operation, keras.layers.TimeDistributed):
            return "Leave TimeDistributed out where its layer, such as Dense, takes steps anyway."
        if _merges(self.operation):
            return (
                "It passes a mask on only if each of its inputs has one, and Keras' "
                "MultiHeadAttention takes it off its inputs: kerasllm's leaves it."
            )
        if _asks(inspect.signature(self.operation.call)):
            return "Call it with mask=...: Keras hands none to a call with several tensors."
        return (
            "Use a layer that reads masks or passes them on, such as "
            "kerasllm.layers.MaskedPooling or keras.layers.Add."
        )

    def __str__(self):
        kind = "" if isinstance(self.operation, keras.Layer) else "operation "
        name = f"{self.operation.name} ({kind}{type(self.operation).__name__})"
        if who := self.who_reads():
            return f"{name} loses the mask that {self.giver} gives: {who}. {self.cure}"
        given = f"{name} ignores the mask that {self.giver} gives"
        return f"{given} and may read padding as text. {self.cure}"


@contextlib.contextmanager
def keras_silent():
    """Leave out Keras' own warning of a lost mask, where a report says more."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*destroy the mask", category=UserWarning)
        yield


def lost_masks(model, inputs):
    """Return the masks that a model loses on the way.

    Args:
        model: Sequential or functional, models inside of it included.
        inputs: tensors, nested as `model(...)` takes them, with padded steps among them: a mask
            that hides nothing is not missed.

    Returns:
        A `LostMask` for each call that loses or ignores one and may do harm by it.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = 2 * keras.layers.Embedding(11, 5, mask_zero=True, name="words")(ids)
        >>> model = keras.Model(ids, keras.layers.GRU(3, name="reader")(x))
        >>> (lost,) = lost_masks(model, keras.ops.convert_to_tensor([[3, 4, 0]]))
        >>> lost.giver, lost.who_reads()
        ('words', 'reader reads padding as text')
    """
    watch = _Watch()
    with watch.over(graph.operations(model)), keras_silent():
        outputs = model(inputs, training=False)
    if not has_own_loss(model):
        watch.read_by_loss(keras.tree.flatten(outputs))
    return [lost for lost in watch.lost if lost.harms]


class _Watch:
    """Follow the masks through the calls of a model while it runs."""

    def __init__(self):
        self.lost = []
        self._givers = {}  # {id(tensor): name of the layer that its mask comes from}
        self._losers = {}  # {id(tensor): LostMask}, of steps that have lost their mask
        self._calls = []  # kept, with their tensors: an id may be given to another one later

    @contextlib.contextmanager
    def over(self, operations):
        """Watch the calls of these layers and operations."""
        for operation in operations:
            operation.__dict__["call"] = self._watched(operation, operation.call)
        try:
            yield
            self._settle()
        finally:
            for operation in operations:
                operation.__dict__.pop("call", None)

    def _watched(self, operation, call):
        signature = inspect.signature(call)

        def watched(*args, **kwargs):
            self._settle()
            made = _Call(operation, signature, signature.bind(*args, **kwargs).arguments)
            made.output = call(*args, **kwargs)
            self._calls.append(made)
            return made.output

        return watched

    def _settle(self):
        """Look at the last call, now that Keras has put the masks on what it returned."""
        if not self._calls or self._calls[-1].settled or not self._calls[-1].settle():
            return
        call = self._calls[-1]
        givers = [self._givers.get(id(x), "an earlier layer") for x in call.masked]
        giver = (givers or [call.operation.name])[0]
        self._givers.update((id(x), giver) for x in call.outputs)
        bare = [x for x in call.tensors if id(x) in self._losers]
        loser = self._losers[id(bare[0])] if bare else None
        if call.masked and (call.is_unread(call.masked) or call.loses):
            loser = LostMask(call.operation, giver, call.may_read_padding)
            self.lost.append(loser)
        elif bare and call.is_unread(bare):
            loser.readers.append(call.operation)
        if loser and not call.passed_on:
            self._losers.update((id(x), loser) for x in call.steps)

    def read_by_loss(self, outputs):
        """Note which outputs of the model have lost their mask."""
        for place, output in enumerate(outputs):
            if lost := self._losers.get(id(output)):
                lost.outputs.append(place)


class _Call:
    """A call of a layer or operation: what goes in with masks, and what comes out."""

    def __init__(self, operation, signature, arguments):
        self.operation, self.settled, self.output = operation, False, None
        self.asks = _asks(signature)
        self.given = {k: _flat(x) for k, x in arguments.items() if k not in self.asks}
        self.handed = {name for name in self.asks if _flat(arguments.get(name))}
        self.tensors = [x for flat in self.given.values() for x in flat if hasattr(x, "shape")]
        self.masked = [x for x in self.tensors if _is_padded(_mask(x))]

    def settle(self):
        """Look at the output; return whether it has features: masks are computed by calls too."""
        self.settled, self.outputs = True, _flat(self.output)
        floats = [x for x in self.outputs if keras.backend.is_float_dtype(x.dtype)]
        self.steps = [x for x in floats if len(x.shape) > 2]
        self.passed_on = any(_mask(x) is not None for x in self.outputs)
        return bool(floats)

    def is_unread(self, tensors):
        """Return whether the layer asks for the mask of one of these tensors and gets none."""
        for place, (name, values) in enumerate(self.given.items()):
            wanted = {f"{name}_mask", *(["mask"] if place == 0 else [])} & set(self.asks)
            if wanted and not wanted & self.handed and any(x is y for x in values for y in tensors):
                return True
        return False

    @property
    def loses(self):
        """Whether it is given a mask that is neither used up nor passed on."""
        believed = getattr(self.operation, "supports_masking", False)
        if self.passed_on or (believed and not _merges(self.operation)):
            return False
        return bool(self.steps) or not self.handed

    @property
    def may_read_padding(self):
        """Whether it mixes steps without a mask; arithmetic takes each step by itself."""
        arithmetic = self.steps and not isinstance(self.operation, keras.Layer)
        return not (self.handed or arithmetic or _merges(self.operation))


def _asks(signature):
    """Return the names of the masks that a `call` asks for."""
    return [name for name in signature.parameters if name.endswith("mask")]


def _merges(operation):
    return hasattr(operation, "_merge_function")


def _flat(nest):
    return [x for x in keras.tree.flatten(nest) if x is not None]


def _mask(tensor):
    return getattr(tensor, "_keras_mask", None)


def _is_padded(mask):
    return mask is not None and not to_numpy(mask).all()
