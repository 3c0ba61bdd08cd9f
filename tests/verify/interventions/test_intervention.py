"""Interventions on a model whose mechanism is known, and on random ones beside the equations."""

import keras
import numpy as np
import pytest

import kerasllm
from kerasllm import layers, verify
from kerasllm import reference as ref
from kerasllm.models import CausalLM
from kerasllm.verify.interventions.changed import STEPS, WHOLE, ChangedTwin

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning"),  # Keras from 3.16 on
]
IDS = [3, 8, 1, 9, 4]
SUBJECT, NEAR = 0, 1  # units of the model that was built by hand


@pytest.fixture
def cats(by_hand, words):
    return kerasllm.intervene(by_hand, "cats near old", words)


def test_the_model_does_what_it_was_built_for(cats):
    assert cats.answer.label == "are"
    assert np.allclose(cats.before.array("lstm", "c")[:, SUBJECT], 1, atol=1e-12)
    odds = np.divide(*cats.answer.probability("are")), cats.answer.probability("are")[0]
    assert odds[0] == 1 and odds[1] == pytest.approx(
        np.exp(2 * np.tanh(1)) / (np.exp(2 * np.tanh(1)) + np.exp(-2 * np.tanh(1)) + 6)
    )


def test_without_its_subject_the_model_cannot_tell(cats):
    answer = cats.set("lstm", "c", 0, unit=SUBJECT, position="near").answer
    assert answer.probability("is")[1] == pytest.approx(1 / 8)
    assert answer.probability("are")[1] == pytest.approx(1 / 8)


def test_another_unit_changes_its_own_state_and_no_answer(cats):
    told = cats.set("lstm", "c", -3, unit=NEAR)
    assert told.answer.change.max() == 0
    rows = [row[:2] for row in told.effects().rows]
    assert rows == [("lstm", "c"), ("lstm", "h"), ("head", "x")]


def test_the_subject_of_another_text(cats, by_hand, words):
    told = cats.swap("lstm", "c", "cat near old", unit=SUBJECT, position=0)
    other = kerasllm.intervene(by_hand, "cat near old", words)
    assert told.answer.label == "is" and told.answer.label_before == "are"
    assert np.allclose(told.answer.after[1:], other.answer.before[1:], atol=1e-12)


def test_a_swap_between_positions_and_from_a_changed_text(cats, by_hand, words):
    short = kerasllm.intervene(by_hand, "old cat", words)
    told = cats.swap("lstm", "c", "old cat", unit=SUBJECT, position=2, other_position="cat")
    assert told.answer.label == "is"
    turned = short.add("lstm", "c", 2, unit=SUBJECT, position=1)
    again = cats.swap("lstm", "c", turned, unit=SUBJECT, position=2, other_position=1)
    assert again.answer.change[-1] == pytest.approx(0, abs=1e-12)


def test_effects_begin_where_the_change_is(cats):
    told = cats.set("lstm", "c", 0, unit=SUBJECT, position=1)
    assert {row[2] for row in told.effects().rows} == {"1"}
    first = told.effects().rows[0]
    assert first[:2] == ("lstm", "c") and first[3] == pytest.approx(-1) and first[4] == "1 near"
    assert np.array_equal(told.difference("lstm", "c")[:, SUBJECT].round(9), [0, -1, -1])


def test_frozen_symbols_tell_which_way_a_change_took(cats):
    """All of the subject's effect goes through unit 0: with that frozen, nothing is left."""
    other = np.eye(8)[2]  # the embedding of "cat"
    moved = cats.set("embedding", "output", other, position=0)
    assert moved.answer.label == "is"
    assert moved.freeze("lstm", "c", unit=SUBJECT).answer.change.max() == 0
    assert moved.freeze("lstm", "c", unit=NEAR).answer.label == "is"


def test_the_mean_of_cat_and_cats_is_neither(cats):
    told = cats.average("lstm", "c", ["cats", "cat"], unit=SUBJECT)
    assert np.allclose(told.answer.probability("is"), [cats.answer.probability("is")[0], 1 / 8])


def test_a_silent_layer_says_nothing(cats):
    assert np.allclose(cats.silence("lstm").answer.after, 1 / 8)


def test_how_far_an_answer_moved(cats):
    """With all probability on one token, the others have lost what they had."""
    answer = cats.set("head", "a", 60, unit=7, position=2).answer
    assert answer.change.tolist() == [0, 0, pytest.approx(1 - answer.probability("are")[0])]


def test_several_changes_follow_one_another(cats):
    told = cats.set("lstm", "c", 0.25, unit=SUBJECT).add("lstm", "c", 0.5, unit=SUBJECT)
    assert np.allclose(told.after.array("lstm", "c")[:, SUBJECT], 0.75)
    said = str(told)
    assert "lstm: c, unit 0 := 0.25" in said and "lstm: c, unit 0 + 0.5" in said
    assert cats.changes == ()


