"""Diagrams: the numbers that stand in them are those of the trace, and nothing breaks out."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from kerasllm import plots, reference
from kerasllm.plots import diagrams
from kerasllm.plots.diagrams.canvas import STYLE, number
from kerasllm.utils.languages import VARIABLE

SVG = "{http://www.w3.org/2000/svg}"
rng = np.random.default_rng(3)


def drawn(*args, **options):
    """Return (the texts of a diagram, its root)."""
    root = ElementTree.fromstring(plots.diagram(*args, **options).svg)
    texts = ["".join(text.itertext()).replace("\u00a0", " ") for text in root.iter(f"{SVG}text")]
    return texts, root


def lstm_by_hand():
    """Return the trace of two steps of one unit; the second starts at h = 0.5 and c = 2."""
    kernel, recurrent = np.array([[0.2, 1.0, 1.5, -0.4]]), np.array([[0.6, 2.0, -1.0, 0.8]])
    bias, first = np.array([0.0, 1.0, 0.0, 0.0]), (np.array([[0.5]]), np.array([[2.0]]))
    return reference.lstm(np.ones((1, 2, 1)), kernel, recurrent, bias, initial_state=first)[1]


def block_of(norm):
    D, N, K, H = 6, 2, 3, 11
    heads = [(D, N, K), (N, K)] * 3 + [(N, K, D), (D,)]
    shapes = [*heads, (D,), (D,), (D, H), (H,), (H, D), (D,), (D,), (D,)]
    weights = [rng.normal(size=shape) for shape in shapes]
    return reference.transformer_encoder(rng.normal(size=(2, 5, D)), *weights, norm=norm)


def step_of_training(**changed):
    return {
        "x": np.ones((7, 3)), "output": np.ones((7, 2)), "loss": 0.693147, "step": 12,
        "weights": [np.ones((3, 2)), np.ones(2)],
        "gradients": [np.full((3, 2), 2.0), np.array([1.0, 0.0])], "learning_rate": 0.05,
    } | changed  # fmt: skip


def tuning_of(**moved):
    return {"groups": ["embedding", "LSTM", "head"], "moved": moved}


def crf_of_steps(T):
    one = np.ones(1)
    return reference.crf(np.ones((1, T, 1)), np.zeros((1, T), int), one[None], one, one)


def translation_of(T, S):
    weights = np.full((T, S), 1 / S)
    weights[0] = 0.75, 0.24, *[0.01] * (S - 2)
    return {"source": [f"z{s}" for s in range(S)], "target": [f"e{t}" for t in range(T)],
            "weights": weights}  # fmt: skip


def crf_by_hand():
    """Return the trace of two steps and two tags, whose change costs 5; four paths in all."""
    emissions, changes = np.array([[[2.0, 0.0], [0.0, 1.0]]]), np.array([[0.0, -5.0], [0.0, 0.0]])
    return reference.crf(emissions, np.array([[0, 0]]), changes, np.zeros(2), np.zeros(2))[1]


def some(name):
    """Return (trace, options) of any diagram."""
    x = rng.normal(size=(2, 5, 3))
    query = rng.normal(size=(2, 5, 4))
    table = rng.normal(size=(5, 3))
    make = {
        "neuron": lambda: reference.dense(x[0], table[:3])[1],
        "embedding": lambda: reference.embedding(np.array([[1, 4]]), table)[1],
        "rnn": lambda: reference.simple_rnn(x, table[:3], table[:3])[1],
        "lstm": lambda: reference.lstm(x, np.tile(table[:3], 4), np.tile(table[:3], 4))[1],
        "gru": lambda: reference.gru(x, np.tile(table[:3], 3), np.tile(table[:3], 3))[1],
        "bidirectional": lambda: reference.bidirectional(
            x, *[np.tile(table[:3], 4)] * 2, *[np.tile(table[:3], 4)] * 2, return_sequences=True
        )[1],
        "attention": lambda: reference.scaled_dot_product_attention(query, query, query)[1],
        "block": lambda: block_of("pre")[1],
        "training": step_of_training,
        "tuning": lambda: tuning_of(frozen=[0.0, 0.0, 0.3], full=[0.15, 0.2, 0.1]),
        "crf": crf_by_hand,
        "ngram": lambda: reference.ngram_fit([["a", "b", "a", "c"]], order=1),
        "confusion": lambda: {"confusion": [[7, 1], [2, 3]], "labels": ["ham", "spam"]},
        "translation": lambda: translation_of(2, 3),
        "span": lambda: {"tokens": ["who", "Ada", "came"], "start": [-np.inf, np.log(3), 0.0],
                         "end": [-np.inf, 0.0, 0.0], "best": (1, 2)},
        "lora": lambda: reference.lora(table, table[:, :2], table[:2], 4.0)[1],
        "private": lambda: {"norms": [4.0, 0.5], "clip": 1.0, "noise": 2.0, "sum": 1.2, "step": 5},
        "cost": lambda: {"names": ["a", "b"], "weights": [1e6, 5e5], "flops": [2e6, 1000]},
    }  # fmt: skip
    return make[name]()


def test_an_ngram_shows_what_a_pencil_gives():
    # After a: b and c, once each. A half of each is taken, and P' counts the words in front: each
    # of a, b, c, <eos> stands behind one other word, a behind two (<bos>, b): 1/5, and 2/5 of a.
    model = reference.ngram_fit([["a", "b", "a", "c"]], order=2)
    texts, _ = drawn("ngram", model, context=["a"], discount=0.5)
    assert "0.25 + 0.10 = 0.35" in texts  # b and c: (1 - 1/2) / 2 + 1/2 · 1/5
    assert "0.00 + 0.20 = 0.20" in texts  # a, which was never seen behind a: 1/2 · 2/5
    with pytest.raises(ValueError, match="expected as context 1 words"):
        plots.diagram("ngram", model, context=["z"])


def test_an_lstm_shows_what_a_pencil_gives():
    # i = σ(0.5), f = σ(3), g = tanh(1), o = σ(0); c = f · 2 + i · g, h = o · tanh c.
    texts, _ = drawn("lstm", lstm_by_hand(), step=0)
    for symbol, value in {"i": 0.62, "f": 0.95, "g": 0.76, "o": 0.50, "ht-1": 0.50, "ct-1": 2.00,
                          "ct": 2.38, "ht": 0.49, "f × ct-1": 1.91, "i × g": 0.47,
                          "tanh ct": 0.98}.items():  # fmt: skip
        assert f"{symbol} = {value:.2f}" in [text.strip() for text in texts]


def test_a_later_step_of_an_lstm_starts_where_the_one_before_ended():
    texts, _ = drawn("lstm", lstm_by_hand(), step=1)
    assert "ht-1 = 0.49" in texts and "ct-1 = 2.38" in texts


def test_a_gate_is_filled_as_far_as_it_is_open():
    _, root = drawn("lstm", lstm_by_hand(), step=0)
    tracks, levels = (
        [float(bar.get("width")) for bar in root.iter(f"{SVG}rect") if bar.get("class") == kind]
        for kind in ("track", "level")
    )
    shares = np.divide(levels, tracks)  # in the order f, i, o
    assert np.allclose(shares, [0.9526, 0.6225, 0.5], atol=1e-3)


@pytest.mark.parametrize(("reset_after", "candidate"), [(True, 0.94), (False, 0.91)])
def test_a_gru_shows_what_a_pencil_gives(reset_after, candidate):
    # z = σ(1), r = σ(0); h̃ = tanh(1 + r · (0.5 · 2 + 0.5)), or tanh(1 + (r · 0.5) · 2).
    kernel, recurrent = np.array([[0.5, -0.5, 1.0]]), np.array([[1.0, 1.0, 2.0]])
    bias = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.5]]) if reset_after else None
    first = (np.array([[0.5]]),)
    _, trace = reference.gru(
        np.ones((1, 2, 1)), kernel, recurrent, bias, initial_state=first, reset_after=reset_after
    )
    texts, _ = drawn("gru", trace, step=0)
    z, r = 1 / (1 + np.exp(-1.0)), 0.5
    h = z * 0.5 + (1 - z) * np.tanh(1 + (r * 1.5 if reset_after else r * 1.0))
    shown = {"z": z, "r": r, "h̃": candidate, "ht-1": 0.5, "ht": h, "z × ht-1": z / 2,
             "1 - z": 1 - z, "inner": 0.75 if reset_after else 0.5}  # fmt: skip
    assert {f"{name} = {value:.2f}" for name, value in shown.items()} <= set(texts)
    assert f"reset {'after' if reset_after else 'before'}" in texts[0]
    assert f"ht-1 = {h:.2f}" in drawn("gru", trace, step=1)[0]


def test_an_rnn_shows_its_states_and_the_gradient_that_comes_back():
    one = np.ones((1, 1))
    x = np.array([[[1.0], [2.0], [3.0]]])
    _, trace = reference.simple_rnn(x, one, 0.5 * one, activation="linear")
    grads = reference.simple_rnn_backward(one, trace)
    texts, root = drawn("rnn", trace, grads=grads, tokens=["a", "b", "c"])
    states = [texts[texts.index(f"h{t}") + 1] for t in range(3)]
    assert states == ["1.00", "2.50", "4.25"]  # h = x + h / 2
    assert texts[-3:] == ["0.25", "0.50", "1.00"]  # halved at every step back
    back = [line for line in root.iter(f"{SVG}polyline") if line.get("class") == "arrow minus"]
    thick = [float(line.get("style").split(":")[1]) for line in back]
    assert thick == sorted(thick) and thick[0] < thick[1]
    assert [text for text in texts if text in "abc"] == ["a", "b", "c"]


def test_both_directions_show_what_each_has_read_and_what_a_mask_hides():
    one, x = np.ones((1, 1)), np.array([[[1.0], [2.0], [3.0], [9.0]]])
    _, trace = reference.bidirectional(
        x, one, one, one, one, layer=reference.simple_rnn, activation="linear",
        mask=np.array([[True, True, True, False]]), return_sequences=True,
    )  # fmt: skip
    texts, root = drawn("bidirectional", trace, tokens=["a", "b", "c", "-"], language="en")
    states = [text for text in texts if re.fullmatch(r"[\d.]+", text)]
    # Running sums from both ends, in the order of the tokens; the masked 9 adds nothing.
    assert states == ["1.00", "6.00", "3.00", "5.00", "6.00", "3.00", "6.00", "0.00"]
    kinds = [box.get("class") for box in root.iter(f"{SVG}rect") if "box" in box.get("class")]
    assert kinds == ["box state"] * 6 + ["box masked"] * 2 and "masked" in texts[0]
    heads = [head.get("points").split()[0] for head in root.iter(f"{SVG}polygon")]
    assert len(heads) == 2 * 3 + 3  # three arrows each way, and one a real token
    whole = reference.bidirectional(x, one, one, one, one, layer=reference.simple_rnn)[1]
    assert "masked" not in drawn("bidirectional", whole, language="en")[0][0]


def test_a_neuron_shows_its_weights_sum_and_bend():
    x, kernel = np.array([[9.0, 9.0], [1.0, 2.0]]), np.array([[7.0, 3.0], [7.0, -4.0]])
    _, trace = reference.dense(x, kernel, np.array([0.0, 0.5]))
    texts, root = drawn("neuron", trace, unit=1, text=1, activation="sigmoid", tokens=["p", "q"])
    for shown in ("p = 1.00", "q = 2.00", "× 3.00", "× -4.00", "b = 0.50", "a = -4.50", "0.01"):
        assert shown in texts
    kinds = [line.get("class") for line in root.iter(f"{SVG}polyline")]
    assert kinds[:2] == ["arrow plus", "arrow minus"]
    assert "0.00" in drawn("neuron", trace, unit=1, text=1, activation="relu")[0]


def test_an_embedding_is_a_row_of_the_table():
    table = np.array([[1, 0, 2], [0, 1, 0], [-7, 5, 0.25]])
    _, trace = reference.embedding(np.array([[1, 2]]), table)
    texts, _ = drawn("embedding", trace, step=1, tokens=["x", "y", "z"])
    cells = [text for text in texts if re.fullmatch(r"-?[\d.]+", text)]
    assert cells[:3] == ["0", "0", "1"] and cells[-3:] == ["-7", "5", "0.25"]
    assert texts[0].endswith("· z")


@pytest.mark.parametrize("several", [False, True])
def test_attention_has_the_numbers_of_the_head_in_true_proportions(several):
    if several:
        trace, options = block_of("post")[1].steps[0].sublayer, {"text": 1, "head": 1}
        weights, count = trace.weights[1, 1], (5, 3)
    else:
        query, key = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
        mask = np.arange(7) != 2
        _, trace = reference.scaled_dot_product_attention(query, key, key, mask=mask)
        options, weights, count = {}, trace.weights, (5, 3)
    texts, root = drawn("attention", trace, **options)
    (T, K), S = count, weights.shape[1]
    sizes = [f"{T} × {K}", f"{K} × {S}", f"{T} × {S}", f"{T} × {S}", f"{S} × {K}", f"{T} × {K}"]
    assert [text for text in texts if re.fullmatch(r"\d × \d", text)] == sizes
    hovers = [title.text for title in root.iter(f"{SVG}title")]
    first = T * K + K * S + T * S
    assert hovers[first : first + T * S] == [number(value) for value in weights.ravel()]
    assert f"{3**-0.5:.2f} Q Kᵀ" in texts


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_shows_its_sizes_in_the_order_of_its_norm(norm):
    output, trace = block_of(norm)
    texts, _ = drawn("block", trace, text=1)
    for array in (trace.x, trace.h[0], output, trace.steps[0].sublayer.output):
        assert number(np.sqrt((array[1] ** 2).mean())) in texts
    assert {"5 × 6", "2 × 3", "6 → 11 → 6"} <= set(texts) and f"{norm}-norm" in texts[0]
    order = [text for text in texts if text in ("layer norm", "attention", "+")]
    assert order[:3] == {"pre": ["layer norm", "attention", "+"],
                         "post": ["attention", "+", "layer norm"]}[norm]  # fmt: skip


def test_a_correction_shows_its_matrices_and_what_they_hold():
    w, a, b = np.ones((5, 3)), np.full((5, 1), 2.0), np.full((1, 3), 3.0)
    texts, root = drawn("lora", reference.lora(w, a, b, 4)[1], language="en")
    assert {"5 × 3", "5 × 1", "1 × 3", "frozen", "learned", "used", "+ 4 ·"} <= set(texts)
    assert texts[0] == "low-rank adaptation · r = 1 · 15 + 8"  # 8 = 1 · (5 + 3)
    # W, A, B and W' = 1 + 4 · 2 · 3 have 15, 5, 3 and 15 cells; each says its number.
    cells = [title.text for title in root.iter(f"{SVG}title")]
    assert cells == ["1.00"] * 15 + ["2.00"] * 5 + ["3.00"] * 3 + ["25.00"] * 15


def test_a_private_step_shows_what_is_cut_off():
    texts, root = drawn("private", some("private"), language="en")
    assert "× 0.25" in texts and "× 1.00" in texts and "C = 1.00" in texts
    assert "|Σ + σCz| = 5.00" in texts
    widths = [float(bar.get("width")) for bar in root.iter(f"{SVG}rect")
              if bar.get("class") in ("plus", "minus")]  # fmt: skip
    assert np.allclose(widths, [120, 90, 15, 45], atol=0.1)  # cut to C, of 90; a half of C stays


def test_a_cost_adds_up():
    texts, _ = drawn("cost", some("cost"), language="en")
    assert "Σ 1,500,000" in texts and "Σ 2,001,000" in texts
    assert "weights 6.00 + gradient 6.00 + Adam 12.00 = 24.00 MB" in " ".join(texts)


def test_a_confusion_matrix_shows_the_scores_of_a_class():
    texts, root = drawn("confusion", some("confusion"), language="en")
    assert {"3 / 4 = 0.750", "3 / 5 = 0.600", "F1 = 0.667", "7", "2"} <= set(texts)
    chosen = [box for box in root.iter(f"{SVG}rect") if box.get("class") == "chosen"]
    assert float(chosen[0].get("x")) > float(chosen[1].get("x"))  # the column of spam, and its row
    first, _ = drawn("confusion", some("confusion"), language="en", label=0)
    assert {"7 / 9 = 0.778", "7 / 8 = 0.875"} <= set(first)


def test_two_pointers_show_probabilities_and_where_no_answer_may_stand():
    texts, root = drawn("span", some("span"), language="en")
    assert texts.count("−∞") == 2 and {"0.75", "0.25", "0.50"} <= set(texts)  # 3 : 1, and 1 : 1
    assert texts[0].endswith("Ada came")
    (frame,) = [box for box in root.iter(f"{SVG}rect") if box.get("class") == "chosen"]
    bars = [box for box in root.iter(f"{SVG}rect") if box.get("class") == "plus"]
    top, high = (float(frame.get(name)) for name in ("y", "height"))
    assert len(bars) == 2 and all(top < float(bar.get("y")) < top + high for bar in bars)
    lengths = [float(bar.get("width")) for bar in bars]
    assert np.isclose(lengths[0], 3 * lengths[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": [0.0]}, "a start and an end score for each token"),
        ({"best": (2, 1)}, r"best as a first and a last position .* received \(2, 1\)"),
    ],
)
def test_a_span_that_cannot_be_drawn_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        plots.diagram("span", {**some("span"), **change})


def test_a_lattice_shows_probabilities_of_tags_and_the_best_path():
    trace = crf_by_hand()
    texts, root = drawn("crf", trace, tokens=["the", "boat"], names=["A", "B"], language="en")
    paths = np.exp([[2.0, 2.0 + 1.0 - 5.0], [0.0, 1.0]])  # scores of AA, AB, BA, BB
    p = paths / paths.sum()
    for share in (*p.sum(axis=1), *p.sum(axis=0)):
        assert f"p = {share:.2f}" in texts
    assert f"CRF · log Z = {np.log(paths.sum()):.2f}" in texts and {"A", "B", "boat"} <= set(texts)
    ways = [line for line in root.iter(f"{SVG}polyline")]
    assert len(ways) == 4 and [way.get("class") for way in ways].count("arrow plus") == 1


def test_a_forbidden_change_is_no_way():
    trace = crf_by_hand()
    shut = trace.transitions.copy()
    shut[0, 1] = -1e4
    _, root = drawn("crf", trace._replace(transitions=shut))
    assert len(list(root.iter(f"{SVG}polyline"))) == 3


def test_a_translation_shows_where_its_word_looks():
    texts, root = drawn("translation", translation_of(2, 3), step=0)
    assert {"0.75", "0.24", "z2", "e1"} <= set(texts) and "0.01" not in texts
    widths = [float(line.get("style").split(":")[1]) for line in root.iter(f"{SVG}polyline")
              if line.get("class") == "arrow plus"]  # fmt: skip
    assert np.allclose(widths, [0.8 + 6 * 0.75, 0.8 + 6 * 0.24], atol=0.051)
    joined = [line for line in root.iter(f"{SVG}polyline") if line.get("class") == "arrow"]
    assert len(joined) == 2  # of the source; the second word is not said yet


def test_a_step_of_training_shows_loss_gradient_and_rate():
    texts, _ = drawn("training", step_of_training())
    assert {"7 × 3", "7 × 2", "θ: 8", "L = 0.69", "|g| = 5.00"} <= set(texts)  # √(6 · 4 + 1)
    assert "θ ← θ - 0.05 · g" in texts and texts[0].endswith("12")


def test_fine_tuning_shows_what_moved_how_far_and_what_is_frozen():
    texts, root = drawn("tuning", tuning_of(frozen=[0.0, 0.0, 0.3], full=[0.15, 0.2, 0.1]))
    assert texts.count("Δ = 0") == texts.count("frozen") - 1 == 2  # one is the name of the way
    assert {"Δ = 0.30", "Δ = 0.15", "Δ = 0.20", "Δ = 0.10"} <= set(texts)
    bars = [float(b.get("width")) for b in root.iter(f"{SVG}rect") if b.get("class") == "level"]
    assert np.allclose(bars, 104 * np.array([1, 1 / 2, 2 / 3, 1 / 3]), atol=0.1)
    back = [a for a in root.iter(f"{SVG}polyline") if "minus" in a.get("class")]
    assert len(back) == 2  # the gradient goes down to what learns: in the second row alone
    with pytest.raises(ValueError, match="a distance for each of 3 groups, received 2 for 'full'"):
        plots.diagram("tuning", tuning_of(full=[0.1, 0.2]))


@pytest.mark.parametrize("name", diagrams.DIAGRAMS)
def test_every_diagram_speaks_both_languages(name, monkeypatch):
    trace = some(name)
    english, chinese, both = (
        plots.diagram(name, trace, language=language).svg.replace(STYLE, "")
        for language in ("en", "zh", "both")
    )
    chinese_signs = r"[\u4e00-\u9fff]"
    assert not re.search(chinese_signs, english) and re.search(chinese_signs, chinese)
    assert set(re.findall(chinese_signs, chinese)) <= set(both)
    monkeypatch.setenv(VARIABLE, "zh")
    assert plots.diagram(name, trace).svg.replace(STYLE, "") == chinese


@pytest.mark.parametrize(
    "name", ["neuron", "embedding", "rnn", "lstm", "gru", "bidirectional", "attention"]
)
@pytest.mark.parametrize("token", ["</text><b>", '"><b>', "a & b", "]]>", "&lt;", "$x$"])
def test_hostile_tokens_stay_text(name, token):
    trace = some(name)
    tokens = [token] * (3 if name == "neuron" else 5)
    texts, root = drawn(name, trace, tokens=tokens)
    assert any(token in text for text in texts)
    plain = {element.tag for element in drawn(name, trace)[1].iter()}
    assert {element.tag for element in root.iter()} == plain
    assert "$" not in plots.diagram(name, trace, tokens=tokens).svg  # no formula of a notebook


@pytest.mark.parametrize("name", diagrams.DIAGRAMS)
def test_a_diagram_is_light_and_dark_and_needs_no_network(name):
    svg = plots.diagram(name, some(name)).svg
    assert "prefers-color-scheme: dark" in svg and 'class="paper"' in svg
    assert svg.count("http") == 1  # the name of SVG
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", STYLE)
    selectors = [part.strip() for rule in rules for part in rule.split(",")]
    assert len(selectors) > 20 and all(".kd" in part for part in selectors)


def test_a_diagram_is_shown_and_saved(tmp_path):
    diagram = plots.diagram("lstm", lstm_by_hand())
    assert diagram._repr_svg_() == diagram.svg and "save" in repr(diagram)
    assert diagram.save(tmp_path / "cell.svg").read_text("utf-8") == diagram.svg
    with pytest.raises(ValueError, match=r"ends in .svg, received 'cell.png'"):
        diagram.save(tmp_path / "cell.png")
    with pytest.raises(OSError, match=r"cannot be written.*choose another path"):
        diagram.save(tmp_path / "no folder" / "cell.svg")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ltsm", {}, "name to be one of .* Did you mean 'lstm'"),
        ("lstm", {"language": "fr"}, "language to be one of .* received 'fr'"),
        ("lstm", {"step": 5}, "step as a whole number from 0 to 4, received 5"),
        ("lstm", {"unit": 1.5}, "unit as a whole number .* received 1.5"),
        ("lstm", {"text": -3}, "text as a whole number from 0 to 1, received -3"),
        ("rnn", {"tokens": ["a"]}, "expected 5 tokens, one for each step .* received 1"),
        ("rnn", {"grads": 3}, "the trace of reference.simple_rnn_backward, received int"),
        ("neuron", {"activation": "gelu"}, "an activation among .* received 'gelu'"),
        ("attention", {"keys": ["a"]}, "expected 5 keys"),
        ("crf", {"names": ["a"]}, "expected 2 names"),
        ("translation", {"step": 2}, "step as a whole number from 0 to 1, received 2"),
        ("confusion", {"label": 2}, "label as a whole number from 0 to 1, received 2"),
    ],
)
def test_what_cannot_be_drawn_is_said(name, options, message):
    trace = some(name) if name in diagrams.DIAGRAMS else None
    with pytest.raises(ValueError, match=message):
        plots.diagram(name, trace, **options)


@pytest.mark.parametrize("name", diagrams.DIAGRAMS)
def test_the_trace_of_another_function_is_refused(name):
    with pytest.raises(ValueError, match=r"expected (the trace of reference|a dict)"):
        of_dicts = ("training", "tuning", "confusion", "translation", "span", "private", "cost")
        of_a_dict = name in of_dicts
        plots.diagram(name, {} if of_a_dict else reference.relu(np.ones(3))[1])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("rnn", lambda: reference.simple_rnn(np.ones((1, 17, 1)), np.eye(1), np.eye(1))),
        ("neuron", lambda: reference.dense(np.ones((1, 13)), np.ones((13, 1)))),
        ("embedding", lambda: reference.embedding(np.array([[0]]), np.ones((15, 2)))),
        ("attention", lambda: reference.scaled_dot_product_attention(*3 * [np.ones((25, 2))])),
        ("crf", lambda: crf_of_steps(9)),
        ("translation", lambda: (0, translation_of(25, 2))),
        ("confusion", lambda: (0, {"confusion": np.ones((9, 9)), "labels": "abcdefghi"})),
        (
            "span",
            lambda: (0, {"tokens": ["a"] * 41, "start": [0] * 41, "end": [0] * 41, "best": (0, 0)}),
        ),
        ("lora", lambda: reference.lora(np.ones((25, 2)), np.ones((25, 1)), np.ones((1, 2)), 1)),
        ("private", lambda: (0, {**some("private"), "norms": np.ones(7)})),
        ("cost", lambda: (0, {"names": "abcdefghi", "weights": np.ones(9), "flops": np.ones(9)})),
    ],
)
def test_more_than_a_reader_can_see_is_refused(name, make):
    with pytest.raises(ValueError, match=r"at most \d+ .* received"):
        plots.diagram(name, make()[1])


def test_a_decoder_block_is_no_two_steps():
    three = block_of("pre")[1]._replace(steps=(1, 2, 3))
    with pytest.raises(ValueError, match="2 residual steps, received 3"):
        plots.diagram("block", three)
