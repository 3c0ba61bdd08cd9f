"""Generation against a naive loop, and sampling against its probabilities."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.models import CausalLM, Sampling, decoding, generate_ids
from kerasllm.text import EOS, MASK, PAD

pytestmark = pytest.mark.backends
V = 23
NAMES = ("simple", "lstm", "lstm-untied", "gru-residual", "gpt", "gpt-post", "gpt-rotary",
         "gpt-sinusoidal")  # fmt: skip
FORBIDDEN = [token for token in range(6) if token != EOS]


@pytest.fixture
def make_lm(make_backbone):
    """Return a function that builds a language model whose greedy texts vary."""

    def make(name, **options):
        transformer = name.startswith("gpt")
        model = CausalLM(make_backbone(name, scale=0.5 if transformer else 3, **options))
        model.jit_compile = keras.backend.backend() == "jax"  # of `predict`: quickest so
        # Large biases would say one token for ever, large embeddings the last one again.
        for weight in model.weights:
            if len(weight.shape) == 1:
                weight.assign(0.1 * weight + weight.path.endswith("gamma"))
            elif weight.path.endswith("embedding/embeddings") and not transformer:
                weight.assign(0.1 * weight)
        return model

    return make


def _naive(model, prompt, steps, stop=(EOS,)):
    """Run the whole text through the model for each new token, and take the likeliest."""
    text = list(prompt)
    for _ in range(steps):
        padded = np.array([text + [0] * (len(prompt) + steps - len(text))])  # one shape to compile
        logits = model.predict_on_batch(padded)[0, len(text) - 1].copy()
        logits[FORBIDDEN] = -np.inf
        text.append(int(logits.argmax()))
        if text[-1] in stop:
            break
    return text[len(prompt) :]


@pytest.mark.usefixtures("plain_graph")
@pytest.mark.parametrize("name", NAMES)
def test_greedy_is_the_naive_loop_and_ragged_prompts_the_single_ones(name, make_lm):
    model = make_lm(name)
    prompts = [[7, 8, 9, 10, 11], [12], [20, 6, 13]]
    expected = [_naive(model, prompt, 6) for prompt in prompts]
    assert len({token for text in expected for token in text}) > 3  # texts worth comparing
    assert generate_ids(model, prompts, 6) == expected
    assert generate_ids(model, prompts[2:], 6) == expected[2:]


@pytest.mark.usefixtures("plain_graph")
@pytest.mark.parametrize("name", ["gru-residual", "gpt", "gpt-rotary"])
def test_long_prompts_are_read_at_once(name, make_lm, rng, monkeypatch):
    model = make_lm(name, **({"max_length": 80} if name.startswith("gpt") else {}))
    prompts = [rng.integers(6, V, n).tolist() for n in (33, 66)]  # 32 tokens at once
    seen, step = [], model.backbone.step

    def spy(ids, state, start=0):
        seen.append(ids.shape[1])
        return step(ids, state, start)

    monkeypatch.setattr(model.backbone, "step", spy)
    texts = generate_ids(model, prompts, 3, stop=())
    assert seen[0] == 32
    assert set(seen[1:]) == {1}
    monkeypatch.undo()
    assert texts == [_naive(model, prompt, 3, ()) for prompt in prompts]


def test_the_fast_loop_is_the_plain_one_for_any_number_of_prompts(make_lm):
    model = make_lm("gpt")  # with XLA where there is one
    for prompts in ([[7, 8, 9]], [[7, 8], [9]]):
        assert generate_ids(model, prompts, 5) == [_naive(model, p, 5) for p in prompts]


@pytest.mark.usefixtures("plain_graph")
def test_changed_weights_change_the_text(make_lm, rng):
    model = make_lm("gpt")
    before = generate_ids(model, [[7, 8, 9]], 9)
    model.set_weights([rng.normal(scale=0.7, size=w.shape) for w in model.get_weights()])
    after = generate_ids(model, [[7, 8, 9]], 9)
    assert after != before
    assert after == [_naive(model, [7, 8, 9], 9)]


@pytest.mark.usefixtures("plain_graph")
def test_a_text_stops_after_its_stop_token_and_the_others_go_on(make_lm):
    model = make_lm("gpt")
    prompts = [[7, 8, 9], [12]]
    free = generate_ids(model, prompts, 9, stop=())
    assert [len(text) for text in free] == [9, 9]
    stop = free[0][2]
    stopped = generate_ids(model, prompts, 9, stop=(stop,))
    for text, whole in zip(stopped, free, strict=True):
        end = whole.index(stop) + 1 if stop in whole else 9
        assert text == whole[:end]
    assert len(stopped[0]) <= 3
    # A stop token inside a prompt stops nothing.
    prompt = [7, stop, 9]
    assert generate_ids(model, [prompt], 4, stop=(stop,)) == [_naive(model, prompt, 4, (stop,))]


@pytest.mark.usefixtures("plain_graph")
def test_an_empty_prompt_begins_after_an_end(make_lm):
    model = make_lm("gru-residual")
    assert generate_ids(model, [[]], 5) == generate_ids(model, [[EOS]], 5)


@pytest.mark.usefixtures("plain_graph")
def test_seeds(make_lm):
    model, sampling = make_lm("lstm"), Sampling()
    texts = [generate_ids(model, [[7], [7]], 9, sampling, seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][0] != texts[0][1]  # two texts from one prompt are two draws
    greedy = [generate_ids(model, [[7]], 9, seed=seed) for seed in (1, 2)]
    assert greedy[0] == greedy[1]


@pytest.mark.usefixtures("plain_graph")
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


@pytest.mark.usefixtures("plain_graph")
def test_texts_have_the_probabilities_of_the_model(make_lm):
    model = make_lm("gpt")
    count = 4000
    first = generate_ids(model, [[7, 8]] * count, 1, Sampling(temperature=1.7), seed=3, stop=())
    logits = keras.ops.convert_to_numpy(model(np.array([[7, 8]])))[0, -1].astype("float64")
    logits[FORBIDDEN] = -1e30
    _assert_drawn_from(np.array(first)[:, 0], ref.filter_probabilities(logits[None], 1.7)[0])


def _assert_drawn_from(tokens, p):
    """Chi-square test at a fixed seed; rare tokens are counted together."""
    observed, expected = np.bincount(tokens, minlength=len(p)), p * len(tokens)
    assert not observed[p == 0].any()
    common = expected >= 5
    observed = [*observed[common], observed[~common].sum()]
    expected = [*expected[common], max(expected[~common].sum(), 1)]
    chi_square = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    freedom = len(observed) - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5  # mean and 4 standard deviations


def _choose(sampling, logits, uniform):
    logits = keras.ops.convert_to_tensor(logits.astype("float32"))
    uniform = keras.ops.convert_to_tensor(uniform.astype("float32"))
    return keras.ops.convert_to_numpy(sampling.choose(logits, uniform))


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(0.5),
        Sampling(2.0),
        Sampling(top_k=1),
        Sampling(top_k=5),
        Sampling(top_k=99),
        Sampling(top_p=0.6),
        Sampling(top_p=1e-6),
        Sampling(top_p=1.0),
        Sampling(1.5, top_k=7, top_p=0.7),
    ],
    ids=str,
)
def test_frequencies_are_the_filtered_probabilities(sampling, rng):
    logits = 2 * rng.normal(size=V)
    p = ref.filter_probabilities(
        logits[None], sampling.temperature, sampling.top_k, sampling.top_p
    )[0]
    tokens = _choose(sampling, np.tile(logits, (20000, 1)), rng.random(20000))
    _assert_drawn_from(tokens, p)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=3), Sampling(top_p=0.5)], ids=str)
def test_the_ends_of_the_uniform_numbers_stay_inside_the_set(sampling):
    p = np.array([0.0, 0.5, 0.2, 0.3, 0.0])
    logits = np.tile(np.where(p > 0, np.log(np.maximum(p, 0.1)), -1e30), (2, 1))
    low, high = _choose(sampling, logits, np.array([0.0, 1.0]))  # 1 - 1e-9 is 1 in float32
    assert p[low] > 0
    assert p[high] > 0
    if sampling.top_p:
        assert (low, high) == (1, 1)


def test_temperature_zero_is_greedy(rng):
    logits = rng.normal(size=(50, V))
    assert np.array_equal(_choose(Sampling(0), logits, rng.random(50)), logits.argmax(axis=1))


def test_the_context_is_not_exceeded(make_lm):
    model = make_lm("gpt", max_length=10)
    with pytest.raises(ValueError, match=r"prompt of 7 tokens and 4 new ones need a context of 11"):
        generate_ids(model, [[7] * 7, [8]], 4)


@pytest.mark.usefixtures("plain_graph")
def test_the_context_is_used_to_its_end(make_lm):
    model = make_lm("gpt", max_length=10)
    assert generate_ids(model, [[7, 9, 8, 6]], 6, stop=()) == [_naive(model, [7, 9, 8, 6], 6, ())]


def test_nothing_asked_nothing_given(make_lm):
    model = make_lm("gpt")
    assert generate_ids(model, [], 5) == []
    assert generate_ids(model, [[7], [8]], 0) == [[], []]


def test_bad_arguments_are_explained(make_lm):
    model = make_lm("gpt")
    with pytest.raises(ValueError, match="temperature must be 0 or more, received -1"):
        Sampling(-1)
    with pytest.raises(ValueError, match="top_k must be at least 1, received 0"):
        Sampling(top_k=0)
    for value in (0, 1.1):
        with pytest.raises(ValueError, match=r"top_p must lie in \(0, 1\], received"):
            Sampling(top_p=value)
    with pytest.raises(ValueError, match="each a list of token ids"):
        generate_ids(model, [7, 8], 3)
    for token in (V, -1):
        with pytest.raises(ValueError, match=f"below the vocabulary size 23, received {token}"):
            generate_ids(model, [[7, token]], 3)


def test_loops_are_compiled_once_a_setting(make_lm, monkeypatch):
    made = []
    monkeypatch.setattr(
        decoding, "compiled", lambda *_: made.append(1) or (lambda ids, *_: np.array(ids))
    )
    model = make_lm("gpt")
    for sampling in (None, Sampling(), None, Sampling(), Sampling(0.5)):
        generate_ids(model, [[7]], 3, sampling)
    assert len(made) == 3
