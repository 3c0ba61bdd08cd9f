"""Stacks of recurrent layers, in one direction or two."""

import keras

from kerasllm.layers.recurrent.bidirectional import Bidirectional
from kerasllm.layers.recurrent.gru import GRU
from kerasllm.layers.recurrent.lstm import LSTM
from kerasllm.layers.recurrent.simple_rnn import SimpleRNN

CELLS = {"simple": SimpleRNN, "lstm": LSTM, "gru": GRU}


@keras.saving.register_keras_serializable("kerasllm")
class StackedRNN(keras.layers.Layer):
    """A stack of recurrent layers, each reading the sequence of states of the one below.

        h^0_t     = x_t
        h^l_t, s^l_t = cell^l(dropout(h^{l-1}_t), s^l_{t-1})       l = 1 … num_layers
        h^l_t     = h^l_t + h^{l-1}_t                              residual=True, equal widths

    Padded positions leave the states as they are. Each layer is handed the mask of the inputs.

    Args:
        units: H, of each direction.
        num_layers: depth.
        cell: "simple", "lstm" or "gru".
        bidirectional: read in both directions and concatenate: features (B, T, 2H).
        dropout: share of the features between two layers set to 0 in training.
        residual: add a layer's input to its output where their widths are equal.

    Call arguments:
        inputs: x (B, T, D).
        mask: real positions (B, T).
        initial_state: a list with the list of states of each layer.
        return_state: return (features, states) with the states after the last position.

    Differences from the papers: Graves et al. have no residual connections, and no dropout.
    Differences from `keras.layers.RNN` of a list of cells: each layer reads the whole text in a
    loop of its own, which cuDNN can run; residual connections; a state is given and returned as a
    list a layer; the mask is passed on with every Keras (from 3.16 on, Keras' own layers lose it).

    Source: Graves et al. 2013 (stacks); Schuster and Paliwal 1997 (two directions).

        >>> StackedRNN(7, num_layers=2, cell="gru")(keras.random.normal((2, 5, 3), seed=1)).shape
        TensorShape([2, 5, 7])
    """

    def __init__(
        self,
        units,
        num_layers=1,
        cell="lstm",
        bidirectional=False,
        dropout=0.0,
        residual=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {sorted(CELLS)}, received {cell!r}.")
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, received {num_layers}.")
        self.units = units
        self.num_layers = num_layers
        self.cell = cell
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.residual = residual
        self.supports_masking = True

    def build(self, input_shape):
        """Build the layers, the first on D features and the others on H or 2H."""
        shape, policy = tuple(input_shape), self.dtype_policy
        self.layers, self.dropouts = [], []
        for number in range(self.num_layers):
            layer = CELLS[self.cell](
                self.units,
                return_sequences=True,
                return_state=not self.bidirectional,
                dtype=policy,
                name=f"{self.cell}_{number}",
            )
            if self.bidirectional:
                layer = Bidirectional(layer, dtype=policy, name=f"both_{number}")
            layer.build(shape)
            rate = self.dropout if number else 0.0  # the embedding below has a dropout of its own
            self.dropouts.append(keras.layers.Dropout(rate, dtype=policy, name=f"dropout_{number}"))
            self.layers.append(layer)
            shape = self.compute_output_shape(shape)

    def call(self, inputs, mask=None, initial_state=None, return_state=False, training=None):
        """Return the features (B, T, H or 2H), with the last states where asked for."""
        if self.bidirectional and (initial_state is not None or return_state):
            raise ValueError(
                "a bidirectional stack has no state to carry on: its backward half reads the text "
                "from its end. Build it with bidirectional=False."
            )
        if initial_state is not None and len(initial_state) != self.num_layers:
            raise ValueError(
                f"initial_state must be a list of {self.num_layers} states, one a layer, received "
                f"{len(initial_state)}: pass on what return_state=True or initial_state() returned."
            )
        x, states = inputs, []
        for number, (layer, dropout) in enumerate(zip(self.layers, self.dropouts, strict=True)):
            start = {} if initial_state is None else {"initial_state": initial_state[number]}
            y = layer(dropout(x, training=training), mask=mask, training=training, **start)
            if not self.bidirectional:
                y, *state = y
                states.append(state)
            x = x + y if self.residual and x.shape[-1] == y.shape[-1] else y
        return (x, states) if return_state else x

    def initial_state(self, batch_size):
        """Return the states before the first token: zeros, a list for each layer."""
        per_layer = 2 if self.cell == "lstm" else 1
        zeros = keras.ops.zeros((batch_size, self.units), dtype=self.compute_dtype)
        return [[zeros] * per_layer for _ in range(self.num_layers)]

    def compute_mask(self, _inputs, mask=None, **_):
        """Pass on the mask."""
        return mask

    def compute_output_shape(self, input_shape):
        """Return (B, T, H), or (B, T, 2H) for two directions."""
        return (*input_shape[:2], self.units * (2 if self.bidirectional else 1))

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "num_layers": self.num_layers,
            "cell": self.cell,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
            "residual": self.residual,
        }


@keras.saving.register_keras_serializable("kerasllm")
class BiLSTM(StackedRNN):
    """A stack of LSTMs that read in both directions: features (B, T, 2H).

        h_t = [→h_t ; ←h_t]

    Args: as in `StackedRNN`, whose cell and directions it fixes.

    Differences from `keras.layers.Bidirectional`: it is a stack, with dropout between the layers.

    Source: Graves and Schmidhuber 2005.

        >>> BiLSTM(7)(keras.random.normal((2, 5, 3), seed=1)).shape
        TensorShape([2, 5, 14])
    """

    def __init__(self, units, num_layers=1, dropout=0.0, residual=False, **kwargs):
        super().__init__(
            units,
            num_layers,
            cell="lstm",
            bidirectional=True,
            dropout=dropout,
            residual=residual,
            **kwargs,
        )

    def get_config(self):
        """Return the settings that rebuild this layer."""
        config = super().get_config()
        del config["cell"], config["bidirectional"]
        return config
