"""Encoder-decoders: steps against the whole, padding, copying, settings, saving."""

import functools

import keras
import numpy as np
import pytest

from kerasllm.datasets import Dataset, Pair
from kerasllm.models import (
    RecurrentSeq2Seq,
    RecurrentSeq2SeqConfig,
    TokenCrossEntropy,
    TransformerSeq2Seq,
    TransformerSeq2SeqConfig,
    decode_ids,
)

V, W = 23, 19
RECURRENT = {
    "lstm": {},
    "gru-concat": {"cell": "gru", "attention": "concat", "num_layers": 2},
    "dot-two-vocabularies": {"attention": "dot", "target_vocabulary_size": W},
    "lstm-copy": {"copy": True, "attention": "general"},
    "untied": {"tied": False, "cell": "gru"},
}
TRANSFORMER = {
    "transformer": {},
    "post-two-vocabularies": {"norm": "post", "target_vocabulary_size": W, "inner_dim": 5},
    "transformer-copy": {"copy": True, "positions": "learned"},
    "rotary-untied": {"positions": "rotary", "tied": False},
}
NAMES = (*RECURRENT, *TRANSFORMER)
every_model = pytest.mark.parametrize("name", NAMES)
SOURCE = np.array([[7, 8, 9, 7, 6, 11, 3], [12, 7, 3, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0]], "int32")
TARGET = np.array([[2, 8, 9, 10, 11], [2, 7, 18, 0, 0], [2, 0, 0, 0, 0]], "int32")
FOLLOWING = np.array([[8, 9, 10, 11, 3], [7, 18, 3, 0, 0], [3, 0, 0, 0, 0]], "int32")
PAIR = {"source": SOURCE, "target": TARGET}


def build(name, scale=0.5, **options):
    """Return a small model with random weights."""
    rng = np.random.default_rng(7)
    if name in RECURRENT:
        config = RecurrentSeq2SeqConfig(V, hidden_dim=6, units=14, **RECURRENT[name] | options)
        model = RecurrentSeq2Seq(config)
    else:
        options = {"num_layers": 1, "num_heads": 2, "max_length": 64} | options
        config = TransformerSeq2SeqConfig(V, hidden_dim=8, **TRANSFORMER[name] | options)
        model = TransformerSeq2Seq(config)
    model.set_weights([rng.normal(scale=scale, size=w.shape) for w in model.get_weights()])
    return model


kept = functools.cache(build)  # for tests that leave the model as it is


@pytest.mark.backends
@every_model
def test_step_by_step_gives_the_logits_of_the_whole(name, numpy):
    model = kept(name)
    whole = numpy(model(PAIR))
    size = W if "two-vocabularies" in name else V
    assert whole.shape == (*TARGET.shape, size)
    state = model.initial_state(model.encode(SOURCE), 32)
    rows = {x.shape[0] % len(SOURCE) for x in keras.tree.flatten(state)}
    assert rows == {0}  # a beam takes those of a text
    for t in range(TARGET.shape[1]):
        logits, state = model.step(TARGET[:, t : t + 1], state, t)
        assert tuple(logits.shape) == (len(SOURCE), size)
        real = TARGET[:, t] != 0
        assert np.abs(numpy(logits) - whole[:, t])[real].max() < 2e-5


@pytest.mark.backends
@every_model
def test_padding_changes_no_number(name, numpy):
    model = kept(name)
    padded = numpy(model(PAIR))
    for row in range(len(SOURCE)):
        source, target = (ids[row : row + 1, : (ids[row] > 0).sum()] for ids in (SOURCE, TARGET))
        alone = numpy(model({"source": source, "target": target}))[0]
        assert np.abs(padded[row, : len(alone)] - alone).max() < 2e-5


@every_model
def test_later_target_tokens_change_nothing_and_the_source_does(name, numpy):
    model, other = kept(name), {**PAIR, "target": TARGET.copy()}
    other["target"][:, 3:] = 5
    before, after = numpy(model(PAIR)), numpy(model(other))
    assert np.array_equal(before[:, :3], after[:, :3])
    assert np.abs(before - after)[:, 3:].max() > 1e-3
    turned = numpy(model({**PAIR, "source": SOURCE[::-1].copy()}))
    assert np.abs(before - turned)[:, 0].max() > 1e-3


@every_model
def test_attention_is_a_distribution_over_the_real_source(name, numpy):
    weights = numpy(kept(name).attention(SOURCE, TARGET))
    assert weights.shape == (*TARGET.shape, SOURCE.shape[1])
    assert np.allclose(weights.sum(axis=-1), 1, atol=1e-5)
    assert not weights[np.broadcast_to((SOURCE == 0)[:, None], weights.shape)].any()
    assert weights[0].std() > 1e-4


