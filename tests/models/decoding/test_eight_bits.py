"""Decoding with weights of 8 bits, against the model itself."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kerasllm.models import (
    CausalLM,
    CausalPreprocessor,
    RecurrentBackbone,
    Sampling,
    TransformerBackbone,
    TransformerConfig,
    decode_ids,
)
from kerasllm.models.decoding.eight_bits import EightBits
from kerasllm.text import train_tokenizer
from kerasllm.training import generation
from kerasllm.training.generation import generate_with

pytest.importorskip("ctranslate2", reason="needs the extra int8")
SHAPES = [
    {"activation": "gelu_tanh", "epsilon": 0.3},
    {"positions": "sinusoidal", "norm": "post"},
    {"positions": None, "activation": "relu", "tied": False},
    {"positions": "rotary", "normalization": "rms", "use_bias": False, "activation": "swiglu",
     "num_kv_heads": 2, "epsilon": 0.2},
    {"positions": "rotary", "interleaved": True, "num_kv_heads": 1, "key_dim": 6,
     "rotary_base": 500.0, "score_pad": False},
]  # fmt: skip


def made(number=0, scale=0.3):
    """Return a model of a shape with random weights, in all of them."""
    settings = {"max_length": 29, **SHAPES[number]}
    model = CausalLM(TransformerBackbone(TransformerConfig(31, 24, 3, 4, **settings)))
    draw = np.random.default_rng(number)
    for weight in model.weights:
        weight.assign(draw.normal(size=weight.shape) * scale)
    return model


@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_it_is_the_same_model(number):
    model, ids = made(number), np.random.default_rng(7).integers(6, 31, (3, 11)).astype("int32")
    expected = np.array(model(ids))
    scale = np.abs(expected[..., 1:]).max()
    exact, rounded = EightBits(model, "float32").logits(ids), EightBits(model).logits(ids)
    np.testing.assert_allclose(exact[..., 1:], expected[..., 1:], atol=2e-6 * scale)
    assert (exact[..., 0].max() < -1e4) == (expected[..., 0].max() < -1e4)
    error = np.abs(rounded - expected)[..., 1:].max() / scale
    assert 1e-4 < error < 0.1, error  # a step of 8 bits is 1/127 of a row's largest


def test_texts_go_on_as_the_model_does():
    model = made(3, 0.6)
    decoder = EightBits(model, "float32")
    prompts = [[7, 8, 9, 10], [], [30, 6, 7, 8, 9, 11, 12]]
    for options in ({}, {"prefix": [9, 9]}, {"never": (0, 1, 2, 3, 4, 5, 17)}):
        expected = decode_ids(model, prompts, 9, **options)
        assert decoder.decode(prompts, 9, **options) == expected
        assert len({token for text in expected for token in text}) > 3
    stop = expected[0][4]
    ended = decoder.decode(prompts[:1], 9, stop=(stop,), **options)
    assert ended == [expected[0][: expected[0].index(stop) + 1]]
    with pytest.raises(ValueError, match="leave it at 1, or leave int8 out"):
        decoder.decode(prompts, 9, sampling=Sampling(repetition_penalty=3.0))


def test_draws_follow_from_the_seed_and_the_probabilities():
    model = made(0, 0.2)
    decoder, sampling = EightBits(model), Sampling(top_k=3)
    prompt, other = [7, 8, 9], [11, 12]
    drawn = decoder.decode([prompt, other], 12, sampling=sampling, seed=[(1, 5), (2, 6)])
    again = decoder.decode([other, prompt], 12, sampling=sampling, seed=[(2, 6), (1, 5)])
    assert drawn == again[::-1]
    assert drawn != decoder.decode([prompt, other], 12, sampling=sampling, seed=3)
    best = np.argsort(np.array(model(np.array([prompt])))[0, -1, 6:])[::-1] + 6
    firsts = {decoder.decode([prompt], 1, sampling=sampling, seed=k)[0][0] for k in range(40)}
    assert firsts <= {*best[:3], 3} and len(firsts) > 1


@pytest.mark.parametrize("narrow", [{"temperature": 1e-3}, {"top_p": 1e-6}, {"top_k": 1}])
def test_a_narrow_draw_is_the_likeliest_token(narrow):
    decoder = EightBits(made(3, 0.2))
    expected = decoder.decode([[7, 8, 9]], 9)
    found = [decoder.decode([[7, 8, 9]], 9, sampling=Sampling(**narrow), seed=k) for k in range(5)]
    assert found == 5 * [expected]
    wide = [decoder.decode([[7, 8, 9]], 9, sampling=Sampling(), seed=k) for k in range(5)]
    assert expected not in wide


def test_nothing_is_asked_for():
    decoder = EightBits(made(), "float32")
    assert decoder.decode([[7]], 0) == [[]]
    assert decoder.decode([[7]], 2, prefix=[8, 9, 10]) == [[8, 9]]
    with pytest.raises(ValueError, match="need a context of 32, the model has 29"):
        decoder.decode([[7, 8]], 30)


def test_no_weight_is_left_out_in_silence():
    model = made()
    model.backbone.get_layer("block_1").feed_forward.expand.enable_lora(2)
    with pytest.raises(ValueError, match=r"no place for .*block_1.*lora.*: leave int8 out"):
        EightBits(model)


def test_other_models_are_refused(monkeypatch):
    model = CausalLM(RecurrentBackbone.from_size("tiny", 31))
    with pytest.raises(ValueError, match="received a CausalLM of a RecurrentBackbone"):
        EightBits(model)
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(ImportError, match=r"pip install 'kerasllm\[int8\]'"):
        EightBits(made())


def test_a_run_generates_in_8_bits_where_that_is_faster(monkeypatch):
    tokenizer = train_tokenizer(["abcdefghijklmnopqrstuvw xyz"], "character")
    size = tokenizer.vocabulary_size
    backbone = TransformerBackbone(TransformerConfig(size, 24, 1, 4, max_length=16))
    model = CausalLM(backbone, preprocessor=CausalPreprocessor(tokenizer, 16))
    run = SimpleNamespace(model=model, path="runs/lm")
    with pytest.raises(ValueError, match=r"it has [\d,]+ weights, and below 20,000,000 a token"):
        generate_with(run, "abc", int8=True)
    monkeypatch.setattr(generation, "SMALLEST", 0)
    with pytest.raises(ValueError, match="set beam=1, or leave int8 out"):
        generate_with(run, "abc", int8=True, beam=2)
    options = {"max_new_tokens": 30, "seed": 5, "int8": True}  # twice the context
    text = generate_with(run, "abc", **options)
    assert (
        text.startswith("abc")
        and "".join(generate_with(run, "abc", stream=True, **options)) == text
    )
    assert generate_with(run, ["abc", "q"], **options)[0] == text
