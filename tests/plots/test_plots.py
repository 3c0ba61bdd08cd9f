import io
import logging
import warnings
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from kerasllm import plots
from kerasllm.plots import fonts

HISTORY = {
    "epoch": [1, 2, 3, 4],
    "loss": [3.0, 2.0, 1.5, 1.2],
    "val_loss": [3.1, np.nan, 1.9, 2.2],
    "accuracy": [0.1, 0.2, 0.4, 0.5],
    "seconds": [1, 2, 3, 4],
}
RUNS = [
    {"method": method, "labels": labels, "seed": seed, "score": score + seed / 100}
    for method, score in (("linear", 0.5), ("full", 0.6), ("majority", 0.2))
    for labels in (100, 1000)
    for seed in (0, 2)
]
FIGURES = {
    "curves": lambda: plots.learning_curves(HISTORY),
    "confusion": lambda: plots.confusion_matrix(np.eye(3) * 7, ["一", "二", "$3 or $4"]),
    "attention": lambda: plots.attention_map(["a", "\n", "天"], np.full((5, 3, 3), 1 / 3)),
    "gates": lambda: plots.gate_heatmap(["a", "b"], np.full((2, 11), 0.3)),
    "states": lambda: plots.gate_heatmap(["a", "b"], np.full((2, 11), -3.0), signed=True),
    "lengths": lambda: plots.length_histogram([1, 2, 3, 5, 8, 300], 4),
    "lengths, all equal": lambda: plots.length_histogram([4, 4, 4]),
    "lines": lambda: plots.lines({"中": [1, 2]}, xlabel="x", ylabel="$y", title="t", log="y"),
    "reliability": lambda: plots.reliability_diagram([0.6, 0.9], [0.5, 1.0], [3, 7]),
    "payoff": lambda: plots.payoff(RUNS),
    "payoff, one run": lambda: plots.payoff(RUNS[:1]),
}


@pytest.fixture
def no_chinese_font(monkeypatch):
    caches = (fonts.chinese_font, fonts._glyphs, fonts._warn_once)
    for cache in caches:
        cache.cache_clear()
    monkeypatch.setattr(fonts, "_FAMILIES", ())
    monkeypatch.setattr(fonts, "_FILES", "no such file")
    yield
    for cache in caches:
        cache.cache_clear()


def png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_drawn(name):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Some characters are drawn as boxes")
        figure = FIGURES[name]()
    assert isinstance(figure, Figure)
    assert png(figure).startswith(b"\x89PNG")


def test_figures_leave_no_global_state():
    import matplotlib
    from matplotlib._pylab_helpers import Gcf

    before = dict(matplotlib.rcParams)
    plots.learning_curves(HISTORY)
    assert dict(matplotlib.rcParams) == before
    assert not Gcf.figs


def test_learning_curves_draw_what_was_measured_and_mark_the_best():
    loss, accuracy = plots.learning_curves(HISTORY).axes
    training, validation, best = loss.lines
    assert training.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1.5], [4, 1.2]]
    assert validation.get_xydata().tolist() == [[1, 3.1], [3, 1.9], [4, 2.2]]
    assert best.get_xydata().tolist() == [[3, 1.9]]
    assert "1.9 at 3" in best.get_label()
    assert accuracy.get_ylabel() == "accuracy"


def test_the_best_accuracy_is_the_highest():
    figure = plots.learning_curves({"accuracy": [0.1, 0.2, 0.3], "val_accuracy": [0.1, 0.3, 0.2]})
    assert figure.axes[0].lines[-1].get_xydata().tolist() == [[2, 0.3]]


def test_confusion_colours_are_shares_of_the_true_class():
    axes = plots.confusion_matrix([[30, 10], [0, 0]], ["a", "b"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["30", "10", "0", "0"]


def test_many_classes_are_drawn_without_counts():
    labels = [f"class {i}" for i in range(23)]
    assert len(plots.confusion_matrix(np.eye(23), labels).axes[0].texts) == 0


def test_time_runs_to_the_right_in_a_gate_heatmap(rng):
    values = rng.random((3, 7))
    axes = plots.gate_heatmap(["a", "b", "c"], values).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), values.T)
    assert axes.images[0].get_clim() == (0, 1)


def test_queries_are_rows_and_keys_columns_in_an_attention_map(rng):
    values = rng.random((2, 3))
    axes = plots.attention_map(["q", "r"], values, ["k", "l", "m"]).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), values)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["k", "l", "m"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["q", "r"]


def test_lines_draw_each_curve_over_its_x_and_the_level_dashed():
    figure = plots.lines(
        {"a": [3, 1, 2], "b": [9, 8, 7]}, [5, 6, 11], xlabel="step", ylabel="nats", title="t",
        level=("best", 0.5), log="y",
    )  # fmt: skip
    (axes,) = figure.axes
    best, a, b = axes.lines
    assert best.get_linestyle() == "--" and set(best.get_ydata()) == {0.5}
    np.testing.assert_array_equal(a.get_xydata(), [[5, 3], [6, 1], [11, 2]])
    np.testing.assert_array_equal(b.get_ydata(), [9, 8, 7])
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_ylabel()) == ("linear", "log", "nats")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["best", "a", "b"]


