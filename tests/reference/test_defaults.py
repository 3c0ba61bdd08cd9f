"""What is meant where a caller says nothing: Keras' defaults, those of the papers, and ours.

Saved settings, lessons and results stand on them: a changed default is a change of the interface.
"""

import inspect

import keras
import pytest

from kerasllm import layers, verify
from kerasllm import reference as ref

optimizers, schedules = keras.optimizers, keras.optimizers.schedules
# Ours: Keras', and what an argument is called there.
LIKE_KERAS = {
    "adam": (optimizers.Adam, {}),
    "adamw": (optimizers.AdamW, {}),
    "rmsprop": (optimizers.RMSprop, {}),
    "adafactor": (optimizers.Adafactor, {}),
    "lion": (optimizers.Lion, {}),
    "muon": (optimizers.Muon, {"steps": "ns_steps"}),
    "batch_norm": (keras.layers.BatchNormalization, {}),
    "conv1d": (keras.layers.Conv1D, {"stride": "strides", "dilation": "dilation_rate"}),
    "sgd": (optimizers.SGD, {}),
    "exponential_decay": (schedules.ExponentialDecay, {}),
    "inverse_time_decay": (schedules.InverseTimeDecay, {}),
    "polynomial_decay": (schedules.PolynomialDecay, {"end": "end_learning_rate"}),
    "cosine_decay": (schedules.CosineDecay, {}),
    "cosine_decay_restarts": (schedules.CosineDecayRestarts, {}),
    "layer_norm": (keras.layers.LayerNormalization, {}),
    "rms_norm": (keras.layers.RMSNormalization, {}),
    "softmax": (keras.layers.Softmax, {}),
    "gelu": (keras.activations.gelu, {}),
    "lstm": (keras.layers.LSTM, {}),
    "gru": (keras.layers.GRU, {}),
    "simple_rnn": (keras.layers.SimpleRNN, {}),
    "bidirectional": (keras.layers.Bidirectional, {}),
    "binary_cross_entropy": (keras.losses.BinaryCrossentropy, {}),
    "cross_entropy": (keras.losses.CategoricalCrossentropy, {}),
}
NO_ARGUMENT_OF_KERAS = {"zero_output_for_mask", "return_sequences", "go_backwards", "extra"}
OURS = {
    "additive_attention": {"fully_masked": "zero"},
    "attention_decoder": {"cell": "lstm", "attention": "general"},
    "attention_decoder_step": {"cell": "lstm", "attention": "general"},
    "beam_search": {"pad": 0, "length_penalty": 0.0},
    "bpe_train": {"min_frequency": 2},
    "concat_attention": {"fully_masked": "zero"},
    "dot_attention": {"fully_masked": "zero"},
    "feed_forward": {"activation": "relu"},
    "filter_probabilities": {"temperature": 1.0},
    "general_attention": {"fully_masked": "zero"},
    "greedy_search": {"pad": 0},
    "grouped_query_attention": {"fully_masked": "zero", "base": 10000.0},
    "gru_step": {"recurrent_bias": 0.0, "reset_after": True},
    "inverse_square_root": {"factor": 1.0},
    "log_softmax": {"axis": -1},
    "linear_cross_entropy": {"label_smoothing": 0.0, "z_loss": 0.0, "rows": 128},
    "llama_block": {"rotary": "halves", "base": 10000.0, "epsilon": 1e-5},
    "multi_head_attention": {"fully_masked": "zero"},
    "orthogonalized": {"steps": 5},
    "ngram_add_k": {"k": 1.0},
    "ngram_fit": {"min_count": 1},
    "ngram_kneser_ney": {"discount": 0.75},
    "padding_mask": {"pad": 0},
    "rotary": {"base": 10000.0, "offset": 0, "interleaved": False},
    "sample": {"temperature": 1.0, "pad": 0},
    "scaled_dot_product_attention": {"fully_masked": "zero"},
    "simple_rnn_step": {"activation": "tanh"},
    "sinusoidal_positions": {"base": 10000.0},
    "sinusoidal_table": {"base": 10000.0},
    "span_contrast": {"temperature": 0.1},
    "stack": {"both_directions": False, "return_sequences": False},
    "transformer_decoder": {"norm": "post", "activation": "relu", "epsilon": 1e-3},
    "transformer_encoder": {"norm": "post", "activation": "relu", "epsilon": 1e-3},
}
RECURRENT = {"num_layers": 1, "dropout": 0.0, "residual": False}
BLOCK = {"rotary": False, "norm": "pre", "activation": "gelu", "dropout": 0.0, "epsilon": 1e-5}
LAYERS = {
    "AttentionDecoder": {"num_layers": 1, "cell": "lstm", "attention": "general"},
    "BiLSTM": RECURRENT,
    "CharacterCNN": {"filters": 30, "kernel_size": 3, "embedding_dim": 30, "dropout": 0.0},
    "FeedForward": {"activation": "gelu", "use_bias": True},
    "linear_cross_entropy": {
        "label_smoothing": 0.0,
        "z_loss": 0.0,
        "tied": False,
        "counted_only": False,
        "learn_kernel": True,
    },
    "LuongAttention": {"score": "general"},
    "MaskedPooling": {"mode": "mean"},
    "MultiHeadAttention": {
        "causal": False,
        "rotary": False,
        "dropout": 0.0,
        "use_bias": True,
        "rotary_base": 10000.0,
        "interleaved": False,
    },
    "StackedRNN": {**RECURRENT, "cell": "lstm", "bidirectional": False},
    "TokenEmbedding": {
        "dropout": 0.0,
        "segments": 0,
        "separator": 4,
        "score_pad": True,
        "tied": True,
        "packed": False,
        "pairs": 0,
    },
    "TransformerDecoder": BLOCK,
    "TransformerEncoder": {
        **BLOCK,
        "causal": False,
        "normalization": "layer",
        "use_bias": True,
        "rotary_base": 10000.0,
        "interleaved": False,
    },
}
VERIFY = {
    "Report": {"title": ""},
    "check_masks": {"seed": 0},
    "compare": {"steps": 0, "seed": 0},
    "gradient_flow": {
        "text_or_length": 60, "units": 32, "features": 16, "forget_bias": 1.0, "seed": 0
    },
    "prove_equations": {"trajectories": True, "quick": False},
    "prove_presets": {"steps": 300},
    "prove_run": {"steps": 3, "rows": 4, "length": 24},
    "recurrent_masks": {"kept": False},
    "register": {"forgets": False},
    "verify_equations": {"trajectories": True, "quick": False},
}  # fmt: skip


def defaults(function):
    """Return {argument: default} of those that are a number, a truth value or a word."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if isinstance(p.default, (bool, int, float, str))}


@pytest.mark.parametrize("name", LIKE_KERAS)
def test_an_argument_of_keras_has_the_default_of_keras(name):
    theirs, names = LIKE_KERAS[name]
    parameters = inspect.signature(theirs).parameters
    ours = defaults(getattr(ref, name))
    compared = {k: v for k, v in ours.items() if names.get(k, k) in parameters}
    assert compared == {k: parameters[names.get(k, k)].default for k in compared}
    left = {k: v for k, v in ours.items() if k not in compared}
    assert left.keys() <= NO_ARGUMENT_OF_KERAS
    assert not any(value is True for value in left.values())


def test_the_other_defaults_of_the_reference():
    assert {name: defaults(getattr(ref, name)) for name in OURS} == OURS


def test_the_defaults_of_the_layers():
    assert {name: defaults(getattr(layers, name)) for name in LAYERS} == LAYERS


def test_the_defaults_of_what_verifies():
    assert {name: defaults(getattr(verify, name)) for name in VERIFY} == VERIFY
