"""Seeing the numbers: symbols beside tokens, and equations that are true as printed."""

import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm import verify
from kerasllm.text import train_tokenizer
from kerasllm.training import load_run
from kerasllm.verify.traces.equations import BENDS
from kerasllm.verify.traces.layers import stream_of
from kerasllm.verify.traces.trace import readable

pytestmark = [
    pytest.mark.backends,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning"),  # Keras from 3.16 on
]
LSTM, GRU, RNN = keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN
IDS = [3, 8, 1, 9, 4]


def random_model(layer, rng, size=11):
    """Return a model of ids with random weights: zeros would hide a swapped bias."""
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), keras.layers.Embedding(size, 3, mask_zero=True),
         layer]
    )  # fmt: skip
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda **o: LSTM(7, **o),
        lambda **o: LSTM(7, use_bias=False, **o),
        lambda **o: GRU(7, **o),
        lambda **o: GRU(7, reset_after=False, **o),
        lambda **o: RNN(7, **o),
        lambda **o: RNN(7, activation="relu", **o),
    ],
)
def test_equations_are_true(make, backwards, rng):
    layer = make(return_sequences=True, go_backwards=backwards)
    model = random_model(layer, rng)
    seen = verify.trace(model, IDS)
    said = keras.ops.convert_to_numpy(model(np.array([IDS])))[0]
    for step in (0, 2, 4):
        made = seen.equations(step=step, unit=5)
        for equation in made.equations:
            right = BENDS[equation.bend](equation.argument)
            assert right == pytest.approx(equation.value, abs=1e-12)
        processed = 4 - step if backwards else step
        assert made.values["h"] == pytest.approx(said[processed, 5], abs=1e-5)
        _check_chain(made)


def _check_chain(made):
    """A symbol has the same value where it is computed and where it is used."""
    for equation in made.equations:
        for factor in (factor for term in equation.terms for factor in term):
            assert factor.value == made.values.get(factor.text, factor.value)


def test_printed_numbers_give_the_printed_result(rng):
    seen = verify.trace(random_model(LSTM(7, return_sequences=True), rng), IDS)
    text = str(seen.equations(step=3, unit=2, digits=13))
    lines = [line.split("= ", 1)[1] for line in text.splitlines()[1:] if re.search(r"\d\.\d", line)]
    assert len(lines) == 4 * 2 + 2
    sides = [side for line in lines for side in line.split(" = ")]
    names = {"σ": lambda a: 1 / (1 + np.exp(-a)), "tanh": np.tanh}
    values = [eval(side.replace("·", "*"), {}, names) for side in sides]
    # Each gate: numbers, their sum, result; each state: numbers, result.
    groups = [values[k : k + 3] for k in range(0, 12, 3)] + [values[12:14], values[14:16]]
    for group in groups:
        assert group == pytest.approx([group[-1]] * len(group), abs=1e-11)


def test_state_before_the_first_step_is_zero(rng):
    made = verify.trace(random_model(LSTM(7), rng), IDS).equations(step=0, unit=1)
    shares = {f.text: f.value for e in made.equations for term in e.terms for f in term}
    assert shares["c_previous"] == shares["h_previous @ U_f"] == 0


def test_masked_step_keeps_the_state_and_says_so(rng):
    seen = verify.trace(random_model(GRU(7, return_sequences=True, name="gru"), rng), [3, 8, 0, 9])
    made = seen.equations(step=2, unit=4)
    assert "masked step" in str(made)
    assert made.values["h"] == seen.array("gru", "h")[1, 4]
    assert made.equations[-1].argument == made.values["h"]


def test_latex_and_html_hold_the_numbers(rng):
    made = verify.trace(random_model(LSTM(7), rng), IDS).equations(unit=3)
    assert f"{made.values['f']:.4f}" in made.latex
    assert made.latex.count(r"\sigma\left(") == 2 * 3
    assert "$$\n\\begin{aligned}" in made._repr_html_()


def test_negative_factor_stands_in_brackets():
    from kerasllm.verify.traces.equations import Equation, Factor

    term = (Factor("f", "f", 0.5), Factor("c", "c", -0.25))
    lines = Equation("c", "c", "", (term, (Factor("i", "i", -1.0),)), -1.125).lines(2)
    assert lines == ["f · c + i", "0.50 · (-0.25) - 1.00 = -1.12"]


def test_both_directions_lie_in_the_order_of_the_tokens(rng):
    both = keras.layers.Bidirectional(LSTM(7, return_sequences=True), name="both")
    model = random_model(both, rng)
    seen = verify.trace(model, IDS)
    said = keras.ops.convert_to_numpy(model(np.array([IDS])))[0]
    assert np.allclose(seen.array("both/forward", "h"), said[:, :7], atol=1e-5)
    assert np.allclose(seen.array("both/backward", "h"), said[:, 7:], atol=1e-5)
    assert "token to the right" in str(seen.equations("backward", step=1))
    embedded = model.get_weights()[0][IDS]
    assert np.allclose(seen.array("both/backward", "x"), embedded)
    assert np.allclose(seen.array("both/forward", "x"), embedded)