def test_payoff_draws_mean_and_spread_and_dashes_the_baselines():
    axes = plots.payoff(RUNS).axes[0]
    lines = {bars.get_label(): bars for bars in axes.containers}
    assert list(lines) == ["full", "linear", "majority"]
    np.testing.assert_allclose(lines["full"].lines[0].get_xydata()[:, 1], [0.61, 0.61])
    (low, high), _ = lines["full"].lines[2][0].get_segments()
    assert high[1] - low[1] == pytest.approx(2 * np.std([0, 0.02], ddof=1))
    assert lines["full"].lines[0].get_linestyle() == "-"
    assert lines["linear"].lines[0].get_linestyle() != "-"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100", "1,000"]


def test_length_histogram_counts_every_text_and_tells_what_is_cut():
    axes = plots.length_histogram(list(range(1, 101)), 90).axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == 100
    label = axes.get_legend_handles_labels()[1][-1]
    assert label == "limit of 90: 10.0 % of texts and 1.1 % of tokens cut"  # 55 of 5,050


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.learning_curves({}), "at least one quantity"),
        (lambda: plots.learning_curves({"loss": [1, 2], "val_loss": [1]}), "one length"),
        (lambda: plots.confusion_matrix([[1, 2]], ["a"]), "square"),
        (lambda: plots.confusion_matrix(np.eye(2), ["a"]), "1 labels"),
        (lambda: plots.attention_map(["a"], np.eye(2)), r"shape \(1, 1\), received \(2, 2\)"),
        (lambda: plots.gate_heatmap(["a"], np.eye(2)), r"shape \(1,\), received \(2,\)"),
        (lambda: plots.length_histogram([]), "at least one value"),
        (lambda: plots.payoff([]), "0 rows"),
        (lambda: plots.payoff([{"method": "full", "labels": 3}]), r"without \['score'\]"),
        (lambda: plots.payoff([{"method": "x", "labels": 0, "score": 1}]), "logarithmic"),
    ],
)
def test_refuses(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_chinese_without_a_font_warns_once_and_names_the_cure(no_chinese_font):
    with pytest.warns(UserWarning, match="apt install fonts-noto-cjk") as caught:
        figure = plots.confusion_matrix(np.eye(2), ["体育", "财经"])
        plots.gate_heatmap(["天", "气"], np.eye(2))
    assert len(caught) == 1
    assert figure.axes[0].get_xticklabels()[0].get_text() == "□□"
    png(figure)  # warnings are errors: nothing more is said while drawing


def test_a_font_of_one_weight_is_used_without_a_word(caplog):
    family, logger = "DejaVu Sans Display", logging.getLogger("matplotlib.font_manager")
    log = ("findfont: Failed to find font weight %s for %s, now using %s.", "bold", family, 400)
    logger.warning(*log)
    assert family in caplog.text  # as Matplotlib logs it
    caplog.clear()
    before = list(logger.filters)
    fonts.ignore_weights(family)
    logger.warning(*log)
    assert not caplog.text
    logger.warning("findfont: Font family %r not found.", family)
    assert "not found" in caplog.text  # everything else is still said
    logger.filters[:] = before


def test_chinese_is_drawn_in_a_chinese_font():
    if not fonts.chinese_font():
        pytest.skip("needs an installed font with Chinese")
    figure = plots.gate_heatmap(["天", "气"], np.eye(2), title="遗忘门")
    assert fonts.chinese_font() in figure.axes[0].title.get_fontfamily()
    assert figure.axes[0].title.get_text() == "遗忘门"
    png(figure)


def test_what_matplotlib_would_misread_is_escaped():
    assert fonts.drawable("$x$\t") == r"\$x\$\t"


@pytest.mark.parametrize(
    ("tokens", "rotations"),
    [
        (["a", "cat"], {0.0}),
        (["<bos>", "two", "hungry", "farmers", "I", "find"], {90.0, 0.0}),
        (["the", "\u8bed\u8a00", "extraordinarily"], {90.0, 0.0}),
    ],
)
def test_names_of_tokens_stand_on_end_together_when_one_does_not_fit(tokens, rotations):
    if fonts.chinese_font() is None and not "".join(tokens).isascii():
        pytest.skip("no font with Chinese is installed")
    axes = plots.gate_heatmap(tokens, np.zeros((len(tokens), 3))).axes[0]
    labels = axes.get_xticklabels()
    assert {label.get_rotation() for label in labels} == rotations
    upright = [label.get_text() for label in labels if label.get_rotation() == 0]
    if len(rotations) > 1:  # only what is one letter wide, or written downwards
        assert all(len(part) == 1 for text in upright for part in text.split("\n"))
    figure = axes.figure
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in labels]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert axes.get_xlabel() == "token"


def test_long_names_leave_room_for_what_they_name():
    figure = plots.confusion_matrix(np.eye(2), ["a" * 300, "b"])
    figure.savefig(io.BytesIO())  # Matplotlib warns where no room is left
    (axes,) = (axes for axes in figure.axes if axes.get_xlabel() == "predicted")
    assert [len(text.get_text()) for text in axes.get_yticklabels()] == [40, 1]
