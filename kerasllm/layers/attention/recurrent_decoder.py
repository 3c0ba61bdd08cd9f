"""The recurrent decoder of a translator: at each step it looks at the source again.

- A step is the same function in training (inside `keras.layers.RNN`) and in decoding.
- All that a step needs is in its state, the source's features included, so that rows of a beam can
  be gathered, and one compiled loop serves every batch.
"""

import keras
from keras import ops

from kerasllm.layers.attention.scores import SCORES, BahdanauAttention, LuongAttention
from kerasllm.layers.masking import keep_masks, lowest, masked_softmax
from kerasllm.layers.pooling import MaskedPooling

CELLS = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
ATTENTIONS = ("bahdanau", *SCORES)


@keras.saving.register_keras_serializable("kerasllm")
class AttentionCell(keras.layers.Layer):
    """One step of a recurrent decoder with attention and input feeding.

        s_t, h_t = cell([x_t; h̃_{t-1}], s_{t-1})          a stack of cells
        c_t, α_t = attention(h_t, source)
        h̃_t      = tanh([h_t; c_t] W_c + b_c)

    Args:
        units: H of each cell, and width of h̃.
        num_layers: cells on top of each other.
        cell: "lstm" or "gru".
        attention: "bahdanau", or a score of `LuongAttention`: "dot", "general", "concat".

    Call arguments:
        inputs: x_t (B, D).
        states: [h̃ (B, H), states of the cells (B, H) each, m (B, S, M), keys, hidden (B, S)], of
            which the last three do not change: the source's features, what queries are compared
            with, and -∞ where the source is padded, 0 elsewhere.

    Returns [h̃_t; α_t] (B, H + S) and the new states.

    Differences from the papers: Bahdanau et al. attend with s_{t-1} before the cell moves on and
    feed c_t to it; here both kinds of score follow Luong et al., who attend with h_t.

    Source: Luong et al. 2015, equation 5 and section 3.3; Bahdanau et al. 2015, appendix A.2.2.
    """

    def __init__(self, units, num_layers=1, cell="lstm", attention="general", **kwargs):
        super().__init__(**kwargs)
        self.units, self.num_layers = units, num_layers
        self.cell, self.attention = cell, attention
        policy = self.dtype_policy
        self.cells = [
            CELLS[cell](units, dtype=policy, name=f"{cell}_{n}") for n in range(num_layers)
        ]
        self.attend = (
            BahdanauAttention(units, dtype=policy, name="attention")
            if attention == "bahdanau"
            else LuongAttention(attention, dtype=policy, name="attention")
        )
        self.combine = keras.layers.Dense(units, activation="tanh", dtype=policy, name="combine")

    @property
    def states_per_layer(self):
        """Return 2 for an LSTM (h and c), 1 for a GRU."""
        return 2 if self.cell == "lstm" else 1

    @property
    def state_size(self):
        """Return the width of each state, as `keras.layers.RNN` asks for it."""
        return [self.units] * (1 + self.num_layers * self.states_per_layer) + [self.width] * 3

    def build(self, inputs_shape, source_shape):
        """Build the cells on [x; h̃], the attention on h and m, and W_c on [h; c]."""
        self.width, units = source_shape[-1], self.units
        for number, cell in enumerate(self.cells):
            cell.build((None, units if number else inputs_shape[-1] + units))
        self.attend.build((None, 1, units), source_shape)
        self.combine.build((None, units + self.width))

    def call(self, inputs, states, training=None):  # noqa: ARG002 - RNN asks for it
        """Return [h̃_t; α_t] and the new states."""
        fed, *cells, memory, keys, hidden = states
        x, new, count = ops.concatenate([inputs, fed], axis=-1), [], self.states_per_layer
        for number, cell in enumerate(self.cells):
            x, moved = cell(x, cells[number * count : (number + 1) * count])
            new += moved
        scores = self.attend.scores(x[:, None, :], keys)[:, 0]  # (B, S)
        weights = masked_softmax(scores, hidden == 0)
        context = ops.einsum("bs,bsm->bm", weights, memory)
        fed = self.combine(ops.concatenate([x, context], axis=-1))
        return ops.concatenate([fed, weights], axis=-1), [fed, *new, memory, keys, hidden]

    def get_config(self):
        """Return the settings that rebuild this cell."""
        names = ("units", "num_layers", "cell", "attention")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasllm")