@pytest.mark.parametrize("name", ["lstm-copy", "transformer-copy"])
def test_copying_gives_log_probabilities_that_words_of_the_source_raise(name, numpy):
    model = build(name)
    p = np.exp(numpy(model(PAIR)))
    assert np.allclose(p.sum(axis=-1), 1, atol=1e-5)
    gate = model.get_layer("copy").gate
    weights, bias = gate.get_weights()
    gate.set_weights([weights * 0, bias * 0 - 50])  # copy, always
    p = np.exp(numpy(model(PAIR)))
    looks = numpy(model.attention(SOURCE, TARGET))
    assert np.allclose(p[0, :, 7], looks[0][:, [0, 3]].sum(axis=-1), atol=1e-5)
    absent = [v for v in range(V) if v not in SOURCE[0]]
    assert p[0][:, absent].max() < 1e-6


@pytest.mark.parametrize("name", ["dot-two-vocabularies", "transformer-copy"])
def test_saved_and_loaded_gives_identical_logits(name, numpy, tmp_path):
    model = build(name, dropout=0.1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.settings == model.settings
    assert np.array_equal(numpy(model(PAIR)), numpy(loaded(PAIR)))


@pytest.mark.backends
@every_model
def test_one_step_of_training_moves_every_weight(name):
    model = build(name, scale=0.2)
    eagerly = keras.backend.backend() != "jax"
    model.compile(keras.optimizers.SGD(1.0), TokenCrossEntropy(0.1), run_eagerly=eagerly)
    before = model.get_weights()
    loss = model.fit(PAIR, FOLLOWING, verbose=0).history["loss"][0]
    assert np.isfinite(loss)
    for weight, old in zip(model.weights, before, strict=True):
        new = keras.ops.convert_to_numpy(weight)
        assert np.isfinite(new).all()
        moved = np.abs(new - old)
        if weight.path.endswith("qkv_bias"):  # the bias of the keys shifts all scores alike
            moved = np.delete(moved, np.s_[8:16])
        assert moved.max() > 0, weight.path


@pytest.mark.parametrize("name", ["lstm-copy", "transformer"])
def test_decoding_loops_take_both_kinds(name, uncompiled):
    model = kept(name)
    sources = [row[row > 0].tolist() for row in SOURCE]
    greedy = decode_ids(model, sources, 5)
    assert greedy == [decode_ids(model, [source], 5)[0] for source in sources]
    assert all(0 < len(row) <= 5 for row in decode_ids(model, sources, 5, beam=3))
    with pytest.raises(ValueError, match="wider than the vocabulary"):
        decode_ids(model, sources, 5, beam=V)


@pytest.mark.parametrize("config", [RecurrentSeq2SeqConfig, TransformerSeq2SeqConfig])
def test_sizes_and_errors(config):
    assert config.of_size("small", 31, copy=True).vocabulary_size == 31
    widths = [config.of_size(size, 31).hidden_dim for size in ("tiny", "small", "base")]
    assert widths == sorted(set(widths))
    with pytest.raises(ValueError, match=r"expected a size among .*Did you mean 'small'\?"):
        config.of_size("smal", 31)
    with pytest.raises(ValueError, match=r"received 'num_layer'\. Did you mean 'num_layers'\?"):
        config.of_size("tiny", 31, num_layer=2)
    with pytest.raises(ValueError, match="needs one vocabulary for both"):
        config(31, target_vocabulary_size=29, copy=True)
    with pytest.raises(ValueError, match="target_vocabulary_size must be a positive integer"):
        config(31, target_vocabulary_size=0)


def test_settings_that_do_not_fit_are_explained():
    with pytest.raises(ValueError, match=r"expected attention among .*Did you mean 'bahdanau'\?"):
        RecurrentSeq2SeqConfig(31, attention="bahdanou")
    with pytest.raises(ValueError, match=r"expected cell among \('lstm', 'gru'\), received"):
        RecurrentSeq2SeqConfig(31, cell="simple")
    with pytest.raises(ValueError, match="units must be even"):
        RecurrentSeq2SeqConfig(31, units=13)
    with pytest.raises(ValueError, match="multiple of twice num_heads"):
        TransformerSeq2SeqConfig(31, hidden_dim=12, num_heads=4)
    with pytest.raises(ValueError, match="inner_dim must be a positive integer"):
        TransformerSeq2SeqConfig(31, inner_dim=0)


def test_a_source_longer_than_the_positions_is_refused():
    model = build("transformer", max_length=5)
    with pytest.raises(ValueError, match="7 tokens is longer than max_length=5"):
        model.encode(SOURCE)


def test_what_summarises_has_to_beat_sentences_of_the_text():
    task = RecurrentSeq2Seq.from_size("tiny", vocabulary_size=11)

    def names(source):
        pairs = [Pair(source, "a target")] * 3
        return set(task.baselines_for(Dataset(pairs, name="o", split="test", task="seq2seq")))

    assert names("One sentence. Two.") == {"nearest", "lead", "copy"}
    assert names("One. Two. Three.") - names("One.") == {"lead_sentences", "textrank"}
