"""Texts longer than the context, against a loop that reads the whole window for each token."""

import numpy as np
import pytest

from kerasllm.models import Sampling, generate_ids
from kerasllm.models.decoding.long_texts import generate_long, stream_long

pytestmark = [pytest.mark.backends, pytest.mark.usefixtures("uncompiled")]
CONTEXT = 10


def by_hand(model, prompt, count, numpy):
    """Greedy: forget all but the last 5 tokens whenever 10 are there."""
    window, new = list(prompt), []
    for _ in range(count):
        if len(window) == CONTEXT:
            window = window[-5:]
        logits = numpy(model(np.array([window])))[0, -1]
        logits[[token for token in range(6) if token != 3]] = -np.inf  # special ones but <eos>
        new.append(int(logits.argmax()))
        window.append(new[-1])
    return new


@pytest.mark.parametrize("name", ["gpt", "gpt-rotary"])
def test_a_full_context_goes_on_from_its_second_half(name, make_lm, numpy):
    model = make_lm(name, max_length=CONTEXT)
    expected = by_hand(model, [7, 8, 9], 23, numpy)
    assert len(set(expected)) > 2  # a text worth comparing
    assert generate_long(model, [[7, 8, 9]], 23, stop=()) == [expected]
    assert list(stream_long(model, [7, 8, 9], 23, stop=())) == expected


def test_each_of_several_ends_for_itself(make_lm):
    model = make_lm("gpt", max_length=CONTEXT)
    prompts = [[7, 8, 9], [12], [20, 6, 13, 9, 8]]
    whole = generate_long(model, prompts, 31, stop=())
    assert [len(new) for new in whole] == [31] * 3
    alone = [generate_long(model, [prompt], 31, stop=())[0] for prompt in prompts]
    assert whole == alone
    stop = whole[0][13]
    ended = generate_long(model, prompts, 31, stop=(stop,))
    for new, full in zip(ended, whole, strict=True):
        end = full.index(stop) + 1 if stop in full else 31
        assert new == full[:end]


def test_what_fits_is_as_without_and_draws_differ_from_context_to_context(make_lm):
    model = make_lm("gpt", max_length=CONTEXT)
    options = {"sampling": Sampling(1.0), "seed": 3, "stop": ()}
    short = generate_ids(model, [[7, 8]], 8, **options)
    long = generate_long(model, [[7, 8]], 33, prefix=[9], **options)[0]
    assert generate_long(model, [[7, 8]], 8, **options) == short
    assert long[0] == 9 and long.count(9) < 33
    assert list(stream_long(model, [7, 8], 33, prefix=[9], **options)) == long
    assert long[8:13] != long[13:18]


def test_a_recurrent_state_has_no_end(make_lm):
    model = make_lm("lstm")
    assert generate_long(model, [[7, 8]], 40) == generate_ids(model, [[7, 8]], 40)


def test_a_prompt_that_fills_the_context(make_lm):
    model = make_lm("gpt", max_length=CONTEXT)
    with pytest.raises(ValueError, match="a prompt of 10 tokens and 1 new ones need a context"):
        generate_long(model, [[7] * 10], 4)
    assert generate_long(model, [], 4) == [] and generate_long(model, [[7]], 0) == [[]]
