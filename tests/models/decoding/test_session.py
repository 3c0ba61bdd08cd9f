"""A session: the same tokens as from scratch, whatever was read and said before."""

import numpy as np
import pytest

from kerasllm.models import Sampling, generate_ids
from kerasllm.models.decoding import session as module
from kerasllm.models.decoding.session import Session

pytestmark = pytest.mark.backends
NAMES = ("gpt", "llama")


@pytest.fixture(autouse=True)
def small(uncompiled, monkeypatch):
    """Let buffers be short, and windows and bursts shorter than the texts."""
    for name, size in (("SMALLEST", 8), ("WIDTH", 5), ("BURST", 3)):
        monkeypatch.setattr(module, name, size)


@pytest.mark.parametrize("name", NAMES)
def test_turn_by_turn_it_says_what_it_says_from_scratch(name, make_lm):
    model = make_lm(name)
    session, text = Session(model), [7, 9, 8]
    for _ in range(2):
        expected = generate_ids(model, [text], 4, stop=())[0]
        assert list(session.stream(text, 4, stop=())) == expected
        assert session.known == (text + expected)[: len(session.known)]
        assert len(session.known) == len(text) + 3  # the last token was not fed
        text = text + expected + [11, 6]
    assert session.size == 16


def test_what_is_known_is_not_read_again(make_lm, monkeypatch):
    session, read = Session(make_lm("llama")), []
    first = [7, 9, 8, 10, 6, 7]
    said = list(session.stream(first, 4, stop=()))
    compiled = session.steps.compiled

    def spied(function, *given):
        made = compiled(function, *given)
        if function is not module._read_on:
            return made
        return lambda window, state, at: (
            read.append((window.shape, int(at))) or made(window, state, at)
        )

    monkeypatch.setattr(session.steps, "compiled", spied)
    list(session.stream([*first, *said, 12], 3, stop=()))
    assert read == [((1, 5), 9)]  # six tokens and three of the answer were known
    assert session.size == 16


def test_a_conversation_that_turns_elsewhere(make_lm):
    model = make_lm("llama")
    session = Session(model)
    list(session.stream([7, 9, 8, 10, 6, 11], 4, stop=()))
    other = [7, 9, 12, 13]
    assert list(session.stream(other, 3, stop=())) == generate_ids(model, [other], 3, stop=())[0]


def test_it_stops_and_goes_on_behind_the_stop(make_lm):
    model = make_lm("llama")
    free = generate_ids(model, [[7, 9]], 5, stop=())[0]
    stop = free[3]
    session = Session(model)
    said = list(session.stream([7, 9], 5, stop=(stop,)))
    assert said == free[: free.index(stop) + 1]
    after = [7, 9, *said, 10]
    assert list(session.stream(after, 2, stop=())) == generate_ids(model, [after], 2, stop=())[0]


def test_a_reader_who_leaves_loses_nothing(make_lm):
    model = make_lm("llama")
    session = Session(model)
    stream = session.stream([7, 9, 8], 9, stop=())
    said = [next(stream), next(stream)]
    stream.close()
    after = [7, 9, 8, *said, 12]
    assert list(session.stream(after, 2, stop=())) == generate_ids(model, [after], 2, stop=())[0]


def test_to_the_end_of_the_context(make_lm):
    model, text = make_lm("gpt", max_length=16), list(np.arange(6, 17))
    expected = generate_ids(model, [text], 5, stop=())[0]
    assert list(Session(model).stream(text, 5, stop=())) == expected
    with pytest.raises(ValueError, match="need a context of 17, the model has 16"):
        list(Session(model).stream(text, 6, stop=()))


def test_draws_depend_on_the_seed(make_lm):
    model = make_lm("llama")
    said = {tuple(Session(model).stream([7, 9], 5, Sampling(2.0), s, stop=())) for s in (1, 1, 2)}
    assert len(said) == 2
