"""Known mistakes in the CRF, decoding, n-gram models, byte-pair encoding and copying."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import math
from collections import Counter
from itertools import pairwise

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake


@mistake("crf")
def crf_without_partition(emissions, tags, transitions, start, end, mask=None):
    """The score of the tags is returned alone: log Z is not subtracted."""
    _, trace = ref.crf(emissions, tags, transitions, start, end, mask)
    return trace.score, trace._replace(log_likelihood=trace.score)


@mistake("crf")
def crf_transitions_transposed(emissions, tags, transitions, start, end, mask=None):
    """The transitions are transposed: from the column's tag to the row's."""
    return ref.crf(emissions, tags, np.transpose(transitions), start, end, mask)


@mistake("crf")
def crf_start_forgotten(emissions, tags, transitions, start, end, mask=None):
    """The score of beginning with a tag is not added."""
    return ref.crf(emissions, tags, transitions, 0 * start, end, mask)


@mistake("crf")
def crf_end_forgotten(emissions, tags, transitions, start, end, mask=None):
    """The score of ending with a tag is not added."""
    return ref.crf(emissions, tags, transitions, start, 0 * end, mask)


@mistake("crf")
def crf_mask_ignored(emissions, tags, transitions, start, end, mask=None):
    """Padding is tagged like any other step."""
    return ref.crf(emissions, tags, transitions, start, end)


@mistake("crf")
def crf_best_path_for_partition(emissions, tags, transitions, start, end, mask=None):
    """The score of the best path stands in for log Z: a maximum in the place of log-sum-exp."""
    _, trace = ref.crf(emissions, tags, transitions, start, end, mask)
    _, best = ref.crf_viterbi(emissions, transitions, start, end, mask)
    return trace.score - best, trace


@mistake("crf")
def crf_partition_step_by_step(emissions, tags, transitions, start, end, mask=None):
    """Z is taken step by step, as a softmax over the emissions, and not over whole paths."""
    _, trace = ref.crf(emissions, tags, transitions, start, end, mask)
    each = np.log(np.exp(emissions).sum(-1))
    return trace.score - (each * trace.mask).sum(-1), trace


@mistake("crf_backward")
def crf_backward_expectation_forgotten(d_log_likelihood, trace):
    """The gradient is what was observed, and what the field expects is not subtracted."""
    d = np.asarray(d_log_likelihood)[:, None, None]
    hits = d * np.eye(trace.emissions.shape[-1])[trace.tags] * trace.mask[..., None]
    return ref.crf_backward(d_log_likelihood, trace)._replace(d_emissions=hits)


@mistake("crf_backward")
def crf_backward_sign(d_log_likelihood, trace):
    """The gradient has the wrong sign: that of the loss, not of the log-likelihood."""
    return ref.crf_backward(-np.asarray(d_log_likelihood), trace)


@mistake("crf_viterbi")
def crf_viterbi_greedy(emissions, transitions, start, end, mask=None):
    """The best tag is taken at each step alone, and not the best sequence."""
    mask = np.ones(emissions.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    return emissions.argmax(-1) * mask, (emissions.max(-1) * mask).sum(-1)


@mistake("crf_viterbi")
def crf_viterbi_transposed(emissions, transitions, start, end, mask=None):
    """The transitions are transposed: from the column's tag to the row's."""
    return ref.crf_viterbi(emissions, np.transpose(transitions), start, end, mask)


@mistake("crf_viterbi")
def crf_viterbi_end_forgotten(emissions, transitions, start, end, mask=None):
    """The score of ending with a tag is not added before the way back begins."""
    return ref.crf_viterbi(emissions, transitions, start, 0 * end, mask)


@mistake("beam_search")
def beam_search_without_length_penalty(*args, length_penalty=0.0, **options):
    """The score is not divided by the length, so that short texts win."""
    return ref.beam_search(*args, **options)


@mistake("beam_search")
def beam_search_greedy(step, prompt, steps, beam, **options):
    """One beam is kept at each step, and not `beam` of them."""
    tokens, trace = ref.beam_search(step, prompt, steps, 1, **options)
    return np.repeat(tokens, beam, 1), ref.BeamTrace(*(np.repeat(a, beam, 1) for a in trace))


@mistake("beam_search")
def beam_search_goes_on_after_the_end(*args, eos=None, **options):
    """Beams that have ended are continued."""
    return ref.beam_search(*args, **options)


@mistake("greedy_search")
def greedy_search_goes_on_after_the_end(step, prompt, steps, eos=None, pad=0):
    """Texts that have ended are continued."""
    return ref.greedy_search(step, prompt, steps, pad=pad)


@mistake("greedy_search")
def greedy_search_reads_the_prompt_only(step, prompt, steps, eos=None, pad=0):
    """Every token is predicted from the prompt alone, and not from what was added to it."""
    length = np.shape(prompt)[1]
    return ref.greedy_search(lambda tokens: step(tokens[:, :length]), prompt, steps, eos, pad)


@mistake("filter_probabilities")
def filter_probabilities_temperature_multiplies(logits, temperature=1.0, top_k=None, top_p=None):
    """The logits are multiplied by the temperature, and not divided."""
    return ref.filter_probabilities(logits, 1 / temperature, top_k, top_p)


@mistake("filter_probabilities")
def filter_probabilities_temperature_after_softmax(logits, temperature=1.0, top_k=None, top_p=None):
    """The temperature divides the probabilities, where it should divide the logits."""
    p = ref.filter_probabilities(logits, 1.0, top_k, top_p) / temperature
    return p / p.sum(-1, keepdims=True)


@mistake("filter_probabilities")
def filter_probabilities_not_renormalized(logits, temperature=1.0, top_k=None, top_p=None):
    """The probabilities that are left do not sum to 1."""
    kept = ref.filter_probabilities(logits, temperature, top_k, top_p) > 0
    return ref.softmax(logits / temperature)[0] * kept


@mistake("filter_probabilities")
def filter_probabilities_last_one_lost(logits, temperature=1.0, top_k=None, top_p=None):
    """The token that takes the sum across top_p is cut too."""
    p = ref.filter_probabilities(logits, temperature, top_k)
    if top_p is not None:
        order = np.argsort(-p, axis=-1, kind="stable")
        total = np.take_along_axis(p, order, -1).cumsum(-1)
        kept = np.zeros(p.shape, bool)
        np.put_along_axis(kept, order, (total <= top_p) | (np.arange(p.shape[-1]) == 0), -1)
        p = p * kept
    return p / p.sum(-1, keepdims=True)


@mistake("filter_probabilities")
def filter_probabilities_one_too_many(logits, temperature=1.0, top_k=None, top_p=None):
    """One token more than top_k is kept."""
    return ref.filter_probabilities(logits, temperature, top_k and top_k + 1, top_p)


@mistake("ngram_perplexity")
def ngram_perplexity_bits_and_nats_mixed(sentences, model, estimator=ref.ngram_kneser_ney):
    """The logarithm is to base 2 and the power to base e."""
    right = ref.ngram_perplexity(sentences, model, estimator)
    return math.exp(math.log2(right)) if right < math.inf else right


@mistake("ngram_perplexity")
def ngram_perplexity_averaged_over_sentences(sentences, model, estimator=ref.ngram_kneser_ney):
    """The sentences' perplexities are averaged, and not the words' logarithms."""
    each = [ref.ngram_perplexity([sentence], model, estimator) for sentence in sentences]
    return sum(each) / len(each)


@mistake("ngram_perplexity")
def ngram_perplexity_end_forgotten(sentences, model, estimator=ref.ngram_kneser_ney):
    """The ends of sentences are not predicted."""
    nats = [ref.ngram_log_probabilities(s, model, estimator)[:-1] for s in sentences]
    return math.exp(-np.concatenate(nats).mean())


@mistake("ngram_add_k")
def ngram_add_k_denominator(word, context, model, k=1.0):
    """The denominator grows by k alone, and not by k · V, so that nothing sums to 1."""
    V, n = len(model.vocabulary), model.order
    p = ref.ngram_add_k(word, context, model, k)
    known = tuple(context)[max(0, len(context) - n + 1) :]
    total = model.counts.get(known, Counter()).total()
    return p * (total + k * V) / (total + k)


@mistake("ngram_kneser_ney")
def ngram_kneser_ney_counts_occurrences(word, context, model, discount=0.75):
    """The shorter contexts count occurrences, and not different words in front."""
    return ref.ngram_kneser_ney(word, context, model._replace(continuations=model.counts), discount)


def _weighed(word, context, model, discount, weight):
    """Return Kneser-Ney with another weight of the shorter context: weight(counts)."""
    context = tuple(context)[max(0, len(context) - model.order + 1) :]
    longest = len(context) == model.order - 1
    counts = (model.counts if longest else model.continuations).get(context, Counter())
    right = ref.ngram_kneser_ney(word, context, model, discount)
    if not context or not counts:
        return right
    shorter = ref.ngram_kneser_ney(word, context[1:], model, discount)
    return right + (weight(counts) - discount * len(counts)) * shorter / counts.total()


@mistake("ngram_kneser_ney")
def ngram_kneser_ney_nothing_given_out(word, context, model, discount=0.75):
    """What was taken from the counts is given to no one, so that nothing sums to 1."""
    return _weighed(word, context, model, discount, lambda _counts: 0)


@mistake("ngram_kneser_ney")
def ngram_kneser_ney_discount_once(word, context, model, discount=0.75):
    """One discount is given out, and not one for each different word that was seen."""
    return _weighed(word, context, model, discount, lambda _counts: discount)


@mistake("ngram_mle")
def ngram_mle_context_reversed(word, context, model):
    """The words of the context are in the wrong order."""
    n = model.order
    return ref.ngram_mle(word, list(context)[max(0, len(context) - n + 1) :][::-1], model)


@mistake("bpe_encode")
def bpe_encode_from_left_to_right(text, model):
    """The first pair from the left is joined, and not the one that was learned earliest."""
    byte_ids = {token[0]: i for i, token in enumerate(model.vocabulary) if len(token) == 1}
    encoded = []
    for word in ref.bpe_words(text):
        tokens = [byte_ids[b] for b in word.encode()]
        while places := [i for i, pair in enumerate(pairwise(tokens)) if pair in model.merges]:
            i = places[0]
            tokens[i : i + 2] = [model.merges[tokens[i], tokens[i + 1]][1]]
        encoded += tokens
    return encoded


@mistake("bpe_encode")
def bpe_encode_latest_pair_first(text, model):
    """The pair that was learned last is joined first."""
    ranks = {pair: (-rank, token) for pair, (rank, token) in model.merges.items()}
    return ref.bpe_encode(text, model._replace(merges=ranks))


@mistake("bpe_train")
def bpe_train_counts_words_once(texts, vocabulary_size, *settings, **options):
    """Each word counts once, however often it occurs."""
    words = dict.fromkeys(word for text in texts for word in ref.bpe_words(text))
    return ref.bpe_train(list(words), vocabulary_size, *settings, **options)


@mistake("pointer_generator")
def pointer_generator_gate_swapped(x, logits, alpha, source, w, b):
    """The gate and 1 - gate are swapped: an open gate copies."""
    return ref.pointer_generator(x, logits, alpha, source, -np.asarray(w), -np.asarray(b))


@mistake("pointer_generator")
def pointer_generator_repetitions_overwritten(x, logits, alpha, source, w, b):
    """A word that occurs twice in the source keeps the weight of its last place, and no sum."""
    places = np.arange(source.shape[1])
    later = places > places[:, None]
    again = ((source[:, :, None] == source[:, None]) & later).any(axis=-1)  # (B, S)
    return ref.pointer_generator(x, logits, alpha * ~again[:, None], source, w, b)


@mistake("pointer_generator")
def pointer_generator_places_for_words(x, logits, alpha, source, w, b):
    """The weight of place s goes to the word number s, and not to the word that stands there."""
    places = np.broadcast_to(np.arange(source.shape[1]), source.shape)
    return ref.pointer_generator(x, logits, alpha, places, w, b)


@mistake("pointer_generator")
def pointer_generator_added_to_logits(x, logits, alpha, source, w, b):
    """The copied weights are added to the logits, and the gate is left out."""
    _, trace = ref.pointer_generator(x, logits, alpha, source, w, b)
    return ref.log_softmax(logits + trace.copied)[0], trace


@mistake("pointer_generator_backward")
def pointer_generator_backward_gate_of_one_side(d_output, trace):
    """The gate gets the gradient of the generated share, and not minus that of the copied one."""
    d_generate = d_output * np.exp(trace.log_generate - trace.output)
    d_z = (d_generate * (1 - trace.gate)).sum(-1, keepdims=True)
    d_x, d_w, d_b = ref.dense_backward(d_z, trace.product)
    return ref.pointer_generator_backward(d_output, trace)._replace(d_x=d_x, d_w=d_w, d_b=d_b)
