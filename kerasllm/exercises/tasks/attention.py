"""Exercises: attention, masks, positions, a decoder that looks at its source."""

import numpy as np

from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.trials import Trial, arrays, backward_of

B, T, S, D, K, V, N, H = 2, 5, 7, 3, 5, 2, 3, 11


def _causal_trials(rng):
    sizes = [int(k) for k in rng.permutation([2, 3, 5, 7])]
    return [Trial(f"T={k}", (k,)) for k in sizes] + [Trial("T=3, S=5", (3, 5))]


def _padding_trials(rng):
    ids = rng.integers(1, 9, (3, 7)) * (np.arange(7) < np.array([7, 4, 1])[:, None])
    other = np.where(ids[:2] == 0, 9, ids[:2])
    return [
        Trial("padding id 0", (ids,)),
        Trial("padding id 9", (other, 9)),
        Trial("nothing but padding", (0 * ids[:1],)),
    ]


def _masks():
    """Return square masks; in the last one there are queries without a key."""
    padding = np.arange(T) < np.array([T, 3])[:, None]
    return {
        "no mask": None,
        "padding": padding[:, None, :],
        "causal": np.tri(T, dtype=bool),
        "padding and causal": padding[:, None, :] & np.tri(T, dtype=bool),
        "queries that may see nothing": np.tri(T, k=-1, dtype=bool) & padding[:, :, None],
    }


def _attention_trials(rng):
    triple = ((B, T, K), (B, T, K), (B, T, V))
    return [
        Trial("no mask, T=5, S=7", arrays(rng, (B, T, K), (B, S, K), (B, S, V))),
        *(Trial(f"{name}, T=S=5", (*arrays(rng, *triple), m)) for name, m in _masks().items()),
    ]


def _multi_head_trials(rng):
    shapes = [(D, N, K), (N, K)] * 3 + [(N, K, D), (D,)]
    return [
        Trial(f"{name}, T=S=5", arrays(rng, *[(B, T, D)] * 3, *shapes), {"mask": mask})
        for name, mask in _masks().items()
    ]


def _additive_trials(rng):
    shapes = ((B, T, D + 1), (B, T, D), (B, T, V), (D + 1, H), (D, H), (H,))
    return [Trial(name, (*arrays(rng, *shapes), mask)) for name, mask in _masks().items()]


def _rotary_trials(rng):
    return [
        Trial("heads", (rng.standard_normal((B, N, T, 14)),)),
        Trial("base 100", (rng.standard_normal((B, T, 10)), 100.0)),
        Trial("offset 7, as with a cache", (rng.standard_normal((B, 3, 6)), 10000.0, 7)),
    ]


def _encoder_trials(rng):
    shapes = [(D, N, K), (N, K)] * 3 + [(N, K, D), (D,), (D,), (D,)]
    shapes += [(D, H), (H,), (H, D), (D,), (D,), (D,)]
    return [
        Trial(f"{norm}-norm, {name}", arrays(rng, (B, T, D), *shapes), {"norm": norm, "mask": mask})
        for norm in ("pre", "post") for name, mask in list(_masks().items())[:3]
    ]  # fmt: skip


def _decoder_trials(rng):
    made, M = [], 4
    for label, options in (
        ("general", {}),
        ("padding", {"source_mask": np.arange(S) < np.array([S, 3])[:, None]}),
        ("dot", {"attention": "dot"}),
    ):
        units = M if "attention" in options else H
        score = [] if "attention" in options else [(units, M)]
        cell = [(D + units, 4 * units), (units, 4 * units), (4 * units,)]
        inputs = arrays(rng, (B, D), (B, units))
        states = [arrays(rng, (B, units), (B, units))]
        weights = arrays(rng, (B, S, M), *cell, *score, (units + M, units), (units,))
        made.append(Trial(label, (*inputs, states, *weights), options))
    return made