class AttentionDecoder(keras.layers.Layer):
    """A recurrent decoder that reads a source through attention.

        s_0           = tanh([→m_S; ←m_1] W_0 + b_0)      where the encoder's two directions end
        h̃_t, α_t, s_t = step(x_t, h̃_{t-1}, s_{t-1}, m)    as in `AttentionCell`

    Args:
        units: H of each cell, and width of the features.
        num_layers: cells on top of each other.
        cell: "lstm" or "gru".
        attention: "bahdanau", "dot", "general" or "concat".

    Call arguments:
        inputs: x (B, T, D), the embedded target.
        source: m = [→m; ←m] (B, S, M), features of an encoder that reads in both directions.
        source_mask: real positions of the source (B, S).

    Returns the features h̃ (B, T, H) and the attention weights α (B, T, S).

    Differences from the papers: those of `AttentionCell`; s_0 reads both directions of the encoder,
    where Bahdanau et al. take the backward one alone.

    Source: Luong et al. 2015, section 3; Bahdanau et al. 2015, appendix A.2.2 (s_0).

        >>> x, source = keras.random.normal((2, 3, 5)), keras.random.normal((2, 7, 12))
        >>> features, weights = AttentionDecoder(13)(x, source=source)
        >>> features.shape, weights.shape
        (TensorShape([2, 3, 13]), TensorShape([2, 3, 7]))
    """

    def __init__(self, units, num_layers=1, cell="lstm", attention="general", **kwargs):
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {sorted(CELLS)}, received {cell!r}.")
        if attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {ATTENTIONS}, received {attention!r}.")
        self.options = {
            "units": units, "num_layers": num_layers, "cell": cell, "attention": attention
        }  # fmt: skip
        self.supports_masking = True

    def build(self, inputs_shape, source_shape):
        """Build the cell, and the projection to its first states."""
        policy = self.dtype_policy
        self.cell = AttentionCell(**self.options, dtype=policy, name="cell")
        self.cell.build(inputs_shape, source_shape)
        count = self.cell.num_layers * self.cell.states_per_layer
        self.last = MaskedPooling("last", dtype=policy, name="last")
        self.last.build((None, None, source_shape[-1] // 2))
        self.begin = keras.layers.Dense(
            count * self.cell.units, activation="tanh", dtype=policy, name="begin"
        )
        self.begin.build((None, source_shape[-1]))
        self.rnn = keep_masks(
            keras.layers.RNN(self.cell, return_sequences=True, dtype=policy, name="rnn")
        )
        self.rnn.build(inputs_shape)

    def call(self, inputs, source, source_mask=None, training=None):
        """Return the features (B, T, H) and the weights (B, T, S)."""
        states = self.initial_state(source, source_mask)
        y = self.rnn(inputs, initial_state=states, mask=None, training=training)
        return y[..., : self.cell.units], y[..., self.cell.units :]

    def initial_state(self, source, source_mask=None):
        """Return the states before the first token, as `AttentionCell` takes them."""
        dtype = self.compute_dtype
        hidden = ops.zeros_like(source[..., 0])
        if source_mask is not None:
            hidden = ops.where(source_mask, hidden, ops.cast(lowest(dtype), dtype))
        half = source.shape[-1] // 2
        last = self.last(source[..., :half], mask=source_mask)
        ends = ops.concatenate([last, source[:, 0, half:]], axis=-1)
        cells = ops.split(self.begin(ends), self.begin.units // self.cell.units, axis=-1)
        keys = self.cell.attend.keys(source)
        return [ops.zeros_like(cells[0]), *cells, source, keys, hidden]

    def step(self, x, states):
        """Return the features (B, H), the weights (B, S) and the new states after x (B, D)."""
        y, states = self.cell(x, states)
        return y[..., : self.cell.units], y[..., self.cell.units :], states

    def compute_mask(self, _inputs, mask=None, **_):
        """Pass on the mask of the target, with the features."""
        return mask

    def compute_output_shape(self, inputs_shape, source_shape):
        """Return (B, T, H) and (B, T, S)."""
        batch, length = inputs_shape[:2]
        return (batch, length, self.options["units"]), (batch, length, source_shape[1])

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {**super().get_config(), **self.options}
