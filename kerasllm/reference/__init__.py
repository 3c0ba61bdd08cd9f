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

from kerasllm.reference.attention.additive_attention import *
from kerasllm.reference.attention.grouped_query_attention import *
from kerasllm.reference.attention.llama import *
from kerasllm.reference.attention.multi_head_attention import *
from kerasllm.reference.attention.multiplicative_attention import *
from kerasllm.reference.attention.positions import *
from kerasllm.reference.attention.scaled_dot_product import *
from kerasllm.reference.attention.transformer import *
from kerasllm.reference.elementary.activations import *
from kerasllm.reference.elementary.character_cnn import *
from kerasllm.reference.elementary.convolution import *
from kerasllm.reference.elementary.dense import *
from kerasllm.reference.elementary.dropout import *
from kerasllm.reference.elementary.embedding import *
from kerasllm.reference.elementary.feed_forward import *
from kerasllm.reference.elementary.lora import *
from kerasllm.reference.elementary.normalization import *
from kerasllm.reference.elementary.quantization import *
from kerasllm.reference.elementary.swiglu import *
from kerasllm.reference.recurrent.attention_decoder import *
from kerasllm.reference.recurrent.bidirectional import *
from kerasllm.reference.recurrent.gru import *
from kerasllm.reference.recurrent.lstm import *
from kerasllm.reference.recurrent.simple_rnn import *
from kerasllm.reference.recurrent.stack import *
from kerasllm.reference.sequence.bpe import *
from kerasllm.reference.sequence.crf import *
from kerasllm.reference.sequence.decoding import *
from kerasllm.reference.sequence.ngram import *
from kerasllm.reference.sequence.pointer_generator import *
from kerasllm.reference.training.accounting import *
from kerasllm.reference.training.audit import *
from kerasllm.reference.training.clipping import *
from kerasllm.reference.training.contrast import *
from kerasllm.reference.training.evaluation import *
from kerasllm.reference.training.head import *
from kerasllm.reference.training.losses import *
from kerasllm.reference.training.matrix_optimizers import *
from kerasllm.reference.training.optimizers import *
from kerasllm.reference.training.schedules import *
from kerasllm.reference.training.updates import *

# Functions and traces, not the modules beside them.
__all__ = [name for name in dir() if not name.startswith("_") and callable(globals()[name])]
