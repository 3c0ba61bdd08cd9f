r"""Linear-chain conditional random field: the best *sequence* of tags, not the best tag each time.

    score(tags) = start[tag_0] + Σ_t emissions[t, tag_t] + Σ_t transitions[tag_{t-1}, tag_t]
                  + end[tag_last]
    p(tags)     = exp(score(tags)) / Z,    Z = Σ over all L^T paths of exp(score)

- The sum over L^T paths takes T steps: after each, only the last tag matters (forward algorithm).
- Steps where the mask is False are skipped, as if they were not there. The first step must be real.
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks

__all__ = ["CrfGrads", "CrfTrace", "crf", "crf_backward", "crf_viterbi"]


class CrfTrace(
    namedtuple(
        "CrfTrace",
        "emissions tags transitions start end mask before last alpha score log_z log_likelihood",
    )
):
    """Every symbol of the field; `before[b, t]` is the index of the last real step before t."""


class CrfGrads(namedtuple("CrfGrads", "d_emissions d_transitions d_start d_end")):
    """Gradients of the log-likelihood."""


def crf(emissions, tags, transitions, start, end, mask=None):
    r"""Return the log-likelihood of tag sequences, by the forward algorithm.

        alpha[0, j] = start[j] + emissions[0, j]
        alpha[t, j] = log Σ_i exp(alpha[t-1, i] + transitions[i, j]) + emissions[t, j]
        log_z       = log Σ_j exp(alpha[T-1, j] + end[j])
        log_likelihood = score(tags) - log_z

    Args:
        emissions: score of each tag at each step (B, T, L).
        tags: the right tags (B, T), integers in 0..L-1; any tag in 0..L-1 where masked.
        transitions: (L, L), from the row's tag to the column's.
        start: (L,), score of a sequence that begins with this tag.
        end: (L,), score of a sequence that ends with it.
        mask: boolean (B, T), True = a real step. The first step must be real.

    Returns:
        (log_likelihood, trace): log_likelihood (B,), and a `CrfTrace`.

    Raises:
        ValueError: if shapes do not fit, a tag is out of range, or a first step is masked.

    Example:
        Two steps, two equal tags: four paths, each as likely as the others.

        >>> log_likelihood, trace = crf(
        ...     np.zeros((1, 2, 2)), np.array([[0, 1]]), np.zeros((2, 2)), np.zeros(2), np.zeros(2)
        ... )
        >>> np.exp(log_likelihood).round(6)
        array([0.25])

    Source:
        Lafferty et al. 2001, "Conditional random fields"; start and end scores: Lample et al. 2016,
        "Neural architectures for named entity recognition", section 2.2.
    """
    emissions, transitions, start, end, mask = _checked(emissions, transitions, start, end, mask)
    tags = checks.indices("tags", tags, emissions.shape[-1])
    checks.shape("tags", tags, mask.shape, because=f"emissions has shape {emissions.shape}")
    before, last = _real_steps(mask)
    alpha = _forward(emissions, transitions, start, mask)
    log_z = _log_sum_exp(alpha[:, -1] + end, axis=-1)  # (B, L) -> (B,)
    score = _score(emissions, tags, transitions, start, end, mask, before, last)
    return score - log_z, CrfTrace(
        emissions, tags, transitions, start, end, mask, before, last, alpha, score, log_z,
        score - log_z,
    )  # fmt: skip


def crf_backward(d_log_likelihood, trace):
    r"""Return what was observed minus what the field expects, by the forward-backward algorithm.

        beta[T-1, i] = end[i]
        beta[t-1, i] = log Σ_j exp(transitions[i, j] + emissions[t, j] + beta[t, j])
        p[t, j]      = exp(alpha[t, j] + beta[t, j] - log_z)                   one tag
        p[t, i, j]   = exp(alpha[t-1, i] + transitions[i, j] + emissions[t, j] + beta[t, j] - log_z)

        d_emissions[t, j]   = 1[tag_t = j] - p[t, j]                0 where the mask is False
        d_transitions[i, j] = Σ_t 1[tag_{t-1} = i, tag_t = j] - p[t, i, j]
        d_start = d_emissions of the first step,  d_end = 1[tag_last] - p of the last

    Args:
        d_log_likelihood: (B,).
        trace: the trace of the forward pass.

    Returns:
        `CrfGrads`.

    Example:
        >>> log_likelihood, trace = crf(
        ...     np.zeros((1, 2, 2)), np.array([[0, 1]]), np.zeros((2, 2)), np.zeros(2), np.zeros(2)
        ... )
        >>> crf_backward(np.ones(1), trace).d_transitions.round(6)  # four pairs, each 1/4
        array([[-0.25,  0.75],
               [-0.25, -0.25]])
    """
    emissions, tags, transitions, _, _, mask, before, last, alpha, _, log_z, _ = trace
    beta = _backward(trace)
    rows = np.arange(len(tags))
    d = np.asarray(d_log_likelihood)[:, None, None]

    single = np.exp(alpha + beta - log_z[:, None, None])  # (B, T, L)
    d_tags = d * (np.eye(emissions.shape[-1], dtype=emissions.dtype)[tags] - single)

    # (B, T-1, L, 1) + (L, L) + (B, T-1, 1, L) -> (B, T-1, L, L)
    arriving = emissions[:, 1:] + beta[:, 1:] - log_z[:, None, None]
    pair = np.exp(alpha[:, :-1, :, None] + transitions + arriving[:, :, None, :])
    real = d * mask[:, 1:, None]  # (B, T-1, 1)
    d_transitions = -(real[..., None] * pair).sum(axis=(0, 1))
    previous = np.take_along_axis(tags, before[:, 1:], axis=1)
    np.add.at(d_transitions, (previous, tags[:, 1:]), real[..., 0])
    return CrfGrads(
        d_emissions=d_tags * mask[..., None],
        d_transitions=d_transitions,
        d_start=d_tags[:, 0].sum(axis=0),
        d_end=d_tags[rows, last].sum(axis=0),
    )


def crf_viterbi(emissions, transitions, start, end, mask=None):
    r"""Return the best tag sequence and its score: sums become maxima, and we note where from.

        best[0, j] = start[j] + emissions[0, j]
        best[t, j] = max_i (best[t-1, i] + transitions[i, j]) + emissions[t, j]
        from[t, j] = the i that was best

    Args:
        emissions: (B, T, L).
        transitions: (L, L), from the row's tag to the column's.
        start: (L,).
        end: (L,).
        mask: boolean (B, T), True = a real step. The first step must be real.

    Returns:
        (tags, score): tags (B, T), 0 where the mask is False; score (B,) of the whole sequence.

    Raises:
        ValueError: if shapes do not fit, or a first step is masked.

    Example:
        The second step alone would take tag 1; a costly transition forbids it.

        >>> tags, score = crf_viterbi(
        ...     np.array([[[2.0, 0.0], [0.0, 1.0]]]), np.array([[0.0, -5.0], [0.0, 0.0]]),
        ...     np.zeros(2), np.zeros(2),
        ... )
        >>> tags, score
        (array([[0, 0]]), array([2.]))

    Source:
        Viterbi 1967; for tagging: Rabiner 1989, "A tutorial on hidden Markov models and selected
        applications in speech recognition", section III.B.
    """
    emissions, transitions, start, end, mask = _checked(emissions, transitions, start, end, mask)
    B, T, L = emissions.shape
    best, origin = start + emissions[:, 0], np.tile(np.arange(L), (B, T, 1))
    for t in range(1, T):
        arriving = best[:, :, None] + transitions  # (B, L, 1) + (L, L) -> (B, L, L)
        real = mask[:, t, None]
        origin[:, t] = np.where(real, arriving.argmax(axis=1), origin[:, t])
        best = np.where(real, arriving.max(axis=1) + emissions[:, t], best)
    best = best + end
    tags = np.empty((B, T), dtype=int)
    tags[:, -1] = best.argmax(axis=-1)
    for t in range(T - 1, 0, -1):
        tags[:, t - 1] = np.take_along_axis(origin[:, t], tags[:, t, None], axis=1)[:, 0]
    return tags * mask, best.max(axis=-1)


def _checked(emissions, transitions, start, end, mask):
    emissions, transitions, start, end = checks.floats(
        emissions=emissions, transitions=transitions, start=start, end=end
    )
    checks.rank("emissions", emissions, "BTL")
    checks.sequence(emissions)
    L = emissions.shape[-1]
    because = f"emissions has shape {emissions.shape}, so there are {L} tags"
    checks.shape("transitions", transitions, (L, L), because=because)
    checks.shape("start", start, (L,), because=because)
    checks.shape("end", end, (L,), because=because)
    mask = np.ones(emissions.shape[:2], dtype=bool) if mask is None else mask
    mask = checks.mask(mask, emissions)
    if not mask[:, 0].all():
        row = int(np.argmin(mask[:, 0]))
        raise ValueError(
            f"expected every sequence to begin with a real step, received mask[{row}, 0] = False; "
            "pad on the right, and drop empty sequences"
        )
    return emissions, transitions, start, end, mask


def _real_steps(mask):
    """Return for each step the last real one before it (B, T), and the last of all (B,)."""
    steps = np.where(mask, np.arange(mask.shape[1]), 0)
    latest = np.maximum.accumulate(steps, axis=1)
    return np.concatenate([latest[:, :1], latest[:, :-1]], axis=1), latest[:, -1]


def _score(emissions, tags, transitions, start, end, mask, before, last):
    """Add up start, emissions, transitions and end along the given tags (B,)."""
    emitted = np.take_along_axis(emissions, tags[..., None], axis=2)[..., 0]  # (B, T, L) -> (B, T)
    moved = transitions[np.take_along_axis(tags, before, axis=1), tags]  # (B, T)
    moved[:, 0] = start[tags[:, 0]]  # nothing comes before the first step
    return ((emitted + moved) * mask).sum(axis=1) + end[tags[np.arange(len(tags)), last]]


def _log_sum_exp(x, axis):
    top = x.max(axis=axis, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=axis)) + top.squeeze(axis)


def _forward(emissions, transitions, start, mask):
    """Return alpha[t, j], the log of the sum over all paths that are at tag j at step t."""
    alpha = np.empty_like(emissions)
    alpha[:, 0] = start + emissions[:, 0]
    for t in range(1, emissions.shape[1]):
        # (B, L, 1) + (L, L) -> (B, L, L), summed over the tag before
        arriving = _log_sum_exp(alpha[:, t - 1, :, None] + transitions, axis=1) + emissions[:, t]
        alpha[:, t] = np.where(mask[:, t, None], arriving, alpha[:, t - 1])
    return alpha


def _backward(trace):
    """Return beta[t, i], the log of the sum over all ways to go on from tag i at step t."""
    emissions, transitions, mask = trace.emissions, trace.transitions, trace.mask
    beta = np.empty_like(emissions)
    beta[:, -1] = trace.end
    for t in range(emissions.shape[1] - 1, 0, -1):
        leaving = transitions + (emissions[:, t] + beta[:, t])[:, None, :]  # (B, L, L)
        beta[:, t - 1] = np.where(mask[:, t, None], _log_sum_exp(leaving, axis=2), beta[:, t])
    return beta