RECURRENT = {
    "lstm": (keras.layers.LSTM, ref.lstm, ("h", "c")),
    "gru": (keras.layers.GRU, ref.gru, ("h",)),
    "simple": (keras.layers.SimpleRNN, ref.simple_rnn, ("h",)),
    "ours": (layers.LSTM, ref.lstm, ("h", "c")),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", RECURRENT)
def test_a_changed_state_is_the_first_state_of_the_rest(name, backwards, random_model, rng):
    """The oracle: the equation, begun in the middle with the changed state."""
    make, equation, states = RECURRENT[name]
    layer = make(7, return_sequences=True, go_backwards=backwards, name="rnn")
    model, position = random_model(layer), 2
    new = {state: rng.normal(size=7) for state in states}
    told = kerasllm.intervene(model, IDS)
    for state in reversed(states):  # c before h, which is computed from it
        told = told.set("rnn", state, new[state], position=position)
    x = model.get_weights()[0].astype("float64")[IDS][None]
    rest = x[:, :position] if backwards else x[:, position + 1 :]
    weights = [w.astype("float64") for w in model.get_weights()[1:]]
    first = tuple(new[state][None] for state in states)
    _, trace = equation(rest, *weights, initial_state=first, go_backwards=backwards)
    for state in states:
        seen = told.after.array("rnn", state)
        expected = getattr(trace, state)[0][::-1] if backwards else getattr(trace, state)[0]
        assert np.allclose(seen[:position] if backwards else seen[position + 1 :], expected,
                           atol=1e-12)  # fmt: skip
        assert np.allclose(seen[position], new[state])
        kept = slice(position + 1, None) if backwards else slice(position)
        assert np.array_equal(seen[kept], told.before.array("rnn", state)[kept])


def test_gates_are_used_as_they_are_set(random_model):
    reads = kerasllm.intervene(random_model(layers.LSTM(7, name="rnn")), IDS)
    forgot = reads.set("rnn", "f", 0, position=3).after
    i, g, c, o, h = (forgot.array("rnn", s) for s in "igcoh")
    assert np.allclose(c[3], i[3] * g[3]) and np.allclose(h, o * np.tanh(c))
    closed = kerasllm.intervene(random_model(layers.GRU(7, name="rnn")), IDS)
    kept = closed.set("rnn", "z", 1, unit=[2, 5], position=[1, 2]).after.array("rnn", "h")
    assert np.allclose(kept[2, [2, 5]], kept[0, [2, 5]])
    assert not np.allclose(kept[2], kept[0])


def test_both_directions_are_changed_each_by_itself(random_model):
    both = layers.Bidirectional(layers.GRU(5, return_sequences=True), name="both")
    reads = kerasllm.intervene(random_model(both), IDS)
    told = reads.set("both/backward", "h", 0.5, position=3)
    moved = np.abs(told.difference("both/backward", "h")).max(axis=1) > 0
    assert moved.tolist() == [True, True, True, True, False]
    assert not told.difference("both/forward", "h").any()
    assert np.allclose(told.after.array("both/backward", "h")[3], 0.5)


def test_rows_of_a_layer_that_reads_backwards_lie_by_position(random_model):
    both = layers.Bidirectional(layers.LSTM(5, return_sequences=True), name="both")
    reads = kerasllm.intervene(random_model(both), IDS)
    moved = reads.set(next(iter(reads.start.layers)), "output", 0.3, position=1)
    frozen = moved.freeze("both/backward", "h")
    assert moved.difference("both/backward", "h").any()
    assert not frozen.difference("both/backward", "h").any()
    other = reads.swap("both/backward", "c", [5, 2, 9, 1], position=0, other_position=3)
    theirs = kerasllm.intervene(reads.start.twin.model, [5, 2, 9, 1]).before
    assert np.array_equal(
        other.after.array("both/backward", "c")[0], theirs.array("both/backward", "c")[3]
    )


def test_a_layer_that_hands_on_what_it_read_is_changed_alone(random_model):
    parts = [keras.layers.Dense(4, name="below"), keras.layers.Dropout(0.5, name="drop"),
             keras.layers.Dense(5, name="above")]  # fmt: skip
    told = kerasllm.intervene(random_model(*parts), IDS).set("drop", "output", 0, unit=1)
    assert not told.difference("below", "output").any()
    assert told.difference("above", "x")[:, 1].all()


def attention_model(rng, causal=False):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(11, 6)(ids)
    y = keras.layers.MultiHeadAttention(2, 3, name="looks")(x, x, use_causal_mask=causal)
    model = keras.Model(ids, y)
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def test_a_key_is_counted_among_the_keys(rng):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(11, 6)(ids)
    y = keras.layers.MultiHeadAttention(2, 3, name="looks")(x, x[:, :2])
    model = keras.Model(ids, y)
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    told = kerasllm.intervene(model, IDS)
    assert not told.cut("looks", query=4, key=1).after.array("looks", "weights")[:, 4, 1].any()
    with pytest.raises(ValueError, match="key from 0 to 1"):
        told.cut("looks", query=4, key=2)


def test_a_cut_edge_is_a_masked_edge(rng):
    model = attention_model(rng)
    told = kerasllm.intervene(model, IDS).cut("looks", query=3, key=1)
    table, *weights = (w.astype("float64") for w in model.get_weights())
    x, mask = table[IDS][None], np.ones((1, 5, 5), bool)
    mask[0, 3, 1] = False
    scale = float(np.float32(3**-0.5))
    _, trace = ref.multi_head_attention(x, x, x, *weights, mask=mask, scale=scale)
    assert np.allclose(told.after.array("looks", "weights"), trace.weights[0], atol=1e-12)
    assert np.allclose(told.after.array("looks", "output"), trace.output[0], atol=1e-12)


def test_the_only_edge_of_a_query_cut_leaves_nothing_to_read(rng):
    told = kerasllm.intervene(attention_model(rng, causal=True), IDS).cut("looks", 0, 0, head=1)
    assert not told.after.array("looks", "z")[1, 0].any()
    assert np.abs(told.difference("looks", "z")[0]).max() == 0


def test_a_silent_head_adds_nothing(rng):
    model = attention_model(rng)
    reads = kerasllm.intervene(model, IDS)
    told = reads.silence("looks", head=1)
    w_o = model.get_weights()[-2].astype("float64")  # (N, V, D)
    share = reads.before.array("looks", "z")[1] @ w_o[1]
    assert np.allclose(told.difference("looks", "output"), -share, atol=1e-12)


def test_a_silent_block_hands_on_what_it_read(make_run):
    told = kerasllm.intervene(make_run("gpt"), "the cat").silence("block_0")
    block = told.after.layers["block_0"].arrays
    assert np.array_equal(block["x"], block["output"])


@pytest.mark.parametrize("name", ["lstm", "gru", "gpt", "bert", "both", "classifier", "contrast"])
def test_nothing_done_is_nothing_changed(make_run, name):
    """Also where each token is hidden in turn: frozen means the value of the whole text there."""
    reads = kerasllm.intervene(make_run(name), "a cat 很好")
    plain = verify.trace(make_run(name), "a cat 很好")
    assert np.array_equal(reads.before.probabilities, plain.probabilities)
    layer = next(n for n, s in reads.before.layers.items() if s.interesting)
    symbol = "h" if reads.before.layers[layer].recurrent else "weights"
    told = reads.add(layer, symbol, 0.0)
    assert not told.answer.change.any() and told.effects().rows == ()
    assert str(told.answer) and str(reads.places())


def test_a_change_reaches_every_text_of_a_hidden_token(make_run):
    told = kerasllm.intervene(make_run("bert"), "a cat").silence("norm")
    assert np.allclose(told.answer.after, told.answer.after[0])


def test_words_of_a_tagger():
    """The best tag of each word, and a change at one word that reaches the others only by h."""
    words = layers.BiLSTM(3, name="words")
    ids = keras.Input((None,), dtype="int32")
    x = words(keras.layers.Embedding(11, 4)(ids))
    model = keras.Model(ids, keras.layers.Dense(5, activation="softmax", name="tags")(x))
    told = kerasllm.intervene(model, IDS).set("tags", "a", [0, 0, 9, 0, 0], position=1)
    assert np.flatnonzero(told.answer.change).tolist() == [1]
    assert told.answer.after[1].argmax() == 2


def test_what_was_handed_on_is_in_the_trace_and_in_the_next_layer(make_run):
    told = kerasllm.intervene(make_run("gpt"), "the cat").set("embedding", "rows", 0, position=1)
    place = told.start.twin.model.backbone.get_layer("embedding").get_weights()[1]
    assert np.allclose(told.after.array("block_0", "x")[1], place[1], atol=1e-7)
    out = kerasllm.intervene(make_run("gpt"), "the cat").set("attention", "output", 2.0)
    assert np.array_equal(out.after.array("block_0/attention", "output"), np.full((7, 6), 2.0))


def test_equations_say_what_they_no_longer_give(cats):
    told = cats.set("lstm", "c", 0, unit=SUBJECT)
    assert "no longer" not in str(cats.before.equations("lstm"))
    assert "no longer what its equation gives: lstm: c, unit 0 := 0" in str(
        told.after.equations("lstm")
    )


def test_figure_and_html(cats):
    told = cats.set("lstm", "c", 0, unit=SUBJECT, position=1)
    told.figure("lstm", "c")
    told.figure()
    assert "lstm" in told._repr_html_()


def test_twin_keeps_its_weights_and_changes_are_its_own(by_hand):
    twin = ChangedTwin(by_hand)
    other = twin.with_changes([1])
    assert twin.changes == () and other._weights is twin._weights


BAD = [
    (lambda r: r.set("lstn", "c"), r"no layer 'lstn'.*Did you mean 'lstm'"),
    (lambda r: r.set("lstm", "cell"), r"no symbol 'cell'.*\['c', 'f', 'g', 'h', 'i', 'o'"),
    (lambda r: r.set("lstm", "c", unit=3), "unit from 0 to 2"),
    (lambda r: r.set("lstm", "c", unit=[0, 7]), "unit from 0 to 2"),
    (lambda r: r.set("lstm", "c", unit=1.5), "whole number"),
    (lambda r: r.set("lstm", "c", position=3), "position from 0 to 2"),
    (lambda r: r.set("lstm", "c", position="dog"), "stands there nowhere.*'cats'"),
    (lambda r: r.set("lstm", "c", head=0), "has no heads"),
    (lambda r: r.set("lstm", "c", float("nan")), "finite number"),
    (lambda r: r.set("lstm", "c", "none"), "finite number"),
    (lambda r: r.set("lstm", "c", [1, 2]), "expected one number, or 3"),
    (lambda r: r.swap("lstm", "c", "cat near"), "choose a position"),
    (lambda r: r.swap("lstm", "c", "cat", position=2), "position from 0 to 0"),
    (lambda r: r.average("lstm", "c", []), "a list of texts"),
    (lambda r: r.average("lstm", "c", "cat"), "a list of texts"),
    (lambda r: r.cut("lstm", 0, 0), "no symbol 'weights'"),
    (lambda r: r.silence("lstm", head=0), "no symbol 'z'"),
    (lambda r: r.answer.probability("dog"), "no token or class 'dog'"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "said"), BAD)
def test_what_does_not_fit_is_refused(cats, ask, said):
    with pytest.raises(ValueError, match=said):
        ask(cats)


def test_weights_of_texts_of_other_lengths_have_no_mean(rng):
    told = kerasllm.intervene(attention_model(rng), IDS)
    for symbol in ("weights", "scores"):
        with pytest.raises(ValueError, match="not the weights or scores"):
            told.average("looks", symbol, [IDS])
    assert told.average("looks", "v", [IDS]) is not told


def test_a_text_that_another_model_read(cats, random_model):
    other = kerasllm.intervene(random_model(layers.GRU(3, name="gru")), IDS)
    with pytest.raises(ValueError, match="another model, without lstm: c"):
        cats.swap("lstm", "c", other)


def test_a_token_that_stands_twice_has_no_name(by_hand, words):
    with pytest.raises(ValueError, match="stands there 2 times"):
        kerasllm.intervene(by_hand, "cat near cat", words).set("lstm", "c", position="cat")


def test_a_symbol_of_the_whole_text_has_no_positions(random_model):
    reads = kerasllm.intervene(random_model(layers.LSTM(5, name="rnn")), IDS)
    with pytest.raises(ValueError, match="of the whole text"):
        reads.set("rnn", "output", position=1)
    with pytest.raises(ValueError, match="no probabilities"):
        reads.silence("rnn").answer  # noqa: B018
    assert "rnn: output := 0" in str(reads.silence("rnn"))
    assert not reads.silence("rnn")._computed.recorded[reads.start.find("rnn", "output")[1]].any()


@pytest.mark.parametrize("function", [*STEPS, *WHOLE], ids=lambda f: f.__name__)
def test_every_symbol_is_a_variable_of_its_equation(function):
    names = (STEPS | WHOLE)[function]
    assert set(names) <= set(function.__code__.co_varnames)


def test_the_symbols_of_a_llama_can_be_changed(rng):
    options = {"num_heads": 4, "num_kv_heads": 2, "positions": "rotary", "normalization": "rms",
               "activation": "swiglu", "use_bias": False, "num_layers": 1}  # fmt: skip
    model = CausalLM.from_size("tiny", 11, backbone="transformer", hidden_dim=8, **options)
    model.set_weights([0.7 * rng.standard_normal(w.shape) for w in model.get_weights()])
    llama = kerasllm.intervene(model, [7, 3, 9])
    network = "block_0/feed_forward"
    told = llama.set(network, "gate", 0, unit=5, position=1)
    moved = told.difference(network, "h")
    assert np.count_nonzero(moved) == 1
    assert moved[1, 5] == pytest.approx(-llama.before.array(network, "h")[1, 5])
    halved = llama.set("block_0/attention_norm", "normalized", 0, position=0)
    assert np.abs(halved.difference("block_0/attention", "v")[:, 0]).max() > 0
    assert np.abs(halved.difference("block_0/attention", "v")[:, 1:]).max() == 0
