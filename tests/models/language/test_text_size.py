"""Bits per character and byte count the original text, whatever the tokenizer makes of it."""

import math

import numpy as np
import pytest

from kerasllm.datasets.sources import Source
from kerasllm.models import CausalLM, CausalPreprocessor
from kerasllm.models.language.corpora import held_out_text, held_out_tokens, text_size
from kerasllm.models.language.scoring import token_nats
from kerasllm.text import train_tokenizer
from kerasllm.text.corpora import streaming
from kerasllm.text.unknown import incomparable

TRAIN = ["the cat sat on the mat", "a dog saw the cat"] * 3
HELD = ["The cat  saw Zoë,", "", "the émigré Zoë"]


@pytest.fixture(params=["word", "character", "bpe", "wordpiece"])
def tokenizer(request):
    size = {"vocabulary_size": 300} if request.param == "bpe" else {}
    return train_tokenizer(TRAIN, request.param, min_frequency=1, **size)


def test_size_of_texts_is_that_of_the_characters_after_the_first_token(tokenizer):
    first = tokenizer.offsets(HELD[0])[0][1]
    after = HELD[0][first:] + "".join(HELD[1:])
    size = {"characters": len(after), "bytes": len(after.encode())}
    assert text_size(HELD, tokenizer) == size
    assert size["bytes"] == size["characters"] + 4  # ë, é, é, ë: two bytes each


def test_bits_divide_by_the_original_text_and_unknown_tokens_are_counted():
    tokenizer = train_tokenizer(TRAIN, "word", min_frequency=1)
    model = CausalLM.from_size(
        "tiny", preprocessor=CausalPreprocessor(tokenizer, 8), hidden_dim=5, units=5
    )
    found = model.evaluation(Source("held", (), HELD))
    ids = [i for text in HELD for i in tokenizer.encode(text, eos=True)]
    assert np.array_equal(held_out_tokens(Source("held", (), HELD), tokenizer), ids)
    nats = token_nats(model, ids, 8).sum()
    after = len("".join(HELD)) - len("The")
    assert found["model"]["bits_per_character"] == pytest.approx(nats / math.log(2) / after)
    assert found["model"]["bits_per_byte"] == pytest.approx(nats / math.log(2) / (after + 4))
    unknown = [i == tokenizer.unk_id for i in ids[1:]]  # Zoë "," émigré Zoë
    assert sum(unknown) == 4
    assert found["model"]["unknown"] == 4 / len(unknown)
    assert found["notes"][0].startswith(f"{4 / len(unknown):.1%} of the tokens are unknown")


def test_a_tokenizer_that_keeps_all_has_nothing_to_say():
    assert incomparable(0.0, train_tokenizer(TRAIN, "bpe", vocabulary_size=300)) == []
    assert incomparable(0.0, train_tokenizer(TRAIN, "character")) == []
    assert (
        "forgets capitals, "
        in incomparable(0.0, train_tokenizer(TRAIN, "character", lowercase=True))[0]
    )
    lossy = train_tokenizer(TRAIN, "wordpiece", lowercase=True)
    assert "forgets capitals and white space" in incomparable(0.0, lossy)[0]


@pytest.mark.parametrize("piece", [40, 1 << 15])
def test_the_end_of_a_file_is_found_where_its_tokens_begin(tokenizer, piece, tmp_path, monkeypatch):
    for module in (streaming, "kerasllm.models.language.corpora"):
        where = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{where}.PIECE", piece)
    path = tmp_path / f"{piece}.txt"
    path.write_text("\n".join(f"the cat sat on the {i}th mat of Zoë\n" for i in range(50)))
    source = Source("file", path)
    tail, ids = held_out_text(source, tokenizer), held_out_tokens(source, tokenizer)
    assert path.read_text().endswith(tail)
    assert tokenizer.encode(tail, eos=True) == ids.tolist()


def test_a_file_of_one_line_is_read_from_its_beginning(tokenizer, tmp_path):
    path = tmp_path / "line.txt"
    path.write_text(" ".join(f"the cat sat on mat {i}" for i in range(40)))
    source = Source("file", path)
    tail = held_out_text(source, tokenizer)
    assert tokenizer.encode(tail, eos=True) == held_out_tokens(source, tokenizer).tolist()
