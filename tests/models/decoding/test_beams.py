"""Beam search against the reference, and against all texts that there are."""

import itertools

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.models import (
    TransformerSeq2Seq,
    TransformerSeq2SeqConfig,
    beam_search_ids,
    generate_ids,
)
from kerasllm.models.decoding import beams
from kerasllm.text import BOS, EOS

pytestmark = pytest.mark.backends
V = 23
RAGGED = [[7, 8, 9, 10, 11], [12, 17], [20, 6, 13, 9]]


def _assert_as_reference(found, step, prompt, steps, beam, length_penalty):
    tokens, trace = ref.beam_search(
        step, [prompt], steps, beam, eos=EOS, length_penalty=length_penalty
    )
    for text, score, beam in zip(tokens[0], trace.normalized[0], found, strict=False):
        text = text[len(prompt) :].tolist()
        assert beam.tokens == (text[: text.index(EOS) + 1] if EOS in text else text)
        assert abs(beam.score - score) < 1e-4


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", ["lstm", "gru-residual", "gpt", "gpt-rotary"])
def test_beams_are_those_of_the_reference(name, make_lm, next_logits):
    model = make_lm(name)
    for beam, length_penalty in ((1, 0.6), (3, 0), (4, 1.3)):
        found = beam_search_ids(model, RAGGED, 6, beam, length_penalty)
        for prompt, beams_of_prompt in zip(RAGGED, found, strict=True):
            assert len(beams_of_prompt) == beam
            _assert_as_reference(
                beams_of_prompt, next_logits(model), prompt, 6, beam, length_penalty
            )
    (alone,) = beam_search_ids(model, RAGGED[1:2], 6, beam, length_penalty)
    assert [beam.tokens for beam in alone] == [beam.tokens for beam in found[1]]


def test_one_beam_is_greedy_and_the_compiled_search_is_the_plain_one(make_lm, next_logits):
    model = make_lm("gpt")
    found = beam_search_ids(model, RAGGED[:2], 5, 1)
    assert [ranked[0].tokens for ranked in found] == generate_ids(model, RAGGED[:2], 5)
    (found,) = beam_search_ids(model, RAGGED[:1], 5, 3)
    _assert_as_reference(found, next_logits(model), RAGGED[0], 5, 3, 0.6)


def _all_texts(step, prompt, tokens, steps):
    """Return the log-probability of every text of so many tokens, by enumeration."""
    texts = list(itertools.product(tokens, repeat=steps))
    rows = np.array([[*prompt, *text] for text in texts])
    scores = np.zeros(len(rows))
    for t in range(steps):
        begun = rows[:, : len(prompt) + t]
        log_p = ref.log_softmax(step(begun))[0]
        scores += log_p[np.arange(len(rows)), rows[:, len(prompt) + t]]
    return dict(zip(texts, scores, strict=True))


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(("steps", "beam"), [(2, 5), (4, 125)])
def test_a_wide_enough_beam_finds_the_best_of_all_texts(
    steps, beam, make_lm, next_logits, monkeypatch
):
    monkeypatch.setattr(beams, "_check", lambda *_: None)  # which holds 125 for too wide
    model, said = make_lm("gpt"), (7, 8, 11, 16, 20)  # a vocabulary of 5
    never = tuple(token for token in range(V) if token not in said)
    step = next_logits(model, never)
    scores = _all_texts(step, [7, 9], said, steps)
    assert abs(sum(np.exp(list(scores.values()))) - 1) < 1e-6
    ranked = sorted(scores, key=scores.get, reverse=True)[:beam]
    (found,) = beam_search_ids(model, [[7, 9]], steps, beam, 0, stop=(), never=never)
    assert [tuple(beam.tokens) for beam in found] == ranked
    assert np.allclose([beam.score for beam in found], [scores[text] for text in ranked], atol=1e-4)