def test_cells_of_one_layer_have_a_name_each(rng):
    cells = [keras.layers.LSTMCell(7), keras.layers.GRUCell(5)]
    rnn = keras.layers.RNN(cells, return_sequences=True, go_backwards=True, name="rnn")
    model = random_model(rnn, rng)
    seen = verify.trace(model, IDS)
    said = keras.ops.convert_to_numpy(model(np.array([IDS])))[0]
    assert np.allclose(seen.array("cell_1", "h"), said[::-1], atol=1e-5)
    assert np.allclose(seen.array("cell_1", "x"), seen.array("cell_0", "h"))
    equation = seen.equations("cell_1", step=1, unit=3).equations[-1]
    assert equation.argument == pytest.approx(equation.value, abs=1e-12)


def test_features_are_traced_step_by_step(rng):
    model = keras.Sequential([keras.Input((None, 3)), GRU(5, name="gru")])
    x = rng.standard_normal((4, 3))
    seen = verify.trace(model, x)
    assert seen.tokens == ["0", "1", "2", "3"]
    assert np.allclose(seen.array("gru", "x"), x)


@pytest.mark.parametrize("name", ["lstm", "gru", "gpt", "contrast"])
def test_next_tokens_have_the_probabilities_of_the_model(make_run, name):
    run = make_run(name)
    seen = verify.trace(run, "the cat")
    ids = np.array([run.tokenizer.encode("the cat")], "int32")
    x = {"ids": ids, "spans": ids[[0, 0]]} if name == "contrast" else ids
    logits = run.model(x)
    logits = keras.ops.convert_to_numpy(logits["logits"] if name == "contrast" else logits)
    assert np.allclose(seen.probabilities, ref.softmax(logits[0].astype("float64"))[0], atol=1e-5)
    table = seen.predictions(top=2)
    assert table.columns == ("step", "token", "next token", "its p", "top 1", "top 2")
    assert table.rows[0][1:3] == ("t", "h") and table.rows[-1][2:4] == ("?", "")
    best = run.tokenizer.id_to_token(int(logits[0, 1].argmax()))
    assert table.rows[1][4].startswith(f"{readable(best)} ")


def test_masked_model_predicts_each_token_from_the_others(make_run):
    run = make_run("bert")
    seen = verify.trace(run, "the cat")
    ids = np.array([run.tokenizer.encode("the cat")], "int32")
    ids[0, 4] = run.tokenizer.mask_id
    logits = run.model({"ids": ids, "positions": np.array([[4]])})
    logits = keras.ops.convert_to_numpy(logits).astype("float64")
    assert np.allclose(seen.probabilities[4], ref.softmax(logits[0, 0])[0], atol=1e-5)
    assert seen.predictions(top=1).columns == ("step", "token", "its p", "top 1")


def test_classes_have_their_names_and_a_long_text_is_cut(make_run):
    seen = verify.trace(make_run("classifier").path, "the cat sat on the mat")
    assert len(seen.tokens) == 13 and "first 13 of 22" in seen.note
    rows = seen.predictions().rows
    assert sum(float(row[2]) for row in rows) == pytest.approx(1, abs=1e-3)
    assert {row[1] for row in rows} == set(make_run("classifier").config["labels"])


def test_features_without_a_head_are_no_prediction(rng):
    seen = verify.trace(random_model(LSTM(7), rng), IDS)
    with pytest.raises(ValueError, match="predicts neither"):
        seen.predictions()


def test_table_has_a_row_for_each_token(make_run):
    table = verify.trace(make_run("lstm"), "我很喜欢").table("lstm_0", "f", units=[2, 0])
    assert table.columns == ("step", "token", "mean", "unit 2", "unit 0")
    assert [row[1] for row in table.rows] == list("我很喜欢")
    lines = str(table).splitlines()[2:]
    assert len({len(line.encode("gb18030")) for line in lines[1:]}) == 1  # two columns a sign
    assert "<td>喜</td>" in table._repr_html_()


def test_a_narrow_terminal_shows_fewer_columns(make_run):
    table = verify.trace(make_run("lstm"), "the cat").table()
    assert len(table.fitting(200).columns) == len(table.columns) > 6
    assert "more columns" in table.fitting(40).title


