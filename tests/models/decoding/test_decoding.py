"""Generation against the reference, which runs the whole text for each new token."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.models import (
    CausalLM,
    RecurrentSeq2Seq,
    RecurrentSeq2SeqConfig,
    Sampling,
    TransformerSeq2Seq,
    TransformerSeq2SeqConfig,
    decode_ids,
    generate_ids,
    stream_ids,
)
from kerasllm.models.decoding.steps import TextSteps
from kerasllm.text import BOS, EOS, MASK, PAD

pytestmark = pytest.mark.backends
V = 23
NAMES = ("simple", "lstm", "lstm-untied", "gru-residual", "gpt", "gpt-post", "gpt-rotary", "llama",
         "gpt-sinusoidal")  # fmt: skip
FORBIDDEN = [token for token in range(6) if token != EOS]
RAGGED = [[7, 8, 9, 10, 11], [12, 17], [20, 6, 13, 9]]


@pytest.fixture
def greedy(next_logits):
    """Return a function that continues one prompt by `reference.greedy_search`."""

    def text(model, prompt, steps, eos=EOS, **options):
        step = next_logits(model, **options)
        new = ref.greedy_search(step, [prompt], steps, eos)[0][0, len(prompt) :].tolist()
        return new[: new.index(eos) + 1] if eos in new else new

    return text


@pytest.mark.parametrize("name", NAMES)
def test_step_by_step_gives_the_logits_of_the_whole_text(name, make_lm, rng, numpy):
    model = make_lm(name)
    steps = TextSteps(model)
    batch = steps.batch([rng.integers(6, V, n).tolist() for n in (41, 37, 53)], (), 3)
    assert batch.source.shape == (4, 64)  # 36 tokens that all prompts have, and padding
    assert np.array_equal((batch.source > 0).sum(axis=1), [36] * 4)
    fed = batch.ids[:, :-1]
    state = steps.read(keras.ops.convert_to_tensor(batch.source), fed.shape[1])
    expected = numpy(model(fed))
    for t in range(36, 53):
        logits, state = steps(keras.ops.convert_to_tensor(batch.ids[:, t : t + 1]), state, t)
        real = batch.given > t
        error = np.abs(numpy(logits) - expected[:, t])[real].max()
        assert error < 1e-5 * np.abs(expected).max()


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", NAMES)
def test_greedy_is_the_reference_for_ragged_prompts_and_single_ones(name, make_lm, greedy):
    model = make_lm(name)
    expected = [greedy(model, prompt, 6) for prompt in RAGGED]
    assert len({token for text in expected for token in text}) > 2  # texts worth comparing
    assert generate_ids(model, RAGGED, 6) == expected
    assert generate_ids(model, RAGGED[2:], 6) == expected[2:]


def test_compiled_loops_write_the_same_and_are_compiled_once(make_lm, greedy, monkeypatch):
    model = make_lm("gpt", max_length=96)
    traced, step = [], model.backbone.step

    def spy(ids, state, start=0):
        traced.append(ids.shape)
        return step(ids, state, start)

    monkeypatch.setattr(model.backbone, "step", spy)
    for prompts, new in (
        ([[7, 8, 9], [12, 17], [20]], 5),
        ([[9], [8, 7], [6, 6, 6, 6], [11]], 11),  # as many rows, rounded up
        ([[7, 8], [9, 10, 11], [12]], 3),
    ):
        got = generate_ids(model, prompts, new)
        if keras.backend.backend() != "torch":  # which compiles nothing
            assert set(traced) <= {(4, 1), (4, 32)}
            assert len(traced) <= 4  # a loop may be traced twice, for its condition and shapes
    monkeypatch.undo()
    assert got == [greedy(model, prompt, 3) for prompt in prompts]


@pytest.mark.usefixtures("uncompiled")
def test_changed_weights_change_the_text(make_lm, rng, greedy):
    model = make_lm("gpt")
    before = generate_ids(model, [[7, 8, 9]], 9)
    model.set_weights([rng.normal(scale=0.7, size=w.shape) for w in model.get_weights()])
    after = generate_ids(model, [[7, 8, 9]], 9)
    assert after != before
    assert after == [greedy(model, [7, 8, 9], 9)]


@pytest.mark.usefixtures("uncompiled")
def test_a_text_stops_after_its_stop_token_and_the_others_go_on(make_lm, greedy):
    model = make_lm("gpt")
    prompts = [[7, 8, 9], [12]]
    free = generate_ids(model, prompts, 9, stop=())
    assert [len(text) for text in free] == [9, 9]
    stop = free[0][2]
    stopped = generate_ids(model, prompts, 9, stop=(stop, EOS))
    for text, whole in zip(stopped, free, strict=True):
        ends = [i for i, token in enumerate(whole) if token in (stop, EOS)]
        assert text == whole[: ends[0] + 1 if ends else 9]
    assert len(stopped[0]) <= 3
    # A stop token inside a prompt or a prefix stops nothing.
    expected = greedy(model, [7, stop, 9], 4, eos=stop)
    assert generate_ids(model, [[7, stop, 9]], 4, stop=(stop,)) == [expected]
    assert generate_ids(model, [[7]], 6, stop=(stop,), prefix=[stop, 9]) == [[stop, 9, *expected]]


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", ["lstm", "gpt"])
def test_an_answer_begins_with_its_prefix(name, make_lm):
    model = make_lm(name)
    prefix = [16, 11, 21]
    expected = generate_ids(model, [prompt + prefix for prompt in RAGGED], 4)
    got = generate_ids(model, RAGGED, 7, prefix=prefix)
    assert got == [prefix + text for text in expected]
    assert generate_ids(model, RAGGED, 7, prefix=[prefix] * 3) == got
    one_each = generate_ids(model, RAGGED, 7, prefix=[prefix, [], prefix[:1]])
    assert one_each[0] == got[0]
    assert one_each[1] == generate_ids(model, RAGGED[1:2], 7)[0]


@pytest.mark.usefixtures("uncompiled")
def test_an_empty_prompt_begins_after_an_end(make_lm):
    model = make_lm("gru-residual")
    assert generate_ids(model, [[]], 5) == generate_ids(model, [[EOS]], 5)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", ["lstm", "gpt"])
def test_seeds_draw_the_same_alone_and_in_a_batch(name, make_lm):
    model, sampling = make_lm(name), Sampling(1.5, top_k=11)
    texts = [generate_ids(model, [[7]] * 3, 9, sampling, seed, stop=()) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][0] != texts[0][1]  # two texts from one prompt are two draws
    assert generate_ids(model, [[7]], 9, sampling, 1, stop=()) == texts[0][:1]
    assert generate_ids(model, [[7]], 5, sampling, 1, stop=())[0] == texts[0][0][:5]
    among = generate_ids(model, [[7], *RAGGED], 9, sampling, 1, stop=())
    assert among[0] == texts[0][0]
    greedy = [generate_ids(model, [[7]], 9, seed=seed) for seed in (1, 2)]
    assert greedy[0] == greedy[1]


@pytest.mark.usefixtures("uncompiled")
def test_special_tokens_are_never_said_but_the_end(make_lm):
    model = make_lm("lstm-untied")
    kernel, _ = model.get_layer("head").get_weights()
    bias = np.where(np.arange(V) < 6, 1.0, 0.0)  # the model would like to
    model.get_layer("head").set_weights([0 * kernel, bias])
    texts = generate_ids(model, [[7]] * 50, 9, Sampling(), stop=())
    said = {token for text in texts for token in text}
    assert EOS in said
    assert not said & {PAD, MASK, *FORBIDDEN}
    assert said >= set(range(6, V))
    texts = generate_ids(model, [[7]] * 50, 9, Sampling(), stop=(), never=range(5, V))
    assert {token for text in texts for token in text} == set(range(5))


@pytest.mark.usefixtures("uncompiled")
def test_texts_have_the_probabilities_of_the_model(make_lm, numpy):
    model = make_lm("gpt")
    count = 4000
    first = generate_ids(model, [[7, 8]] * count, 1, Sampling(temperature=1.7), seed=3, stop=())
    logits = numpy(model(np.array([[7, 8]])))[0, -1].astype("float64")
    logits[FORBIDDEN] = -1e30
    expected = count * ref.filter_probabilities(logits[None], 1.7)[0]
    observed = np.bincount(np.array(first)[:, 0], minlength=V)
    common = expected >= 5
    chi_square = (((observed - expected) ** 2)[common] / expected[common]).sum()
    freedom = common.sum() - 1
    assert freedom > 5
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5  # mean and 4 standard deviations


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", ["gru-residual", "gpt"])
def test_what_was_said_or_asked_is_repeated_less(name, make_lm, next_logits):
    model = make_lm(name)
    texts = [[7, 9, 11], [8]]
    penalised = generate_ids(model, texts, 8, Sampling(0, repetition_penalty=1.5), stop=())
    assert penalised != generate_ids(model, texts, 8, stop=())
    for text, answer in zip(texts, penalised, strict=True):
        text = list(text)
        for token in answer:
            logits = next_logits(model)([text])[0]
            for said in set(text):
                logits[said] *= 1 / 1.5 if logits[said] > 0 else 1.5
            assert token == logits.argmax()
            text.append(token)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("sampling", [None, Sampling(1.3, 7, 0.9, 1.2)], ids=["greedy", "drawn"])
def test_a_stream_yields_the_same_tokens(sampling, make_lm):
    model = make_lm("gpt", max_length=16)
    options = {"sampling": sampling, "seed": 5}
    (whole,) = generate_ids(model, [[7, 8, 9]], 13, stop=(), **options)
    assert list(stream_ids(model, [7, 8, 9], 13, stop=(), **options)) == whole
    stop = whole[4]
    (stopped,) = generate_ids(model, [[7, 8, 9]], 13, stop=(stop,), **options)
    stream = stream_ids(model, [7, 8, 9], 13, stop=(stop,), **options)
    assert next(stream) == whole[0]  # comes before the rest is made
    assert [whole[0], *stream] == stopped
    prefix = [11, 17]
    (prefixed,) = generate_ids(model, [[7]], 9, prefix=prefix, **options)
    assert list(stream_ids(model, [7], 9, prefix=prefix, **options)) == prefixed
    assert list(stream_ids(model, [7], 0)) == []


@pytest.fixture
def make_seq2seq(rng):
    """Return a function that builds an encoder-decoder of 19 source and 23 target tokens."""

    def make(kind):
        if kind == "transformer":
            config = TransformerSeq2SeqConfig(19, V, 8, 2, 2, max_length=40)
            model = TransformerSeq2Seq(config)
        else:
            model = RecurrentSeq2Seq(RecurrentSeq2SeqConfig(19, V, 6, 8, num_layers=2))
        for weight in model.weights:
            value = rng.normal(scale=0.9, size=weight.shape)
            bias = len(weight.shape) == 1  # large ones would say one token for ever
            weight.assign(0.1 * value + weight.path.endswith("gamma") if bias else value)
        return model

    return make


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("kind", ["transformer", "recurrent"])
def test_encoder_decoders_answer_as_the_reference(kind, make_seq2seq, greedy):
    model = make_seq2seq(kind)
    sources = [[7, 8, 9, 10, 11], [12], [18, 6, 13, 7]]
    expected = [greedy(model, [BOS], 6, source=source) for source in sources]
    assert len({token for text in expected for token in text}) > 2
    assert decode_ids(model, sources, 6, batch_size=2) == expected
    prefixed = greedy(model, [BOS, 9, 8], 4, source=sources[0])
    assert decode_ids(model, sources[:1], 6, prefix=[9, 8]) == [[9, 8, *prefixed]]
    prefixes = [[9, 8], [], [11]]
    assert decode_ids(model, sources, 6, prefix=prefixes, batch_size=1)[0] == [9, 8, *prefixed]


def test_an_encoder_decoder_says_what_it_cannot_read(make_seq2seq):
    model = make_seq2seq("transformer")
    with pytest.raises(ValueError, match="a source of 41 tokens need a context of 41, the model"):
        decode_ids(model, [[7] * 41], 5)
    with pytest.raises(ValueError, match="<bos> and 40 new tokens need a context of 41, the model"):
        decode_ids(model, [[7]], 40)
    with pytest.raises(ValueError, match="below the vocabulary size 19, received 19"):
        decode_ids(model, [[19]], 5)
    with pytest.raises(ValueError, match="expected beam=1 with a Sampling"):
        decode_ids(model, [[7]], 5, beam=2, sampling=Sampling())
    assert decode_ids(model, [], 5) == []


def test_the_context_is_not_exceeded(make_lm):
    model = make_lm("gpt", max_length=10)
    with pytest.raises(ValueError, match=r"prompt of 7 tokens and 4 new ones need a context of 11"):
        generate_ids(model, [[7] * 7, [8]], 4)


@pytest.mark.usefixtures("uncompiled")
def test_the_context_is_used_to_its_end(make_lm, greedy):
    model = make_lm("gpt", max_length=10)
    expected = greedy(model, [7, 9, 8, 6], 6, eos=None)
    assert generate_ids(model, [[7, 9, 8, 6]], 6, stop=()) == [expected]


def test_nothing_asked_nothing_given(make_lm):
    model = make_lm("gpt")
    assert generate_ids(model, [], 5) == []
    assert generate_ids(model, [[7], [8]], 0) == [[], []]


def test_bad_arguments_are_explained(make_lm, make_backbone):
    model = make_lm("gpt")
    with pytest.raises(ValueError, match="each a list of token ids"):
        generate_ids(model, [7, 8], 3)
    for token in (V, -1):
        with pytest.raises(ValueError, match=f"below the vocabulary size 23, received {token}"):
            generate_ids(model, [[7, token]], 3)
    with pytest.raises(ValueError, match="below the vocabulary size 23, received 99"):
        generate_ids(model, [[7]], 3, prefix=[99])
    with pytest.raises(ValueError, match=r"a prefix of 3 tokens leaves nothing to add"):
        generate_ids(model, [[7]], 3, prefix=[7, 8, 9])
    with pytest.raises(ValueError, match="one prefix for all answers or one for each of 3"):
        generate_ids(model, RAGGED, 3, prefix=[[7], [8]])
    with pytest.raises(TypeError, match="expected a CausalLM or an encoder-decoder"):
        generate_ids(make_backbone("gpt"), [[7]], 3)
    assert isinstance(model, CausalLM)


@pytest.mark.usefixtures("uncompiled")
def test_a_text_depends_on_its_prompt_and_the_seed_alone(make_lm):
    """What else is asked for, how much of it and in which order, changes nothing."""
    model = make_lm("gpt")
    options = {"sampling": Sampling(temperature=1.5), "seed": 5, "stop": ()}
    prompts = [[7, 8, 9], [8], [9, 7], [8], [7] * 6]
    alone = [decode_ids(model, [prompt], 4, **options)[0] for prompt in prompts]
    together = decode_ids(model, prompts, 4, batch_size=2, **options)
    assert [together[i] for i in (0, 1, 2, 4)] == [alone[i] for i in (0, 1, 2, 4)]
    assert together[3] != together[1]  # the same prompt again
    backwards = decode_ids(model, prompts[::-1], 4, **options)
    assert backwards == [together[i] for i in (4, 1, 2, 3, 0)]
    assert generate_ids(model, prompts, 4, **options) == together
    assert decode_ids(model, [[8], [8]], 4, **options) == [together[1], together[3]]
