"""Cases of the CRF and of copying, and the reasons why the other sequence functions need none."""

from functools import partial
from itertools import pairwise

import numpy as np
from keras import ops

from kerasllm import layers, reference
from kerasllm.verify.comparison.backend import call_layer
from kerasllm.verify.proofs.cases.attention import dtype_of
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


def crf_case(title, mask, theirs, layers=()):
    """Make a case of the CRF with the tags `TAGS`; `theirs` is the other side."""
    L = TAGS.max() + 1
    shapes = {"emissions": (*TAGS.shape, L), "transitions": (L, L), "start": (L,), "end": (L,)}

    def forward(emissions, transitions, start, end):
        return reference.crf(emissions, TAGS, transitions, start, end, mask)

    arguments = random_arguments(title, **shapes)
    return Case(title, ("crf",), arguments, forward, reference.crf_backward, theirs, layers)


SOURCE = np.array([[7, 3, 7, 9, 7], [4, 6, 0, 0, 0], [8, 8, 2, 1, 0]])  # (B, S), words twice
SIZES = {"x": (B, T, 2), "logits": (B, T, 11), "alpha": (B, T, 5), "w": (2, 1), "b": (1,)}


def _copy_cases():
    """Make cases of copying: alpha is exactly 0 where the source is padded."""
    for name, real in (("no mask", np.ones(SOURCE.shape, bool)), ("padding", SOURCE > 0)):
        title = f"pointer-generator, {name}"
        arguments = random_arguments(title, **SIZES)

        def forward(x, logits, alpha, w, b, real=real[:, None]):
            return reference.pointer_generator(x, logits, alpha * real, SOURCE, w, b)

        def backward(d_output, trace, real=real[:, None]):
            grads = reference.pointer_generator_backward(d_output, trace)
            return grads._replace(d_alpha=grads.d_alpha * real)

        yield Case(
            name=title,
            covers=("pointer_generator",),
            layers=("PointerGenerator",),
            arguments=arguments | {"alpha": np.abs(arguments["alpha"])},
            forward=forward,
            backward=backward,
            keras=partial(_copying_layer, real[:, None]),
        )


def _copying_layer(real, x, logits, alpha, w, b):
    layer = layers.PointerGenerator(dtype=dtype_of(x))
    layer.build(x.shape)
    alpha, source = alpha * ops.cast(real, alpha.dtype), ops.convert_to_tensor(SOURCE)
    return call_layer(layer, [w, b], x, logits, alpha, source)


CASES = (
    *(
        crf_case(f"CRF, {name}", mask, partial(_keras_crf, mask=mask))
        for name, mask in MASKS.items()
    ),
    *_copy_cases(),
)