EXERCISES = (
    Exercise(
        name="causal_mask",
        level="one line",
        task="let each query see its own position and the past.",
        statement="""
            mask[t, s] = s <= t

            T: number of queries. S: number of keys, as many as queries if left out.
            Return booleans (T, S), True = may be seen.""",
        hint="np.tri, or compare np.arange(S) with np.arange(T)[:, None].",
        outputs=("mask",),
        trials=_causal_trials,
    ),
    Exercise(
        name="padding_mask",
        level="one line",
        task="hide padding from every query.",
        statement="""
            mask[b, 0, s] = ids[b, s] != pad

            ids: (B, S). pad: the padding's id, 0 if left out. Return booleans (B, 1, S).""",
        hint="Keys are the last axis; an index of None makes an axis of length 1.",
        outputs=("mask",),
        trials=_padding_trials,
    ),
    Exercise(
        name="scaled_dot_product_attention",
        level="a few lines",
        task="average the values, weighted by query and key.",
        statement="""
            scores  = query keyᵀ / √K
            weights = softmax(scores) over the keys, only where mask is True
            output  = weights value

            query: (B, T, K). key: (B, S, K). value: (B, S, V). mask: booleans that broadcast to
            (B, T, S), True = may be seen, or None. A query that may see nothing reads 0.
            Return output (B, T, V).""",
        hint="""A hidden key needs a score of -1e9 *before* the softmax; np.where does it. A query
            whose keys are all hidden then has equal scores: its weights have to become 0.
            key.swapaxes(-1, -2) transposes the last two axes.""",
        outputs=("output",),
        trials=_attention_trials,
        parts=("softmax",),
    ),
    Exercise(
        name="scaled_dot_product_attention_backward",
        level="a backward pass",
        task="send the gradient of attention back to query, key and value.",
        statement="""
            scores = scale · query keyᵀ,  weights = softmax(scores),  output = weights value

            d_output: (B, T, V). trace: query, key, value, mask, scale, scores, weights, output.
            Return d_query, d_key, d_value.""",
        hint="""From the end: weights value gives d_value and d_weights; then the backward pass of
            softmax along the last axis; then the product of query and key, and the scale.""",
        outputs=("d_query", "d_key", "d_value"),
        trials=backward_of("scaled_dot_product_attention", _attention_trials),
    ),
    Exercise(
        name="multi_head_attention",
        level="a whole layer",
        task="let each head look in its own way, then mix.",
        statement="""
            q = query w_q + b_q,  k = key w_k + b_k,  v = value w_v + b_v      for each head
            z = softmax(q kᵀ / √K) v
            output = Σ_heads z w_o + b_o

            query: (B, T, D). key, value: (B, S, D). w_q, w_k, w_v: (D, N, K). b_q, b_k, b_v:
            (N, K). w_o: (N, K, D). b_o: (D,). mask: broadcasts to (B, T, S), the same for every
            head, or None; a query that may see nothing reads z = 0. Return output (B, T, D).""",
        hint="""np.einsum("btd,dnk->bntk", query, w_q) projects for all heads at once. The mask
            needs an axis for the heads: mask[..., None, :, :].""",
        outputs=("output",),
        trials=_multi_head_trials,
        parts=("scaled_dot_product_attention",),
    ),
    Exercise(
        name="additive_attention",
        level="a few lines",
        task="score queries and keys by a small network (Bahdanau).",
        statement="""
            hidden[t, s] = tanh(query[t] w_q + key[s] w_k)
            scores       = hidden v
            output       = softmax(scores) value, only where mask is True

            query: (B, T, D_q). key: (B, S, D_k). value: (B, S, V). w_q: (D_q, H). w_k: (D_k, H).
            v: (H,). mask: broadcasts to (B, T, S), or None; a query that may see nothing reads 0.
            Return output (B, T, V).""",
        hint="Every query meets every key: (B, T, 1, H) + (B, 1, S, H) gives (B, T, S, H).",
        outputs=("output",),
        trials=_additive_trials,
    ),
    Exercise(
        name="sinusoidal_table",
        level="a few lines",
        task="write down the Transformer's table of positions.",
        statement="""
            table[t, 2i]     = sin(t / base^(2i/D))
            table[t, 2i + 1] = cos(t / base^(2i/D))

            T: positions. D: features, even. base: 10000 if left out. Return (T, D).""",
        hint="Sines and cosines take turns: table[:, 0::2] and table[:, 1::2] can be assigned to.",
        outputs=("table",),
        trials=lambda rng: [
            Trial(f"T={t}, D={d}", (t, d)) for t, d in rng.permutation([(5, 6), (11, 4), (7, 14)])
        ],
    ),
    Exercise(
        name="rotary",
        level="a few lines",
        task="turn pairs of features by an angle that grows with the position.",
        statement="""
            angle = (offset + t) / base^(2i/K)           for the i-th pair (a, b)
            a' = a cos(angle) - b sin(angle)
            b' = a sin(angle) + b cos(angle)

            x: (..., T, K). Pair i is feature i of the first half and feature i of the second half.
            base: 10000 if left out. offset: position of the first step, 0 if left out.
            Return an array like x.""",
        hint="np.split(x, 2, axis=-1) gives all a and all b; there are K/2 frequencies.",
        outputs=("output",),
        trials=_rotary_trials,
    ),
    Exercise(
        name="transformer_encoder",
        level="a whole layer",
        task="put a Transformer block together from its parts.",
        statement="""
            pre:   h = x + MHA(LN_1(x)),      output = h + FFN(LN_2(h))
            post:  h = LN_1(x + MHA(x)),      output = LN_2(h + FFN(h))

            x: (B, T, D). *weights: the attention's 8, gamma_1, beta_1, w_1, b_1, w_2, b_2, gamma_2,
            beta_2. mask: booleans that broadcast to (B, T, T), or None. norm: "post" if left out.
            activation: "relu" if left out, the only one that is tried. epsilon: of LN, 1e-3 if left
            out. You may use kerasllm.reference.multi_head_attention(y, y, y, *eight, mask=mask),
            feed_forward(y, w_1, b_1, w_2, b_2) and layer_norm(y, gamma, beta, epsilon=epsilon),
            each of which returns (output, trace). Return output (B, T, D).""",
        hint="""weights[:8], weights[8:10], weights[10:14], weights[14:]. With "pre" the x of x + …
            is the x that came in, not normalised.""",
        outputs=("output",),
        trials=_encoder_trials,
        parts=("multi_head_attention", "feed_forward", "layer_norm"),
    ),
    Exercise(
        name="attention_decoder_step",
        level="a whole layer",
        task="say one word of a translation.",
        statement="""
            h, c    = lstm_step([x; fed_previous] @ kernel + bias, h, c, recurrent_kernel)
            alpha   = softmax(score(h, source)) over the real tokens of the source
            context = Σ_s alpha[s] source[s]
            fed     = tanh([h; context] @ w_c + b_c)

            x: (B, D). fed_previous: (B, H). states: [(h, c)], each (B, H). source: (B, S, M).
            *weights: kernel, recurrent_kernel, bias; w (H, M) if attention is "general", nothing if
            it is "dot"; w_c, b_c. attention: "general" if left out, with score (h @ w) · source_s,
            or "dot", with h · source_s. source_mask: (B, S), True = real, or None. You may use
            kerasllm.reference.lstm_step, which returns ((h, c), trace).
            Return fed (B, H), alpha (B, S), [(h, c)].""",
        hint="""Not one of the three lines of the attention needs a loop: np.einsum("bm,bsm->bs", …)
            scores, np.einsum("bs,bsm->bm", alpha, source) averages. Hide padding before the
            softmax. The *new* h asks.""",
        outputs=("fed", "alpha", "states"),
        trials=_decoder_trials,
        parts=("lstm_step", "softmax"),
    ),
)
