"""The project's layers of taggers: the field over the tags, places and letters of words."""

import numpy as np

from kerasllm import reference as ref
from kerasllm.layers import CharacterCNN
from kerasllm.layers import crf as crf_layer
from kerasllm.models.tagging.token_tagger import GatherWords
from kerasllm.verify.twins.registry import register
from kerasllm.verify.twins.values import Rows


def crf(layer, weights, emissions, tags=None, mask=None, decode=False):
    """Compute CRF: the emissions as they are, the log-likelihood of tags, or the best tags.

    A sentence without words has the log-likelihood 0, and sends back no gradient.
    """
    if tags is None and not decode:
        return emissions, None
    mask = np.ones(emissions.shape[:2], bool) if mask is None else mask
    begun, real = mask.copy(), mask.any(axis=1)
    begun[~real, 0] = True  # the equation wants a first step
    weights = allowed(layer, weights)
    if decode:
        return ref.crf_viterbi(emissions, *weights, begun)[0] * mask, None
    log_likelihood, trace = ref.crf(emissions, np.where(mask, tags, 0), *weights, begun)
    return np.where(real, log_likelihood, 0), (trace, real)


def allowed(layer, weights):
    """Return A, start and end of a CRF, very low where a tag must not follow."""
    parts = zip(_forbidden(layer), weights, strict=True)
    return [np.where(no, crf_layer.FORBIDDEN, weight).astype(weight.dtype) for no, weight in parts]


def _forbidden(layer):
    """Return what must not happen, as booleans like A, start and end."""
    C = layer.num_tags
    bad = np.zeros((C + 1, C + 1), dtype=bool)
    for before, after in layer.forbidden:
        bad[before, after] = True
    return bad[:C, :C], bad[C, :C], bad[:C, C]


def crf_backward(layer, d_output, trace):
    """Go back through CRF."""
    if trace is None:
        return d_output, [np.zeros(v.shape, d_output.dtype) for v in layer.weights]
    trace, real = trace
    grads = ref.crf_backward(np.where(real, d_output, 0), trace)
    free = [~no for no in _forbidden(layer)]
    d_weights = (grads.d_transitions, grads.d_start, grads.d_end)
    return grads.d_emissions, [d * f for d, f in zip(d_weights, free, strict=True)]


def crf_mask(_layer, _inputs, mask):
    """Keep the mask."""
    return mask


def gather_words(_layer, _weights, inputs):
    """Compute GatherWords: rows (B, M, D) of x (B, T, D) at positions (B, M), -1 for none."""
    x, positions = inputs
    places = (np.arange(len(x))[:, None], np.maximum(positions, 0))
    return x[places], (x.shape, places)


def gather_words_backward(_layer, d_output, trace):
    """Add each row's gradient to the place where it was taken."""
    shape, places = trace
    d_x = np.zeros(shape, d_output.dtype)
    np.add.at(d_x, places, d_output)
    return (d_x, None), []


def words_mask(_layer, inputs, _mask):
    """Return which words are real."""
    return inputs[1] >= 0


def character_cnn(_layer, weights, ids):
    """Compute CharacterCNN."""
    return ref.character_cnn(ids, *weights)


def character_cnn_backward(_layer, d_output, trace):
    """Go back through CharacterCNN; ids have no gradient."""
    d_x, _, d_kernel, d_bias = ref.character_cnn_backward(d_output, trace)
    return None, [Rows(d_x, trace.lookup), d_kernel, d_bias]


def letters_mask(_layer, ids, _mask):
    """Return which words have letters."""
    return (ids != 0).any(axis=-1)


register(crf_layer.CRF, crf, crf_backward, mask=crf_mask)
register(GatherWords, gather_words, gather_words_backward, mask=words_mask)
register(CharacterCNN, character_cnn, character_cnn_backward, mask=letters_mask)
