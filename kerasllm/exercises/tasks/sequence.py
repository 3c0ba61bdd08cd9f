"""Exercises: CRF, decoding, n-grams, byte-pair encoding, copying."""

import numpy as np

from kerasllm import reference as ref
from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.trials import Trial, arrays

B, T, L = 3, 5, 4
RAGGED = np.arange(T) < np.array([T, 2, 1])[:, None]
TEXTS = ("bc bc bc bc the cat sat on the mat", "ab ab ab that fat cat sat at the bat")


def _crf_trials(rng):
    made = []
    for label, mask in (("no mask", ()), ("padding", (RAGGED,))):
        emissions, *scores = arrays(rng, (B, T, L), (L, L), (L,), (L,))
        made.append(Trial(label, (emissions, rng.integers(L, size=(B, T)), *scores, *mask)))
    return made


def _viterbi_trials(rng):
    made = [
        Trial(label, (*arrays(rng, (B, T, L), (L, L), (L,), (L,)), *mask))
        for label, mask in (("no mask", ()), ("padding", (RAGGED,)))
    ]
    whole = [rng.integers(-1, 2, size).astype(float) for size in ((B, T, L), (L, L), (L,), (L,))]
    return [*made, Trial("many equal scores", tuple(whole))]


def _model(rng, vocabulary=5):
    """Return a step function: the next token depends on the last one only."""
    table = 1.5 * rng.standard_normal((vocabulary, vocabulary))
    return lambda tokens: table[tokens[:, -1]]


def _any_other(tokens):
    """Return equal logits of all tokens but the last one, which is worse."""
    return -1.0 * np.eye(5)[tokens[:, -1]]


def _greedy_trials(rng):
    return [
        Trial("no end", (_model(rng), np.array([[1], [3]]), 5)),
        Trial("with an end", (_model(rng, 3), np.array([[1], [2], [0]]), 7, 1)),
        Trial("equal logits", (_any_other, np.array([[4], [1]]), 3)),
    ]


def _beam_trials(rng):
    prompt, made = np.array([[1], [3]]), []
    for penalty in (0.0, 1.0, 2.0):
        options = {"eos": 2, "length_penalty": penalty}
        made.append(Trial(f"length_penalty={penalty}", (_model(rng), prompt, 6, 3), options))
    return made


def _filter_trials(rng):
    logits = 2 * rng.standard_normal((3, 11))
    return [
        Trial("temperature 0.7", (logits, 0.7)),
        Trial("top_k=3", (logits, 2.0, 3)),
        Trial("top_p=0.6", (logits, 1.5, None, 0.6)),
        Trial("equal logits, top_k=3", (np.tile([0.0, 1.0, 0.0, 1.0, 0.0], (2, 1)), 1.0, 3)),
    ]


def _perplexity_trials(rng):
    words = [str(w) for w in rng.permutation(["a", "rose", "is", "red"])]
    sentences = [[words[k] for k in rng.integers(4, size=n)] for n in (2, 7, 3)]
    return [
        Trial(f"order {n}", (sentences, ref.ngram_fit(sentences, n), ref.ngram_add_k))
        for n in (1, 2)
    ]


def _kneser_ney_trials(rng):
    a, b, c, d = (str(w) for w in rng.permutation(["a", "rose", "is", "red"]))
    model = ref.ngram_fit([[a, b, c, a, b], [c, a, b, d], [d, b, a, b, c]], 3)
    return [
        Trial("a context seen three times", (c, [a, b], model)),
        Trial("a word never seen there", (b, [a, b], model, 0.5)),
        Trial("a context never seen", (a, [d, d], model)),
        Trial("no context", (b, [], model)),
    ]


def _bpe_trials(rng):
    texts = [TEXTS[k] for k in rng.permutation(len(TEXTS))]
    model = ref.bpe_train(texts, 290)
    return [Trial(repr(text[:20]), (text, model)) for text in (*texts, "abc, the chat, that")]


def _copy_trials(rng):
    source, made = np.array([[7, 3, 7, 9, 7], [4, 6, 0, 0, 0]]), []
    for label, real in (("no padding", source >= 0), ("padding", source > 0)):
        x, logits, scores, w, b = arrays(rng, (2, 3, 5), (2, 3, 11), (2, 3, 5), (5, 1), (1,))
        alpha = np.exp(scores) * real[:, None]
        alpha /= alpha.sum(axis=-1, keepdims=True)
        made.append(Trial(label, (x, logits, alpha, source, w, b)))
    return made


