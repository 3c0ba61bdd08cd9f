"""Texts that say the same thing twice, found without comparing every pair.

- A text is the set of its runs of five words (shingles). Two texts are near-duplicates when their
  sets overlap: Jaccard similarity |A ∩ B| / |A ∪ B|.
- MinHash: under a random hash, the smallest value of two sets is equal with a probability that is
  their Jaccard similarity. Texts that agree in one *band* of several hashes are compared.

Source: Broder, "On the resemblance and containment of documents", 1997.
"""

import re
import zlib

import numpy as np

_WORD = re.compile(r"[^\W\d_]+")
_PRIME = np.uint64((1 << 31) - 1)


def _shingles(texts, words):
    """Return the hashed shingles of all texts in one array, and where each text starts."""
    ids, arrays = {}, []
    for text in texts:
        tokens = _WORD.findall(text.lower())
        row = [ids.setdefault(t, zlib.crc32(t.encode())) for t in tokens]
        arrays.append(np.array([1] * max(0, words - len(row)) + row, "uint64"))
    rolled = [
        sum(a[i : len(a) - words + 1 + i] * np.uint64(31 ** (2 * i)) for i in range(words))
        for a in arrays
    ]
    lengths = np.array([len(r) for r in rolled])
    return np.concatenate(rolled) % _PRIME, np.concatenate([[0], np.cumsum(lengths)])


def minhash(texts, hashes=24, words=5, seed=0):
    """Return MinHash signatures: the share of equal columns estimates the Jaccard similarity.

    Args:
        texts: list of str, at least one.
        hashes: number of random hash functions.
        words: words in a shingle.
        seed: of the hash functions.

    Returns:
        uint64 array (len(texts), hashes).
    """
    values, starts = _shingles(texts, words)
    rng = np.random.default_rng(seed)
    factors = rng.integers(1, int(_PRIME), (2, hashes), dtype="uint64")
    columns = [np.minimum.reduceat((values * a + b) % _PRIME, starts[:-1]) for a, b in factors.T]
    return np.stack(columns, axis=1)


def first_copies(texts, similarity=0.6, bands=8, rows=3):
    """Return the positions of texts that no earlier kept text nearly repeats.

    Args:
        texts: list of str.
        similarity: estimated Jaccard similarity from which a text counts as a copy.
        bands: groups of hashes; texts that agree in all `rows` hashes of a band are compared.
        rows: hashes in a band.

    Returns:
        list of int, ascending.

    Example:
        >>> first_copies(["the cat sat on the mat today", "The cat sat on the mat, today!", "no"])
        [0, 2]
    """
    if not texts:
        return []
    signatures = minhash(texts, hashes=bands * rows)
    keys = [
        [block.tobytes() for block in signatures[:, b * rows : (b + 1) * rows]]
        for b in range(bands)
    ]
    kept, buckets = [], [{} for _ in range(bands)]
    for i, signature in enumerate(signatures):
        rivals = {j for b in range(bands) for j in buckets[b].get(keys[b][i], ())}
        if any(np.mean(signatures[j] == signature) >= similarity for j in rivals):
            continue
        kept.append(i)
        for b in range(bands):
            buckets[b].setdefault(keys[b][i], []).append(i)
    return kept
