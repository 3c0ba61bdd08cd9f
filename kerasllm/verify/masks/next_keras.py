"""Keras' recurrent layers as the next Keras makes them: they read a mask and do not pass it on.

- Keras 3.16 sets `supports_masking = False` on RNN (so on SimpleRNN, LSTM, GRU and ConvLSTM too),
  Bidirectional and TimeDistributed, and changes nothing else: `call` is handed the mask as before,
  then `Layer.__call__` warns, and what the layer returns has no mask.
- That one attribute is all that is set here; every other line that runs is the installed Keras'.
"""

import contextlib
import functools
import inspect
from unittest import mock

import keras

__all__ = ["recurrent_masks"]

CLASSES = (keras.layers.RNN, keras.layers.Bidirectional, keras.layers.TimeDistributed)


@contextlib.contextmanager
def recurrent_masks(kept=False):
    """Let Keras' recurrent layers lose the mask that they are given, or pass it on.

    It counts for the layers that are made inside of the block, by hand or by loading a model,
    whichever Keras is installed; they stay so behind it.

    Args:
        kept: False as in Keras 3.16, True as up to 3.15.

    Example:
        >>> with recurrent_masks(kept=False):
        ...     layer = keras.layers.LSTM(3)
        >>> layer.supports_masking
        False
    """
    with contextlib.ExitStack() as stack:
        for layer_class in CLASSES:
            made = _made(layer_class.__init__, kept)
            stack.enter_context(mock.patch.object(layer_class, "__init__", made))
        yield


def _made(init, kept):
    @functools.wraps(init)
    def made(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.supports_masking = kept

    made.__signature__ = inspect.signature(init)  # Keras looks at it when a layer is made
    return made
