"""The embedding: a table with one row for each token."""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks

__all__ = ["EmbeddingGrads", "EmbeddingTrace", "embedding", "embedding_backward"]


class EmbeddingTrace(namedtuple("EmbeddingTrace", "ids table")):
    """What `embedding` was given."""


class EmbeddingGrads(namedtuple("EmbeddingGrads", "d_table")):
    """Gradient of `embedding`; ids have none."""


def embedding(ids, table):
    """Look up one row for each id.

        output[b, t] = table[ids[b, t]]

    Args:
        ids: integers of any shape, usually (B, T), from 0 to V - 1.
        table: (V, D).

    Returns:
        output, trace: the output is (B, T, D).

    Raises:
        TypeError: ids that are not integers.
        ValueError: an id outside of the table.

    Example:
        >>> embedding(np.array([1, 0, 1]), np.array([[0.5], [2.0]]))[0].ravel()
        array([2. , 0.5, 2. ])
    """
    table = checks.floats(table=table)
    checks.rank("table", table, "VD")
    ids = checks.indices("ids", ids, len(table))
    return table[ids], EmbeddingTrace(ids, table)


def embedding_backward(d_output, trace):
    """Send a gradient back to the table: each row gets the sum over all places that used it.

        d_table[v] = Σ d_output[b, t]  over all (b, t) with ids[b, t] = v

    Args:
        d_output: (B, T, D).
        trace: from `embedding`.

    Returns:
        `EmbeddingGrads`: d_table (V, D), zero in the rows of tokens that did not occur.

    Example:
        Token 1 occurs twice, and its row gets both gradients.

        >>> _, trace = embedding(np.array([1, 0, 1]), np.zeros((3, 1)))
        >>> embedding_backward(np.ones((3, 1)), trace).d_table.ravel()
        array([1., 2., 0.])
    """
    ids, table = trace
    d_table = np.zeros(table.shape, d_output.dtype)
    # d_table[ids] += d_output would keep only the last of several equal ids.
    np.add.at(d_table, ids.ravel(), d_output.reshape(-1, table.shape[1]))
    return EmbeddingGrads(d_table)