def test_attention_table_names_the_token_that_is_looked_at(make_run):
    seen = verify.trace(make_run("gpt"), "the cat")
    weights = seen.array("attention", "weights")
    assert weights.shape == (2, 7, 7) and np.allclose(weights.sum(-1), 1)
    table = seen.table()
    assert table.title == "block_0/attention: weights"
    assert table.rows[0][2:] == ("t 1.00", "t 1.00")  # the first token sees itself alone
    assert len(table.columns) == 4


def test_figures_name_tokens(make_run):
    figure = verify.trace(make_run("lstm"), "我很喜欢").figure("lstm_0", "f")
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == list("我很喜欢") or "□" in "".join(labels)
    heads = verify.trace(make_run("gpt"), "the cat").figure()
    assert len(heads.axes) == 3
    scores = verify.trace(make_run("gpt"), "the cat").figure("attention", "scores")
    assert np.isfinite(scores.axes[0].images[0].get_array()).all()


def test_the_overview_names_layers_and_symbols(make_run):
    seen = verify.trace(make_run("lstm"), "a\ncat")
    assert "stack/lstm_0: x, i, f, g, o, c, h" in str(seen)
    assert "i, f, g, o" in seen._repr_html_()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda seen: seen.table("lstm_O"), r"no layer 'lstm_O'.*Did you mean 'lstm_0'"),
        (lambda seen: seen.table("lstm_0", "forget"), r"no symbol 'forget'.*has \['x', 'i', 'f'"),
        (lambda seen: seen.figure("projection", "outptu"), "Did you mean 'output'"),
        (lambda seen: seen.table("lstm_0", "f", units=[7]), "unit from 0 to 6 .*received 7"),
        (lambda seen: seen.equations(step=7), "step from 0 to 6 .*7 tokens.*received 7"),
        (lambda seen: seen.equations(step=-1), "received -1"),
        (lambda seen: seen.equations(step=1.5), "whole number"),
        (lambda seen: seen.equations(unit=7), "unit from 0 to 6"),
        (lambda seen: seen.equations("projection"), "has no steps"),
    ],
)
def test_wrong_names_and_numbers(make_run, call, message):
    with pytest.raises(ValueError, match=message):
        call(verify.trace(make_run("lstm"), "the cat"))


def test_ambiguous_layer(rng):
    both = keras.layers.Bidirectional(LSTM(3), name="one")
    model = keras.Sequential([
        keras.Input((None,), dtype="int32"), keras.layers.Embedding(11, 3),
        keras.layers.Bidirectional(LSTM(3, return_sequences=True), name="two"), both,
    ])  # fmt: skip
    with pytest.raises(ValueError, match="several layers end in 'forward'"):
        verify.trace(model, IDS).table("forward")


def test_no_recurrent_layer(make_run):
    with pytest.raises(ValueError, match="no recurrent layer"):
        verify.trace(make_run("gpt"), "cat").equations()


def test_wrong_input(make_run, tmp_path, rng):
    run, model = make_run("lstm"), random_model(LSTM(7), rng)
    with pytest.raises(ValueError, match="the text is empty"):
        verify.trace(run, "")
    with pytest.raises(TypeError, match="needs the tokenizer"):
        verify.trace(model, "a text")
    with pytest.raises(ValueError, match="whole numbers"):
        verify.trace(model, [0.5, 1.0])
    with pytest.raises(ValueError, match="at least one token"):
        verify.trace(model, [])
    with pytest.raises(TypeError, match="received int"):
        verify.trace(42, "a text")
    with pytest.raises(FileNotFoundError, match="expected a run folder"):
        verify.trace(tmp_path / "nowhere", "a text")
    with pytest.raises(FileNotFoundError, match="is empty: give the --output"):
        verify.trace(tmp_path, "a text")
    (tmp_path / "config.json").write_text('{"kind": "pretrain", "settings": {}}')
    train_tokenizer(["abc"], kind="character").save(tmp_path / "tokenizer.json")
    with pytest.raises(FileNotFoundError, match=r"expected model\.keras"):
        verify.trace(load_run(tmp_path), "a text")


def test_model_with_inputs_that_cannot_be_guessed():
    inputs = [keras.Input((None,), dtype="int32", name=n) for n in ("left", "right")]
    table = keras.layers.Embedding(11, 3)
    model = keras.Model(inputs, keras.layers.Add()([table(x) for x in inputs]))
    with pytest.raises(ValueError, match=r"inputs \['left', 'right'\]"):
        verify.trace(model, IDS)


def test_a_layer_reads_the_stream_that_names_it_before_any_other():
    source, target, whole = (
        SimpleNamespace(layers=layers) for layers in ("encoder", "decoder", "")
    )
    assert stream_of([whole, source, target], "decoder_lstm") is target
    assert stream_of([source, whole], "head") is whole
    assert stream_of([source, target], "head") is source
