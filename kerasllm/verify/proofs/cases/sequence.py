"""Cases of the linear-chain CRF, and the reasons why the other sequence functions need none."""

from functools import partial
from itertools import pairwise

import numpy as np
from keras import ops

from kerasllm import reference
from kerasllm.verify.proofs.checks import Case, random_arguments

B, T, L = 3, 7, 5
TAGS = np.random.default_rng(1).integers(L, size=(B, T))
RAGGED = np.arange(T) < np.array([T, 4, 1])[:, None]
HOLES = RAGGED.copy()
HOLES[0, 3:5] = HOLES[1, 1] = False
MASKS = {"no mask": None, "padding": RAGGED, "holes": HOLES}
_COUNTS = "counts, no derivative; checked against nltk.lm"
_BYTES = "discrete; checked token for token against the tokenizers library"
EXEMPT = {
    "crf_viterbi": "a maximum over paths, no derivative; checked over all paths",
    **dict.fromkeys(("ngram_fit", "ngram_mle", "ngram_add_k", "ngram_kneser_ney"), _COUNTS),
    **dict.fromkeys(("ngram_log_probabilities", "ngram_perplexity"), _COUNTS),
    **dict.fromkeys(("bpe_words", "bpe_train", "bpe_encode", "bpe_decode"), _BYTES),
    "greedy_search": "discrete; checked over all texts",
    "beam_search": "discrete; checked over all texts",
    "sample": "random; checked by its frequencies",
    "filter_probabilities": "cuts, no derivative; checked by hand",
}


def _keras_crf(emissions, transitions, start, end, mask):
    """Return the log-likelihood as score minus log Z, in the probability domain, step by step."""
    mask = np.ones((B, T), dtype=bool) if mask is None else mask
    likelihoods = []
    for b in range(B):
        steps = np.flatnonzero(mask[b])
        tags = TAGS[b, steps]
        score = start[tags[0]] + end[tags[-1]]
        for t, tag in zip(steps, tags, strict=True):
            score = score + emissions[b, t, tag]
        for before, after in pairwise(tags):
            score = score + transitions[before, after]
        paths = ops.exp(start + emissions[b, 0])[None]  # (1, L)
        for t in steps[1:]:
            paths = ops.matmul(paths, ops.exp(transitions)) * ops.exp(emissions[b, t])
        likelihoods.append(score - ops.log(ops.sum(paths * ops.exp(end))))
    return ops.stack(likelihoods)


def _crf_cases():
    for name, mask in MASKS.items():
        title = f"CRF, {name}"
        shapes = {"emissions": (B, T, L), "transitions": (L, L), "start": (L,), "end": (L,)}

        def forward(emissions, transitions, start, end, mask=mask):
            return reference.crf(emissions, TAGS, transitions, start, end, mask)

        yield Case(
            name=title,
            covers=("crf",),
            arguments=random_arguments(title, **shapes),
            forward=forward,
            backward=reference.crf_backward,
            keras=partial(_keras_crf, mask=mask),
        )


CASES = tuple(_crf_cases())