@pytest.mark.usefixtures("uncompiled")
def test_the_search_ends_when_no_unfinished_answer_can_win(make_lm, monkeypatch):
    model = make_lm("lstm-untied")
    kernel, bias = model.get_layer("head").get_weights()
    # Whatever was said: the end at 0.6, token 7 at 0.3, token 8 at 0.1.
    bias = np.full_like(bias, -1e9)
    bias[[EOS, 7, 8]] = np.log([0.6, 0.3, 0.1])
    model.get_layer("head").set_weights([0 * kernel, bias])
    steps_made, step = [], model.backbone.step

    def spy(ids, state, start=0):
        steps_made.append(1)
        return step(ids, state, start)

    monkeypatch.setattr(model.backbone, "step", spy)
    (found,) = beam_search_ids(model, [[9]], 30, 3, 0, best=1)
    assert found == [([EOS], pytest.approx(np.log(0.6)))]
    if keras.backend.backend() != "jax":  # which traces a step once
        assert len(steps_made) == 1
    # The second best is 7 <eos> at 0.18: as long as 7 7 is at 0.09 nothing can overtake it.
    steps_made.clear()
    (found,) = beam_search_ids(model, [[9]], 30, 3, 0, best=2)
    assert [beam.tokens for beam in found] == [[EOS], [7, EOS]]
    assert np.allclose([beam.score for beam in found], np.log([0.6, 0.18]))
    if keras.backend.backend() != "jax":
        assert len(steps_made) == 2
    # A length penalty gives long answers hope: 29 tokens 7 and an end may still come.
    steps_made.clear()
    beam_search_ids(model, [[9]], 30, 3, 5, best=1)
    if keras.backend.backend() != "jax":
        assert len(steps_made) > 2


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", ["lstm", "gpt"])
def test_beams_begin_with_their_prefix(name, make_lm):
    model, prefix = make_lm(name), [16, 11]
    expected = beam_search_ids(model, [prompt + prefix for prompt in RAGGED], 4, 3)
    found = beam_search_ids(model, RAGGED, 6, 3, prefix=prefix)
    for ranked, whole in zip(expected, found, strict=True):
        assert [prefix + beam.tokens for beam in ranked] == [beam.tokens for beam in whole]
        assert np.allclose([b.score for b in ranked], [b.score for b in whole], atol=1e-4)


@pytest.mark.usefixtures("uncompiled")
def test_encoder_decoders_search_as_the_reference(rng, next_logits):
    model = TransformerSeq2Seq(TransformerSeq2SeqConfig(19, V, 8, 2, 2, max_length=40))
    model.set_weights([rng.normal(scale=0.7, size=w.shape) for w in model.get_weights()])
    sources = [[7, 8, 9, 10, 11], [12], [18, 6, 13, 7]]
    for source, found in zip(sources, beam_search_ids(model, sources, 6, 3), strict=True):
        _assert_as_reference(found, next_logits(model, source=source), [BOS], 6, 3, 0.6)


def test_bad_searches_are_explained(make_lm):
    model = make_lm("gpt", max_length=10)
    with pytest.raises(ValueError, match=r"a beam of 19 is wider than the vocabulary: .* 18"):
        beam_search_ids(model, [[7]], 3, 19)
    with pytest.raises(ValueError, match="beam must be at least 1, received 0"):
        beam_search_ids(model, [[7]], 3, 0)
    with pytest.raises(ValueError, match="best must lie between 1 and beam=2, received 3"):
        beam_search_ids(model, [[7]], 3, 2, best=3)
    with pytest.raises(ValueError, match=r"length_penalty must be 0 or more, received -0\.5"):
        beam_search_ids(model, [[7]], 3, 2, -0.5)
    with pytest.raises(ValueError, match="prompt of 8 tokens and 3 new ones need a context of 11"):
        beam_search_ids(model, [[7] * 8], 3)
    assert beam_search_ids(model, [], 3) == []
    assert beam_search_ids(model, [[7]], 0) == [[]]
