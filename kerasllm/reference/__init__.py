"""The equations of language models in NumPy: forward, and backward by hand.

    output, trace = lstm(x, *layer.get_weights())     # weights as Keras lays them out
    trace.f[0, 3]                                     # every symbol of the equation, at every step
    grads = lstm_backward(d_output, trace)            # grads.d_x, grads.d_kernel, …

Every function returns its output and a trace, a frozen NamedTuple with each symbol that the
equation names. `NAME_backward` takes the gradient of the output and the trace, and returns the
gradient of every argument, `d_` in front of its name. There is no state and no randomness: what an
equation needs is an argument. Results have the arguments' float dtype.

Shapes, by single letters:

    B  batch: texts side by side           H  units of a layer
    T  time: steps, or queries             N  heads of an attention
    S  steps that are looked at: keys      K  size of a key or of a query
    D  features of a step                  V  vocabulary: different tokens

Masks are boolean and True where a token is real, or may be seen. Padding is on the right, id 0.
"""
# ruff: noqa: F403

from .activations import *
from .additive_attention import *
from .attention import *
from .bidirectional import *
from .bpe import *
from .contrast import *
from .crf import *
from .decoding import *
from .dense import *
from .dropout import *
from .embedding import *
from .feed_forward import *
from .gru import *
from .losses import *
from .lstm import *
from .multi_head_attention import *
from .multiplicative_attention import *
from .ngram import *
from .normalization import *
from .optimizers import *
from .positions import *
from .schedules import *
from .simple_rnn import *
from .stack import *
from .transformer import *

# Functions and traces, not the modules beside them.
__all__ = [name for name in dir() if not name.startswith("_") and callable(globals()[name])]
