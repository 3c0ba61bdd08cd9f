"""Random models of the layers, operations, losses and optimizers that the twin claims to know.

A model follows from its seed. What it is made of stands in the tables below; a row is a function
of a `Draw` and of a tensor (two for those that merge). Options that the twin does not know are
drawn too: it has to refuse them.
"""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from kerasllm import layers as ours

B, T, V = 5, 3, 7
TRAINED = keras.losses


class Draw:
    """Random choices."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def of(self, *choices):
        """Return one of the choices."""
        return choices[self.rng.integers(len(choices))]

    def flag(self, share=0.5):
        """Return True in this share of all cases."""
        return bool(self.rng.random() < share)

    def units(self):
        """Return a number of units."""
        return int(self.rng.integers(2, 6))


ACTIVATIONS = (None, "relu", "tanh", "sigmoid", "softmax", "gelu", "log_softmax", "elu", "linear")


def dense(d, x):
    return L.Dense(d.units(), activation=d.of(*ACTIVATIONS), use_bias=d.flag())(x)


def _rnn(d, units, sequences):
    kind = d.of(L.SimpleRNN, L.LSTM, L.GRU)
    options = {"use_bias": d.flag(0.7), "return_sequences": sequences, "unroll": d.flag(0.1)}
    if kind is L.SimpleRNN:
        options["activation"] = d.of("tanh", "relu", "sigmoid", "linear", "softmax")
    elif d.flag(0.1):
        options["recurrent_activation"] = "hard_sigmoid"
    if kind is L.GRU:
        options["reset_after"] = d.flag()
    return kind(units, **options, zero_output_for_mask=d.flag(0.2))


def recurrent(d, x, sequences=True):
    layer = _rnn(d, d.units(), sequences)
    layer.go_backwards = d.flag(0.2)
    return layer(x)


def cells(d, x, sequences=True):
    kinds = [d.of(L.LSTMCell, L.GRUCell, L.SimpleRNNCell)(d.units()) for _ in range(2)]
    return L.RNN(kinds, return_sequences=sequences, go_backwards=d.flag(0.3))(x)


def bidirectional(d, x, sequences=True):
    layer, mode = _rnn(d, d.units(), sequences), d.of("concat", "sum", "mul", "ave")
    other = None
    if d.flag(0.2):  # perhaps one that the forward layer does not fit
        other = type(layer)(
            layer.units, use_bias=d.flag(), return_sequences=sequences, go_backwards=True
        )
    return L.Bidirectional(layer, merge_mode=mode, backward_layer=other)(x)


def step_by_step(d, x):
    return L.TimeDistributed(L.Dense(d.units(), activation=d.of("tanh", "softmax")))(x)


def convolution(d, x):
    options = {"strides": d.of(1, 1, 2), "padding": d.of("same", "valid", "causal")}
    if d.flag(0.2):
        options |= {"strides": 1, "dilation_rate": 2, "padding": "same"}
    activation = d.of(None, "relu", "softmax", "sigmoid")
    return L.Conv1D(
        d.units(), d.of(1, 2, 3), activation=activation, use_bias=d.flag(0.8), **options
    )(x)


def normalization(d, x):
    kind = d.of(L.LayerNormalization, L.RMSNormalization, L.BatchNormalization)
    if kind is L.RMSNormalization:
        return kind(epsilon=d.of(1e-6, 1e-2))(x)
    options = {"momentum": d.of(0.9, 0.5)} if kind is L.BatchNormalization else {}
    if d.flag(0.1):
        options["axis"] = 1
    return kind(center=d.flag(0.8), scale=d.flag(0.8), epsilon=d.of(1e-3, 1e-2), **options)(x)


def bend(d, x):
    return d.of(
        L.ReLU(), L.ELU(alpha=d.of(1.0, 0.3)), L.ReLU(max_value=1.0), L.LeakyReLU(0.2),
        L.PReLU("normal", shared_axes=[1] if len(x.shape) == 3 and d.flag() else None),
        L.Softmax(axis=d.of(-1, 1)), L.Activation(d.of(*ACTIVATIONS[1:])), L.Identity(),
        L.Dropout(0.0), L.SpatialDropout1D(0.0) if len(x.shape) == 3 else L.Dropout(0.0),
        L.ActivityRegularization(l1=0.01, l2=0.1),
    )(x)  # fmt: skip


def operation(d, x):
    return d.of(
        lambda: 2.0 * x - 1.0, lambda: x / 3.0 + x * x, lambda: ops.tanh(x), lambda: ops.relu(x),
        lambda: ops.softmax(x, axis=d.of(-1, 1)), lambda: ops.sigmoid(x), lambda: -x,
        lambda: x - ops.mean(x, axis=-1, keepdims=True), lambda: ops.log_softmax(x, axis=1),
        lambda: ops.concatenate([x, x], axis=-1), lambda: x[..., ::-1], lambda: ops.abs(x),
    )()  # fmt: skip


def self_attention(d, x):
    layer = L.MultiHeadAttention(
        d.of(1, 2),
        d.of(2, 3),
        value_dim=d.of(None, 2),
        use_bias=d.flag(),
        output_shape=d.of(None, 3),
    )
    causal = {"use_causal_mask": d.flag(0.3)}
    return d.of(
        lambda: layer(x, x, **causal), lambda: layer(x, x, x, **causal),
        lambda: layer(query=x, key=x * 2.0, value=x, **causal), lambda: layer(x, value=x, key=x),
    )()  # fmt: skip


def grouped_attention(d, x):
    layer = L.GroupQueryAttention(
        d.of(2, 3), 4, d.of(1, 2, 4), use_bias=d.flag(),
        **({"use_gate": True} if d.flag(0.1) else {}),
    )  # fmt: skip
    return d.of(
        lambda: layer(x, x, use_causal_mask=d.flag(0.3)), lambda: layer(x, x, x),
        lambda: layer(query=x, key=x * 2.0, value=x),
    )()  # fmt: skip


def project_layer(d, x):
    width = x.shape[-1]
    return d.of(
        # Not "gelu_tanh": on TensorFlow it has constants of float32 in it.
        lambda: ours.FeedForward(3, d.of("relu", "gelu"))(x),
        lambda: ours.MultiHeadAttention(1, causal=d.flag(), use_bias=d.flag())(x),
        lambda: ours.MultiHeadAttention(1)(x, source=x),
        lambda: ours.TransformerEncoder(1, 3, norm=d.of("pre", "post"))(x),
        lambda: ours.StackedRNN(width, 2, d.of("simple", "lstm", "gru"), residual=d.flag())(x),
        lambda: ours.BiLSTM(d.units())(x), lambda: ours.BahdanauAttention(3)(x),
        lambda: ours.LuongAttention(d.of("dot", "general", "concat"), 3)(x),
    )()  # fmt: skip


def pool(d, x):
    return d.of(
        lambda: L.GlobalAveragePooling1D()(x), lambda: L.GlobalMaxPooling1D()(x),
        lambda: L.Flatten()(x), lambda: recurrent(d, x, False), lambda: bidirectional(d, x, False),
        lambda: cells(d, x, False), lambda: x[:, 0],
        lambda: ops.mean(x, axis=1), lambda: ops.sum(x, axis=1),
        lambda: ours.MaskedPooling(d.of("mean", "max", "last", "first", "attention"))(x),
    )()  # fmt: skip


def repeat(d, x):
    return L.RepeatVector(T)(x)


def merge(d, a, b):
    """Join two tensors of one shape."""
    return d.of(
        lambda: L.Add()([a, b]), lambda: L.Subtract()([a, b]), lambda: L.Multiply()([a, b]),
        lambda: L.Average()([a, b]), lambda: L.Maximum()([a, b]), lambda: L.Minimum()([a, b]),
        lambda: L.Concatenate(axis=d.of(-1, 1))([a, b]), lambda: a * b, lambda: a + b,
        lambda: L.Dot(axes=d.of(-1, 1), normalize=d.flag())([a, b]),
        lambda: L.Concatenate()([a, b]),
    )()  # fmt: skip


def attend(d, a, b):
    """Look from one sequence at another."""
    layer = d.of(L.Attention, L.AdditiveAttention)
    options = {"use_scale": d.flag()}
    if layer is L.Attention:
        options["score_mode"] = d.of("dot", "concat")
    inputs = d.of([a, b], [a, b, a * 2.0])
    return layer(**options)(inputs, use_causal_mask=d.flag(0.2))


STEPS = (
    dense, dense, recurrent, recurrent, cells, bidirectional, step_by_step, convolution,
    normalization, bend, bend, operation, operation, self_attention, grouped_attention,
    project_layer,
)  # fmt: skip
VECTORS = (dense, dense, normalization, bend, operation)


def build(seed):
    """Return (model, inputs, targets, sample weights) of a seed; the model is compiled."""
    keras.utils.set_random_seed(seed % 2**31)
    d = Draw(seed)
    source, x, batch = _input(d)
    for _ in range(d.rng.integers(1, 4)):
        y = d.of(*STEPS)(d, x)
        if d.flag(0.3) and y.shape[1:] == x.shape[1:] and x.shape[1:2] == (T,):
            y = merge(d, y, x)
        elif d.flag(0.15) and len(y.shape) == 3 and y.shape[-1] == x.shape[-1]:
            y = attend(d, y, x)
        x = y if len(y.shape) == 3 else repeat(d, y)
    if d.flag(0.6):
        x = pool(d, x)
        for _ in range(d.rng.integers(0, 3)):
            x = d.of(*VECTORS)(d, x)
    heads = [_head(d, x) for _ in range(d.of(1, 1, 1, 2))]
    outputs = [y for y, *_ in heads]
    model = keras.Model(source, outputs[0] if len(outputs) == 1 else outputs)
    model.set_weights([_weights(d, v) for v in model.weights])
    return _compiled(d, model, heads), batch, *_targets(d, heads)


def _weights(d, variable):
    drawn = 0.7 * d.rng.standard_normal(variable.shape)
    return np.abs(drawn) + 0.5 if "variance" in variable.path else drawn


def _input(d):
    kind = d.of("ids", "ids", "float ids", "features", "vectors")
    if "ids" in kind:
        source = keras.Input((T,), **({"dtype": "int32"} if kind == "ids" else {}))
        ids = d.rng.integers(1, V, (B, T)) * (np.arange(T) < d.rng.integers(1, T + 1, (B, 1)))
        ids[0] = d.rng.integers(1, V, T)
        options = {
            "mask_zero": d.flag(0.7),
            "embeddings_regularizer": d.of(None, None, "l1l2", "l2"),
        }
        layer = d.of(
            lambda: L.Embedding(V, d.units(), **options),
            lambda: ours.TokenEmbedding(V, 4, T, d.of(None, "learned", "sinusoidal")),
        )()  # fmt: skip
        return source, layer(source), ids
    if kind == "vectors":
        source = keras.Input((3,))
        return source, repeat(d, d.of(*VECTORS)(d, source)), d.rng.standard_normal((B, 3))
    features = d.rng.standard_normal((B, T, 3))
    features[1, 2:] = 0.0
    source = keras.Input((T, 3))
    return source, (L.Masking()(source) if d.flag() else source), features


LOSSES = {
    "sparse": lambda d: TRAINED.SparseCategoricalCrossentropy(
        from_logits=d.flag(), ignore_class=d.of(None, None, 1), **_reduction(d)
    ),
    "hot": lambda d: d.of(
        TRAINED.CategoricalCrossentropy(d.flag(), d.of(0.0, 0.1), **_reduction(d)),
        TRAINED.BinaryCrossentropy(d.flag(), d.of(0.0, 0.2), **_reduction(d)),
        TRAINED.CategoricalFocalCrossentropy(from_logits=d.flag(), label_smoothing=d.of(0.0, 0.1)),
        TRAINED.BinaryFocalCrossentropy(
            d.flag(), from_logits=d.flag(), gamma=d.of(2.0, 1.0), **_reduction(d)
        ),
        TRAINED.KLDivergence(**_reduction(d)),
        "categorical_crossentropy", "binary_crossentropy", "kl_divergence",
    ),
    "floats": lambda d: d.of(
        TRAINED.MeanSquaredError(**_reduction(d)), TRAINED.Huber(d.of(1.0, 0.3), **_reduction(d)),
        TRAINED.MeanAbsoluteError(), "mse", TRAINED.LogCosh(), keras.losses.mean_squared_error,
    ),
}  # fmt: skip


def _reduction(d):
    return {"reduction": d.of("sum_over_batch_size", "mean_with_sample_weight", "sum")}


def _head(d, x):
    """Return (output, kind of targets, loss or None)."""
    kind, classes = d.of("sparse", "hot", "floats"), d.of(1, 2, 3, 3)
    if kind == "sparse":
        classes = max(classes, 2)
    act = d.of("softmax", "softmax", "sigmoid", None, None)
    if kind == "sparse" and act is None:
        return L.Dense(classes)(x), kind, TRAINED.SparseCategoricalCrossentropy(from_logits=True)
    end = d.of("dense", "activation", "ops", "nested", "dropout", "mixed")
    y = L.Dense(classes, activation=act if end in ("dense", "dropout") else None)(x)
    if act and end == "activation":
        y = L.Softmax()(y) if act == "softmax" else L.Activation("sigmoid")(y)
    elif act and end == "ops":
        y = getattr(ops, act)(y)
    elif act and end == "nested":
        y = keras.Sequential([keras.Input(y.shape[1:]), L.Activation(act)])(y)
    elif act and end == "mixed":
        y = 0.5 * getattr(ops, act)(y) + 0.5 / classes
    if d.flag(0.2) or end == "dropout":
        y = L.Dropout(0.0)(y)
    if kind == "hot" and act is None:
        loss = d.of(TRAINED.CategoricalCrossentropy, TRAINED.BinaryCrossentropy)(from_logits=True)
        return y, kind, loss
    return y, kind, LOSSES[kind](d)


def _targets(d, heads):
    """Return the targets and the sample weights, one for each head."""
    targets, weights = [], []
    weighted = d.flag(0.4)
    for output, kind, _ in heads:
        *steps, classes = (B, *output.shape[1:])
        ids = d.rng.integers(classes, size=steps)
        targets.append(
            {
                "sparse": ids,
                "hot": np.eye(classes)[ids],
                "floats": d.rng.standard_normal((*steps, classes)),
            }[kind]
        )
        weights.append(d.rng.random(steps) if weighted else None)
    if len(heads) == 1:
        return targets[0], weights[0]
    return targets, weights if weighted else None


opt = keras.optimizers
OPTIMIZERS = (
    lambda d: opt.SGD(0.1, momentum=d.of(0.0, 0.8), nesterov=d.flag()),
    lambda d: opt.RMSprop(0.01, momentum=d.of(0.0, 0.5), centered=d.flag()),
    lambda d: opt.Adam(0.01, amsgrad=d.flag(0.3)),
    lambda d: opt.AdamW(0.01, weight_decay=0.1),
    lambda d: opt.Lion(0.01),
    lambda d: opt.Muon(0.01, rms_rate=d.of(0.2, None), nesterov=d.flag()),
    lambda d: opt.Adafactor(0.1, relative_step=d.flag()),
    lambda d: opt.SGD(opt.schedules.ExponentialDecay(0.1, 2, 0.5)),
    lambda d: opt.Adagrad(0.1),
    lambda d: opt.Adam(lambda: 0.01),
)  # fmt: skip


def _compiled(d, model, heads):
    optimizer = d.of(*OPTIMIZERS, *OPTIMIZERS[:4])(d)
    if d.flag(0.3):
        setattr(optimizer, *d.of(("clipnorm", 0.1), ("clipvalue", 0.02), ("global_clipnorm", 0.2)))
    if d.flag(0.15):
        optimizer.use_ema, optimizer.ema_overwrite_frequency = True, d.of(None, 2)
    if d.flag(0.1):
        optimizer.weight_decay = 0.05
    losses = [loss for *_, loss in heads]
    model.compile(
        optimizer,
        losses[0] if len(losses) == 1 else losses,
        loss_weights=d.of(None, [0.5] * len(losses)),
        run_eagerly=d.flag(0.85),
        jit_compile=False,
    )
    return model
