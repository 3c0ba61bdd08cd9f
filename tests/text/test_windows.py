"""Windows cover every token; pooled predictions belong to their texts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm.text import pad_sequences, pool_windows, truncate, window_batch, windows


@given(st.integers(0, 60), st.integers(1, 13), st.integers(1, 13))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_windows_cover_all_and_none_is_superfluous(count, length, stride):
    stride = min(stride, length)
    parts = windows(range(count), length, stride)
    assert {i for part in parts for i in part} == set(range(count))
    assert all(len(part) <= length for part in parts)
    assert all(len(part) == length for part in parts[:-1])
    assert len(parts) == 1 or parts[-1][-1] not in parts[-2]


def test_windows_overlap_by_half_unless_told():
    assert (
        windows(range(7), 4) == windows(range(7), 4, 2) == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6]]
    )
    assert windows([], 3) == [[]]


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (3, 0), (3, 4), (3, -1)])
def test_windows_that_lose_tokens_are_refused(length, stride):
    with pytest.raises(ValueError, match=r"expected (length|stride)"):
        windows(range(9), length, stride)


def test_truncate():
    assert truncate(range(9), 5) == [0, 1, 2, 3, 4]
    assert truncate(range(9), 5, "tail") == [4, 5, 6, 7, 8]
    assert truncate(range(9), 5, "both") == [0, 5, 6, 7, 8]
    assert truncate(range(3), 5, "both") == [0, 1, 2]
    with pytest.raises(ValueError, match="'both', 'head', 'tail'"):
        truncate(range(9), 5, "middle")


@pytest.mark.parametrize(("how", "oracle"), [("mean", np.mean), ("max", np.max)])
def test_pooling_equals_a_loop(how, oracle, rng):
    sequences = [list(range(n)) for n in (3, 11, 0, 7)]
    parts, owners = window_batch(sequences, 3, 2)
    predictions = rng.normal(size=(len(parts), 5))
    order = rng.permutation(len(parts))
    pooled = pool_windows(predictions[order], owners[order], how)
    wanted = [oracle(predictions[owners == text], axis=0) for text in range(4)]
    np.testing.assert_allclose(pooled, wanted, rtol=1e-12)
    scalar = pool_windows(predictions[:, 0].astype("float32"), owners, how)
    np.testing.assert_allclose(scalar, np.array(wanted)[:, 0], rtol=1e-5)
    assert scalar.dtype == "float32"


def test_pooling_of_bad_owners_is_refused():
    for owners, match in (
        ([0], "one owner a prediction"),
        ([0, 2], "text 1 has none"),
        ([0, -1], "from 0"),
    ):
        with pytest.raises(ValueError, match=match):
            pool_windows([[1.0], [2.0]], owners)
    with pytest.raises(ValueError, match="'max', 'mean'"):
        pool_windows([[1.0]], [0], "median")


def test_padding():
    padded = pad_sequences([[7, 8, 9], [], (5,)])
    assert padded.tolist() == [[7, 8, 9], [0, 0, 0], [5, 0, 0]] and padded.dtype == "int32"
    assert pad_sequences([[7, 8, 9], [6]], 2, "uint16").tolist() == [[7, 8], [6, 0]]
    assert pad_sequences([[1]], 3).tolist() == [[1, 0, 0]]
    assert pad_sequences([]).shape == (0, 0) and pad_sequences([], 4).shape == (0, 4)
    assert pad_sequences(np.arange(6).reshape(2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("bad", [[1, 2], ["ab"], [[[1]]]])
def test_padding_of_something_else_is_refused(bad):
    with pytest.raises(TypeError, match=r"write \[row\]"):
        pad_sequences(bad)
    with pytest.raises(ValueError, match="0 or more"):
        pad_sequences([[1]], -1)
