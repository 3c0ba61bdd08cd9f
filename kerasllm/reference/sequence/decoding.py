"""Decoding: from the probabilities of the next token to a text.

Every function is given `step`, called as `step(tokens)` with ids (B, t), to return the logits of
the token after each row, (B, V). After `eos` a row goes on with `pad`, which costs nothing.
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.activations import log_softmax, softmax

__all__ = [
    "BeamTrace", "DecodingTrace", "beam_search", "filter_probabilities", "greedy_search", "sample",
]  # fmt: skip


class DecodingTrace(namedtuple("DecodingTrace", "log_probabilities")):
    """The log-probability of each new token under the model, 0 where a row had ended."""


class BeamTrace(namedtuple("BeamTrace", "scores lengths normalized")):
    """Of each beam: the log-probability, the number of new tokens, and what it was ranked by."""


def greedy_search(step, prompt, steps, eos=None, pad=0):
    r"""Take the most probable token, and again, and again.

        token_t = argmax_v P(v | token_0 … token_{t-1})

    Args:
        step: see the head of this module.
        prompt: ids (B, t).
        steps: how many tokens to add at most.
        eos: the id that ends a text, or None.
        pad: the id behind it.

    Returns:
        (tokens, trace): tokens (B, t + steps or fewer), the prompt included; a `DecodingTrace`.

    Raises:
        ValueError: if the prompt is not (B, t), steps < 1, or step returns another shape.

    Example:
        A model that counts on: after id v comes v + 1.

        >>> step = lambda tokens: 9.0 * np.eye(7)[(tokens[:, -1] + 1) % 7]
        >>> greedy_search(step, [[2], [4]], steps=4, eos=6)[0]
        array([[2, 3, 4, 5, 6],
               [4, 5, 6, 0, 0]])
    """
    return _generate(step, prompt, steps, eos, pad, lambda logits: logits.argmax(axis=-1))


def sample(
    step, prompt, steps, rng, temperature=1.0, top_k=None, top_p=None, eos=None, pad=0
):  # fmt: skip
    r"""Draw each token at random from the filtered probabilities.

        token_t ~ filter_probabilities(logits, temperature, top_k, top_p)

    Args:
        step: see the head of this module.
        prompt: ids (B, t).
        steps: how many tokens to add at most.
        rng: `numpy.random.Generator`; the same seed gives the same text.
        temperature: see `filter_probabilities`.
        top_k: see `filter_probabilities`.
        top_p: see `filter_probabilities`.
        eos: the id that ends a text, or None.
        pad: the id behind it.

    Returns:
        (tokens, trace): tokens (B, t + steps or fewer), and a `DecodingTrace` of the unfiltered
        log-probabilities.

    Raises:
        ValueError: as in `greedy_search` and `filter_probabilities`.

    Example:
        >>> step = lambda tokens: 9.0 * np.eye(7)[(tokens[:, -1] + 1) % 7]
        >>> sample(step, [[2]], 3, np.random.default_rng(0), top_k=1)[0]  # as greedy_search
        array([[2, 3, 4, 5]])

    Source:
        Fan et al. 2018, "Hierarchical neural story generation", section 5 (top-k); Holtzman et al.
        2020, "The curious case of neural text degeneration", equations 2 and 3 (top-p).
    """

    def draw(logits):
        cumulative = filter_probabilities(logits, temperature, top_k, top_p).cumsum(axis=-1)
        # The first token at which the cumulative probability exceeds a uniform random number.
        threshold = rng.random((len(logits), 1)) * cumulative[:, -1:]
        return (cumulative <= threshold).sum(axis=-1)

    return _generate(step, prompt, steps, eos, pad, draw)


def filter_probabilities(logits, temperature=1.0, top_k=None, top_p=None):
    r"""Return the probabilities to draw from: sharpened, then cut, then cut again.

        p = softmax(logits / temperature)
        keep the k most probable tokens
        keep the fewest most probable tokens whose sum reaches top_p

    Args:
        logits: (B, V).
        temperature: below 1 sharpens, above 1 flattens.
        top_k: number of tokens to keep, or None for all.
        top_p: probability mass to keep, or None for all.

    Returns:
        Probabilities (B, V), 0 for what was cut, each row summing to 1.

    Raises:
        ValueError: if temperature ≤ 0, top_k < 1, or top_p is not in (0, 1].

    Example:
        >>> logits = np.log([[0.5, 0.25, 0.15, 0.1]])
        >>> filter_probabilities(logits, top_p=0.7).round(3)
        array([[0.667, 0.333, 0.   , 0.   ]])
    """
    if temperature <= 0:
        raise ValueError(
            f"expected temperature > 0, received {temperature}; for the most probable token use "
            "greedy_search"
        )
    if top_k is not None and top_k < 1:
        raise ValueError(f"expected top_k >= 1, received {top_k}; None keeps all tokens")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"expected 0 < top_p <= 1, received {top_p}; None keeps all tokens")
    logits = checks.floats(logits=logits)
    order = np.argsort(-logits, axis=-1, kind="stable")  # most probable first
    p = np.take_along_axis(softmax(logits / temperature)[0], order, axis=-1)
    if top_k is not None:
        p[:, top_k:] = 0
        p /= p.sum(axis=-1, keepdims=True)
    if top_p is not None:
        p[p.cumsum(axis=-1) - p >= top_p] = 0  # those before it suffice already
        p /= p.sum(axis=-1, keepdims=True)
    probabilities = np.empty_like(p)
    np.put_along_axis(probabilities, order, p, axis=-1)
    return probabilities


def beam_search(step, prompt, steps, beam, eos=None, pad=0, length_penalty=0.0):
    r"""Keep the `beam` best beginnings instead of one.

        score      = Σ_t log P(token_t | tokens before)
        normalized = score / ((5 + number of new tokens) / 6)^length_penalty

    Every log-probability makes a score lower, so without a penalty short texts win.

    Args:
        step: see the head of this module; called with (B · beam, t).
        prompt: ids (B, t).
        steps: how many tokens to add at most.
        beam: number of beams. As many as there are texts make the search exhaustive.
        eos: the id that ends a text, or None.
        pad: the id behind it.
        length_penalty: 0 ranks by the score itself; 0.6 to 1 is usual in translation.

    Returns:
        (tokens, trace): tokens (B, beam, t + steps or fewer), best first, and a `BeamTrace` with
        arrays (B, beam). With fewer texts than beams, the rest have a score of -inf.

    Raises:
        ValueError: as in `greedy_search`, or if beam < 1.

    Example:
        Greedy search takes 1 first and ends at 0.5 · 0.4; two beams find 0.4 · 0.9.

        >>> table = np.log([[0.1, 0.5, 0.4], [0.4, 0.3, 0.3], [0.05, 0.05, 0.9]])
        >>> tokens, trace = beam_search(lambda tokens: table[tokens[:, -1]], [[0]], 2, beam=2)
        >>> tokens[0], np.exp(trace.scores[0]).round(3)
        (array([[0, 2, 2],
           [0, 1, 0]]), array([0.36, 0.2 ]))

    Source:
        Length penalty: Wu et al. 2016, "Google's neural machine translation system", equation 14.
    """
    prompt = _checked(prompt, steps)
    if beam < 1:
        raise ValueError(f"expected beam >= 1, received {beam}; beam 1 is greedy_search")
    B = len(prompt)
    tokens = np.repeat(prompt[:, None], beam, axis=1)  # (B, t) -> (B, W, t)
    scores = np.full((B, beam), -np.inf)
    scores[:, 0] = 0.0  # the beams are equal at first: only one may count
    lengths, ended = np.zeros((B, beam), dtype=int), np.zeros((B, beam), dtype=bool)
    for _ in range(steps):
        lengths = lengths + ~ended
        candidates = _candidates(step, tokens, scores, ended, pad)  # (B, W·V)
        V = candidates.shape[1] // beam
        ranked = candidates / np.repeat(_penalty(lengths, length_penalty), V, axis=1)
        best = np.argsort(-ranked, axis=-1, kind="stable")[:, :beam]  # (B, W) of W·V
        parent, token = best // V, best % V
        scores = np.take_along_axis(candidates, best, axis=1)
        lengths, ended = (np.take_along_axis(a, parent, axis=1) for a in (lengths, ended))
        tokens = np.take_along_axis(tokens, parent[..., None], axis=1)
        tokens = np.concatenate([tokens, token[..., None]], axis=-1)
        ended = ended if eos is None else ended | (token == eos)
        if ended.all():
            break
    return tokens, BeamTrace(scores, lengths, scores / _penalty(lengths, length_penalty))


def _penalty(lengths, exponent):
    return ((5 + lengths) / 6) ** exponent


def _candidates(step, tokens, scores, ended, pad):
    """Return the score of every beam with every next token, (B, W·V)."""
    B, W, t = tokens.shape
    log_p = _log_probabilities(step, tokens.reshape(B * W, t)).reshape(B, W, -1)
    only_pad = np.where(np.arange(log_p.shape[-1]) == pad, 0.0, -np.inf)
    log_p = np.where(ended[..., None], only_pad, log_p)
    return (scores[..., None] + log_p).reshape(B, -1)


def _generate(step, prompt, steps, eos, pad, choose):
    """Add one token after the other, each chosen from the logits by `choose`."""
    tokens, log_probabilities = _checked(prompt, steps), []
    ended = np.zeros(len(tokens), dtype=bool)
    for _ in range(steps):
        log_p = _log_probabilities(step, tokens)
        token = np.where(ended, pad, choose(log_p))
        log_probabilities.append(np.where(ended, 0.0, log_p[np.arange(len(token)), token]))
        tokens = np.concatenate([tokens, token[:, None]], axis=1)  # (B, t) -> (B, t + 1)
        ended = ended if eos is None else ended | (token == eos)
        if ended.all():
            break
    return tokens, DecodingTrace(np.stack(log_probabilities, axis=1))


def _log_probabilities(step, tokens):
    logits = np.asarray(step(tokens))
    if logits.ndim != 2 or len(logits) != len(tokens):
        raise ValueError(
            f"expected step to return logits (B, V) with B = {len(tokens)}, received shape "
            f"{logits.shape}; return those of the last position only"
        )
    return log_softmax(logits)[0]


def _checked(prompt, steps):
    prompt = np.asarray(prompt)
    if prompt.ndim != 2 or 0 in prompt.shape or not np.issubdtype(prompt.dtype, np.integer):
        raise ValueError(
            f"expected a prompt of ids (B, t) with t >= 1, received shape {prompt.shape} and dtype "
            f"{prompt.dtype}; begin with the id of <bos>, and write [ids] for one prompt"
        )
    if steps < 1:
        raise ValueError(f"expected steps >= 1, received {steps}")
    return prompt
