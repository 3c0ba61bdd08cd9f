"""Tokens in boxes: each where its part of the text is; lists of another size are named."""

import pytest
from matplotlib.colors import to_hex

from kerasllm.plots import token_rows


def test_boxes_of_the_same_part_are_below_one_another():
    axes = token_rows([["b", "o", "ats"], ["bo", "ats"]], spans=[[1, 1, 3], [2, 3]]).axes[0]
    edges = [(box.get_x() - 0.04, box.get_x() + box.get_width() + 0.04) for box in axes.patches]
    expected = [(0, 1), (1, 2), (2, 5), (0, 2), (2, 5)]
    assert [pytest.approx(edge) for edge in expected] == edges
    heights = [box.get_y() for box in axes.patches]
    assert len(set(heights[:3])) == 1 and heights[0] - heights[3] == pytest.approx(1)


def test_names_ids_and_padding():
    figure = token_rows(
        [["船", "0"], ["$", ""]], below=[[7, 0], [9, ""]], shaded=[[False, True], [False, False]],
        names=["第一行", "b"], title="T",
    )  # fmt: skip
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == [
        "第一行", "船", "7", "0", "0", "b", r"\$", "9",
    ]  # fmt: skip
    colours = [to_hex(box.get_facecolor()) for box in axes.patches]
    assert colours == ["#eaf3fa", "#dddddd", "#eaf3fa"]  # an empty text has no box
    assert figure.get_suptitle() == "T"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": [[]]}, "expected rows with at least one token"),
        ({"rows": [["a", "b"]], "spans": [[1]]}, r"expected spans .* rows of \[2\], .* of \[1\]"),
        ({"rows": [["a"]], "below": [[1], [2]]}, "expected below with one value a token"),
        ({"rows": [["a"]], "names": ["x", "y"]}, "expected 1 names, one a row, received 2"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        token_rows(**options)
