import numpy as np
import pytest

from kerasllm.text.batching import StreamBatches, TextBatches, pad_bucketed


def texts_of(rng, count):
    """Return texts of many lengths, each of tokens that are its own: text i holds i + 1."""
    return [[i + 1] * int(n) for i, n in enumerate(rng.integers(1, 90, count))]


def stream(seed=3, tokens=1013):
    return StreamBatches(np.arange(tokens, dtype="uint16"), length=7, batch_size=5, seed=seed)


def texts(rng, seed=3, **options):
    sequences = texts_of(rng, 211)
    return TextBatches(sequences, np.arange(211), batch_size=8, seed=seed, pool=5, **options)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("make", [lambda: stream(), lambda: texts(np.random.default_rng(7))])
def test_a_batch_is_a_function_of_seed_and_step(make):
    in_order, out_of_order = make(), make()
    steps = list(range(3 * in_order.steps_per_epoch))
    expected = [in_order.batch(step) for step in steps]
    for step in np.random.default_rng(0).permutation(steps):
        assert same(out_of_order.batch(int(step)), expected[step])
    resumed = make().stream(first=steps[-2])
    assert same(next(resumed), expected[-2]) and same(next(resumed), expected[-1])


def test_another_seed_gives_other_batches(rng):
    assert not same(stream(seed=3).batch(0), stream(seed=4).batch(0))
    lengths = [texts(np.random.default_rng(7), seed=s).batch(0)[1].tolist() for s in (3, 4)]
    assert lengths[0] != lengths[1]


def test_targets_are_the_next_tokens():
    inputs, targets = stream().batch(11)
    assert inputs.shape == targets.shape == (5, 7) and inputs.dtype == np.int32
    assert np.array_equal(targets, inputs + 1)


def test_no_token_comes_twice_in_an_epoch_and_epochs_differ():
    batches, epochs = stream(), []
    n = batches.steps_per_epoch
    for epoch in range(4):
        seen = np.concatenate([batches.batch(epoch * n + i)[0].ravel() for i in range(n)])
        # one window may be drawn twice, where the offset leaves one window less than there are
        assert len(seen) - len(np.unique(seen)) <= 7
        assert len(np.unique(seen)) > 1013 - 7 * 7
        epochs.append(tuple(seen))
    assert len(set(epochs)) == 4
    offsets = {seen[0] % 7 for seen in epochs}
    assert len(offsets) > 1


def test_all_tokens_are_seen_sooner_or_later():
    batches = stream(tokens=41)
    seen = {int(t) for step in range(60) for t in batches.batch(step)[0].ravel()}
    assert seen == set(range(40))


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(ValueError, match=r"7 tokens, fewer than one window of length=7"):
        stream(tokens=7)
    assert stream(tokens=8).batch(0)[1].max() == 7


def test_each_text_comes_once_an_epoch(rng):
    batches = texts(rng)
    n = batches.steps_per_epoch
    for epoch in (0, 3):
        rows = np.concatenate([batches.batch(epoch * n + i)[1] for i in range(n)])
        assert sorted(rows.tolist()) == list(range(211))


def test_texts_are_padded_on_the_right_and_stay_with_their_targets(rng):
    batches = texts(rng)
    for step in range(batches.steps_per_epoch):
        ids, rows = batches.batch(step)
        for row, text in zip(rows, ids, strict=True):
            length = len(batches.sequences[row])
            assert set(text[:length]) == {row + 1} and not text[length:].any()


def test_lengths_are_bucketed(rng):
    batches = texts(rng)
    n, longest = batches.steps_per_epoch, batches.lengths.max()
    shapes = [batches.batch(step)[0].shape for step in range(n)]
    assert all(width % 16 == 0 or width == longest for _, width in shapes)
    padded = sum(rows * width for rows, width in shapes)
    order = rng.permutation(211)
    unsorted = sum(len(part) * batches.lengths[part].max() for part in np.array_split(order, n))
    assert batches.lengths.sum() <= padded < 0.75 * unsorted


def test_padding_never_passes_the_longest_text():
    # A Transformer with learned positions cannot read one token more than its context.
    ids, _ = TextBatches([[6] * 19, [7]], batch_size=2).batch(0)
    assert ids.shape == (2, 19)
    assert pad_bucketed([[6] * 3]).shape == (1, 16)
    assert pad_bucketed([[6] * 17], limit=40).shape == (1, 32)
    assert pad_bucketed([[6] * 17], limit=20).shape == (1, 20)


def test_a_transform_draws_the_same_again_at_the_same_step(rng):
    def noise(ids, targets, generator):
        return ids + generator.integers(0, 9, ids.shape), targets

    a, b = (texts(np.random.default_rng(7), transform=noise) for _ in range(2))
    b.batch(0)
    assert same(a.batch(4), b.batch(4))
    n = a.steps_per_epoch
    plain = texts(np.random.default_rng(7))
    added = [a.batch(step)[0] - plain.batch(step)[0] for step in (1, n + 1)]
    assert added[0].shape != added[1].shape or not np.array_equal(*added)


def test_no_texts_are_refused():
    with pytest.raises(ValueError, match="at least one text"):
        TextBatches([])
