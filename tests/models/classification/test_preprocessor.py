"""Texts as a classifier reads them: cut, in windows, cleaned, with words hidden."""

import numpy as np
import pytest

from kerasllm.models import ClassificationPreprocessor
from kerasllm.models.classification.preprocessor import _hide_words
from kerasllm.text import EOS, UNK, train_tokenizer

TEXTS = [f"the {word} is here" for word in ("cat", "dog", "cow", "hen", "fox", "owl")] * 4


@pytest.fixture(scope="module")
def words():
    return train_tokenizer(TEXTS, kind="word")


def test_windows_keep_all_of_a_long_text(words):
    texts = ["the cat is here the cat", "the cat"]
    reader = ClassificationPreprocessor(words, length=4, long_texts="windows")
    rows, owners = reader.rows(texts)
    whole = words.encode_batch(texts, eos=True)
    assert list(owners) == [0] * (len(rows) - 1) + [1] and len(rows) > 2
    assert rows[0] == whole[0][:4] and rows[-2][-1] == words.eos_id and rows[-1] == whole[1]


def test_cleaning_reads_a_dirty_text_like_a_clean_one(words):
    dirty = ClassificationPreprocessor(words, length=9, clean=True).rows(["the\x00   cat"])
    assert dirty == ClassificationPreprocessor(words, length=9).rows(["the cat"])


def test_an_unknown_way_to_read_long_texts_is_refused_with_the_nearest(words):
    with pytest.raises(ValueError, match="Did you mean 'windows'"):
        ClassificationPreprocessor(words, length=7, long_texts="window")


def test_word_dropout_hides_a_share_of_the_words(words, rng):
    ids = rng.integers(6, 500, (40, 50)).astype("int32")
    ids[:, 45:], ids[:, 44] = 0, EOS
    y = np.arange(40)
    hidden, targets = _hide_words(0.3, words, ids, y, rng)
    found = ids >= 6
    assert targets is y and hidden.dtype == ids.dtype
    assert np.array_equal(hidden[~found], ids[~found])  # neither <pad> nor <eos>
    assert set(np.unique(hidden[found & (hidden != ids)])) == {UNK}
    assert abs((hidden != ids)[found].mean() - 0.3) < 0.05
