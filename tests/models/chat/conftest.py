"""Conversations of a few words, and a reader of them."""

import pytest

from kerasllm.datasets import Conversation, Dataset
from kerasllm.models import ChatPreprocessor
from kerasllm.text import train_tokenizer

# With the 6 special tokens 23 in the vocabulary, as the backbones here have.
WORDS = "ape bee cat dog elk fox gnu hen ibis jay kid lion mole newt owl pig rat"


def talk(*texts):
    """Return the conversation in which texts are said in turn, the user's first."""
    roles = ("user", "assistant") * len(texts)
    return Conversation(tuple(zip(roles, texts, strict=False)))


TALKS = (
    talk("ape", "bee cat"),
    talk("dog elk gnu", "gnu"),
    talk("fox", "ape", "bee ape cat", "elk dog fox"),
    talk("cat cat cat cat", "dog"),
    talk("gnu", "gnu gnu"),
)


@pytest.fixture
def talks():
    return Dataset(TALKS, name="talks", split="train", task="chat")


@pytest.fixture
def reader():
    return ChatPreprocessor(train_tokenizer([WORDS], "word", min_frequency=1), length=29)