EXERCISES = (
    Exercise(
        name="crf",
        level="a whole layer",
        task="score a whole sequence of tags against all others.",
        statement="""
            score = start[tag_0] + Σ_t emissions[t, tag_t] + Σ_t transitions[tag_{t-1}, tag_t]
                    + end[tag_last]
            log_z = log Σ over all paths exp(score), by the forward algorithm:
            alpha[0, j] = start[j] + emissions[0, j]
            alpha[t, j] = log Σ_i exp(alpha[t-1, i] + transitions[i, j]) + emissions[t, j]

            emissions: (B, T, L). tags: (B, T). transitions: (L, L), from the row's tag to the
            column's. start, end: (L,). mask: (B, T), padding on the right, or None.
            Return score - log_z, (B,).""",
        hint="""Write log-sum-exp first. At a masked step alpha stays as it is; `end` belongs to
            the last real tag.""",
        outputs=("log_likelihood",),
        trials=_crf_trials,
    ),
    Exercise(
        name="crf_viterbi",
        level="a whole layer",
        task="find the best sequence of tags.",
        statement="""
            best[0, j] = start[j] + emissions[0, j]
            best[t, j] = max_i (best[t-1, i] + transitions[i, j]) + emissions[t, j]

            emissions: (B, T, L). transitions: (L, L). start, end: (L,). mask: (B, T), padding on
            the right, or None. Of equal tags take the first. Return tags (B, T), 0 at padding, and
            the score (B,).""",
        hint="Note which i was best at each step, add `end` after the last one, and walk back.",
        outputs=("tags", "score"),
        trials=_viterbi_trials,
    ),
    Exercise(
        name="greedy_search",
        level="a few lines",
        task="take the most probable token, again and again.",
        statement="""
            token_t = argmax_v P(v | token_0 … token_{t-1})

            step: a function from ids (B, t) to logits (B, V) of the next token. prompt: ids (B, t).
            steps: how many tokens to add at most. eos: the id that ends a text, or None. pad: the
            id behind it, 0 if left out. Of equal tokens take the first. Stop when every text has
            ended. Return all ids.""",
        hint="Keep a boolean for each row that says whether it has ended.",
        outputs=("tokens",),
        trials=_greedy_trials,
        time_axis={"tokens": 1},
    ),
    Exercise(
        name="beam_search",
        level="a whole layer",
        task="keep the best few beginnings instead of one.",
        statement="""
            score      = Σ_t log P(token_t | tokens before)
            normalized = score / ((5 + number of new tokens) / 6)^length_penalty

            step: as in greedy_search, called with (B · beam, t). prompt: ids (B, t). steps: tokens
            to add at most. beam: number of beams. eos: the id that ends a text; it counts as a new
            token, the pad (0) behind it costs nothing. length_penalty: a number.
            At every step keep the `beam` best of all continuations by `normalized`.
            Return ids (B, beam, t + steps or fewer), best first.""",
        hint="""At first only one beam may count, or all become equal: begin with scores
            (0, -∞, -∞, …).""",
        outputs=("tokens",),
        trials=_beam_trials,
    ),
    Exercise(
        name="filter_probabilities",
        level="a few lines",
        task="sharpen and cut the probabilities to draw from.",
        statement="""
            p = softmax(logits / temperature)
            keep the top_k most probable tokens
            keep the fewest most probable tokens whose sum reaches top_p

            logits: (B, V). temperature: 1.0, top_k: None, top_p: None if left out. Of equal tokens
            the first ones are kept.
            Return p (B, V), 0 for what was cut, each row summing to 1.""",
        hint="""Sort each row from the most probable on, cut there, and put everything back in its
            place. The token that takes the sum across top_p is kept.""",
        outputs=("p",),
        trials=_filter_trials,
    ),
    Exercise(
        name="ngram_perplexity",
        level="a few lines",
        task="say among how many words a model hesitates.",
        statement="""
            perplexity = exp(- mean of log P over all words and sentence ends)

            sentences: lists of words. model: an n-gram model. estimator: gives probabilities. You
            may use kerasllm.reference.ngram_log_probabilities(sentence, model, estimator), which
            has one entry for each word and one for the end. Return a number.""",
        hint="Join all sentences' logarithms before you take the mean.",
        outputs=("perplexity",),
        trials=_perplexity_trials,
        parts=("ngram_add_k",),
    ),
    Exercise(
        name="ngram_kneser_ney",
        level="a few lines",
        task="smooth counts by the next shorter context (Kneser-Ney).",
        statement="""
            P(word | context) = max(c(word) - discount, 0) / Σ_w c(w)
                              + discount · |{w : c(w) > 0}| / Σ_w c(w) · P(word | context[1:])
            P(word | no context) = c(word) / Σ_w c(w)

            word: a string. context: list of up to n-1 words; after one that was never seen, P is
            that of the shorter one. model.order: n. discount: 0.75 if left out. For a context of
            n-1 words c = model.counts[tuple(context)], for a shorter one
            c = model.continuations[tuple(context)]: different words in front. Return a number.""",
        hint="""A function of its own for the shorter contexts calls itself. dict.get(context,
            Counter()) stands for a context that was never seen; Counter.total() sums.""",
        outputs=("probability",),
        trials=_kneser_ney_trials,
    ),
    Exercise(
        name="bpe_encode",
        level="a few lines",
        task="cut text into the tokens of a byte-pair encoding.",
        statement="""
            begin with bytes; as long as a pair of neighbours can be joined, join the pair that was
            learned earliest (the leftmost if it occurs twice)

            text: a string. model.vocabulary[i]: the bytes of token i. model.merges[left, right]:
            (rank, id of the joined token). You may use kerasllm.reference.bpe_words(text), which
            cuts it into words; no token crosses a cut. Return a list of ids.""",
        hint="The lowest rank in the whole word comes first, wherever it stands.",
        outputs=("ids",),
        trials=_bpe_trials,
    ),
    Exercise(
        name="pointer_generator",
        level="a few lines",
        task="say a word of the vocabulary, or copy one of the source.",
        statement="""
            gate      = σ(x @ w + b)
            copied[v] = Σ_{s: source_s = v} alpha[s]
            p[v]      = gate · softmax(logits)[v] + (1 - gate) · copied[v]

            x: (B, T, D). logits: (B, T, V). alpha: (B, T, S), the attention's weights. source:
            (B, S), ids of words. w: (D, 1). b: (1,). Return ln p (B, T, V).""",
        hint="""A word may stand in the source several times: p[..., source] += … adds once only.
            np.eye(V)[source] is (B, S, V), and one matrix product adds up.""",
        outputs=("log_p",),
        trials=_copy_trials,
        parts=("softmax", "sigmoid"),
    ),
)
