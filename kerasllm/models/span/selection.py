"""The best answers that the scores of starts and ends allow."""

import numpy as np

from kerasllm.layers.masking import lowest


def best_spans(logits, max_answer, top=1):
    """Return the best answers of each row: start <= end, at most so many tokens.

        score(i, j) = s_i + e_j - (s_0 + e_0),   1 <= i <= j < i + max_answer

    The score is the logarithm of how much likelier the span is than no answer: it can be compared
    between windows, whose softmaxes are not of the same positions.

    Args:
        logits: float array (B, 2, T) of a `SpanExtractor`.
        max_answer: A, tokens of an answer at most.
        top: K, how many answers a row.

    Returns:
        Arrays (B, K): scores, starts and ends, the best first. Where a row has fewer spans the
        score is -inf.

    Source: Devlin et al. 2019, section 4.3; Alberti et al. 2019 (the difference).

    Example:
        >>> logits = np.array([[[0.0, 1.0, 5.0], [0.0, 4.0, 1.0]]])
        >>> scores, starts, ends = best_spans(logits, max_answer=2, top=2)
        >>> scores.tolist(), starts.tolist(), ends.tolist()
        ([[6.0, 5.0]], [[2, 1]], [[2, 1]])
    """
    logits = np.asarray(logits, "float64")
    logits = np.where(logits <= lowest("float16"), -np.inf, logits)  # what `MaskSpans` shut out
    batch, _, length = logits.shape
    starts, ends = logits[:, 0], logits[:, 1]
    beyond = np.full((batch, max_answer), -np.inf)
    # Row i of the windows: the ends i, i + 1, … i + A - 1.
    reach = np.lib.stride_tricks.sliding_window_view(np.hstack([ends, beyond]), max_answer, axis=1)
    scores = starts[:, 1:, None] + reach[:, 1:length]  # (B, T - 1, A)
    scores = scores.reshape(batch, -1) - (starts[:, :1] + ends[:, :1])
    missing = max(0, top - scores.shape[1])
    scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    first = 1 + best // max_answer
    return np.take_along_axis(scores, best, axis=1), first, first + best % max_answer
