"""The loss-mask laboratory: what is counted, and each mistake that is shipped, planted, named."""

import re

import numpy as np
import pytest

from kerasllm import verify
from kerasllm.datasets import Conversation, Dataset
from kerasllm.models import (
    CausalLM,
    CausalPreprocessor,
    ChatLM,
    ChatPreprocessor,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.text import train_tokenizer
from kerasllm.verify.masks.answers import NAMES

pytest.importorskip("jinja2", reason="needs the extra chat")
WORDS = "ape bee cat dog elk fox gnu"
TALKS = (("ape", "bee cat"), ("dog elk gnu", "gnu", "fox", "ape"), ("fox", "cat bee ape dog"))
IGNORED = -100


def talks():
    made = [Conversation(tuple(zip(2 * ("user", "assistant"), t, strict=False))) for t in TALKS]
    return Dataset(made, name="talks", split="train", task="chat")


@pytest.fixture
def make_task(rng):
    def make(packed=False, positions="rotary", length=37, template=None):
        tokenizer = train_tokenizer([WORDS], "word", min_frequency=1)
        config = TransformerConfig(13, 8, 2, 2, max_length=64, positions=positions)
        backbone = TransformerBackbone(config)
        weights = [rng.normal(scale=0.4, size=w.shape) for w in backbone.get_weights()]
        backbone.set_weights(weights)
        reader = ChatPreprocessor(tokenizer, length, template)
        return ChatLM(backbone.packing() if packed else backbone, preprocessor=reader)

    return make


@pytest.fixture
def batch(make_task):
    """Return the right ids and targets of all conversations, a row each, and their labels."""
    ids, targets = make_task().preprocessor(talks())
    return ids, targets


def test_what_is_counted_is_shown_token_by_token(make_task):
    report = verify.loss_masks(make_task(), talks())
    assert report.ok and report.names == []
    assert report.learned == (
        "bee cat<eos>", "gnu<eos>ape<eos>", "cat bee ape dog<eos>",
    )  # fmt: skip
    first = [row for row in report.rows if row.row == 0]
    assert [row.token for row in first] == ["<bos>", "ape", "<sep>", "bee", "cat"]
    assert [row.target for row in first] == ["", "", "bee", "cat", "<eos>"]
    assert [row.counted for row in first] == [row.expected for row in first]
    shown = str(report)
    assert "✓ the answers are counted, no more" in shown
    assert "<sep>  bee            ✓        ✓" in shown
    assert "learns to say" in report._repr_html_()


def real_following(ids):
    """Return all tokens that follow, as a pipeline without a mask gives them."""
    return np.concatenate([ids[:, 1:], np.zeros((len(ids), 1), ids.dtype)], axis=1)


def lost(ids, targets):
    """Count every token: those of the last places are known of the targets alone."""
    return ids, np.where(targets != 0, targets, real_following(ids))


def not_shifted(ids, targets):
    """Give as target at t the token at t, masked as such: labels that nobody shifts."""
    labels = np.where(np.roll(targets, 1, axis=1) != 0, ids, IGNORED)
    labels[:, 0] = IGNORED
    return ids, labels


def shifted_twice(ids, targets):
    """Shift labels that were shifted already."""
    return ids, np.concatenate([targets[:, 1:], 0 * targets[:, :1]], axis=1)


def mask_late(ids, targets):
    """Take the mask of the tokens for that of the targets."""
    following = lost(ids, targets)[1]
    mask = np.pad(targets != 0, ((0, 0), (1, 0)))[:, :-1]
    return ids, np.where(mask, following, 0)


def mask_early(ids, targets):
    following, mask = lost(ids, targets)[1], np.roll(targets != 0, -1, axis=1)
    return ids, np.where(mask, following, 0)


def masked(ids, targets):
    return ids, np.full_like(targets, IGNORED)


def weighed_to_nothing(ids, targets):
    return ids, targets, np.zeros(len(ids))


def without_ends(ids, targets):
    return ids, np.where(targets == 3, 0, targets)


def question_too(ids, targets):
    ids, targets = ids, targets.copy()
    targets[0, 0] = ids[0, 1]
    return ids, targets


def last_answer_only(ids, targets):
    targets = targets.copy()
    end = np.flatnonzero(targets[1] == 3)[0]
    targets[1, : end + 1] = 0
    return ids, targets


def another_template(ids, targets):
    ids = ids.copy()
    ids[1, 0] = 5
    return ids, targets


@pytest.mark.parametrize(
    ("plant", "name", "told"),
    [
        (lost, "mask lost", "tokens, first in row 0 at t = 0"),
        (not_shifted, "shifted by one", "the token itself: it copies"),
        (shifted_twice, "shifted by one", r"that at t \+ 2"),
        (mask_late, "shifted by one", "the mask is one token late"),
        (mask_early, "shifted by one", "the mask is one token early"),
        (masked, "everything masked", "0 / 0 = NaN"),
        (weighed_to_nothing, "everything masked", "0 / 0 = NaN"),
        (without_ends, "end not learned", "4 tokens, first in row 0 at t = 4"),
        (question_too, "prompt learned", "first in row 0 at t = 0"),
        (last_answer_only, "answer left out", "first in row 1 at t = 4"),
        (another_template, "other text", "first in row 1 at t = 0"),
    ],
)  # fmt: skip
def test_each_mistake_in_the_arrays_is_found_and_named(plant, name, told, make_task, batch):
    report = verify.loss_masks(make_task(), talks(), plant(*batch))
    assert name in report.names and not report.ok
    if plant is not last_answer_only:
        assert report.names == [name], report
    (finding,) = [f for f in report.findings if f.name == name]
    assert re.search(told, finding.told), finding.told
    assert f"✗ {name}: " in str(report)


def test_a_template_that_never_ends_an_answer_is_found(make_task):
    endless = "{% for m in messages %}{{ bos_token + m.content + sep_token }}{% endfor %}"
    report = verify.loss_masks(make_task(template=endless), talks())
    assert report.names == ["end not learned"]


def test_a_cut_is_no_mistake(make_task):
    assert verify.loss_masks(make_task(length=4), talks()).ok


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_packed_conversations_that_see_each_other_are_found(positions, make_task):
    right = make_task(packed=True, positions=positions)
    assert verify.loss_masks(right, talks()).ok
    batch = right.preprocessor.batches(talks(), None, None, pack=True).batch(0)
    assert len(batch[0]) == 1
    report = verify.loss_masks(make_task(positions=positions), talks(), batch)
    assert report.names == ["packed conversations see each other"]


def test_positions_that_go_on_are_found(make_task, monkeypatch):
    right = make_task(packed=True, positions="learned")
    monkeypatch.setattr(
        type(right.backbone.embedding), "_rows_of_texts",
        lambda self, ids: self._position_rows(ids.shape[1], 0),
    )  # fmt: skip
    assert verify.loss_masks(right, talks()).names == ["positions go on"]


def test_rows_without_a_pad_between_are_read_too(make_task):
    task = make_task(packed=True)
    lessons = [task.preprocessor.lesson(example) for example in talks()]
    # Inputs that lack the last token, and no pad: the next conversation follows at once.
    ids, targets = (np.concatenate([le[k] for le in lessons[:2]])[None] for k in (0, 1))
    assert verify.loss_masks(task, talks(), (ids, targets)).names == [
        "packed conversations see each other"
    ]


def test_what_cannot_be_looked_at_says_why(make_task, batch):
    plain = CausalLM(make_task().backbone, preprocessor=CausalPreprocessor(
        make_task().preprocessor.tokenizer, 37))  # fmt: skip
    assert verify.loss_masks(plain, talks()).ok  # as it would be trained
    with pytest.raises(ValueError, match="expected a model that chats"):
        verify.loss_masks(CausalLM(make_task().backbone), talks())
    with pytest.raises(ValueError, match=r"received \(3, \d+\) and \(3, 2\)"):
        verify.loss_masks(make_task(), talks(), (batch[0], batch[1][:, :2]))
    assert len(NAMES) == 9


def test_a_line_end_does_not_break_the_table(chatml):
    template = (
        "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    tokenizer = chatml(template)
    config = TransformerConfig(tokenizer.vocabulary_size, 8, 1, 2, max_length=64)
    task = ChatLM(TransformerBackbone(config), preprocessor=ChatPreprocessor(tokenizer, 37))
    report = verify.loss_masks(task, [Conversation((("user", "a"), ("assistant", "b\nc")))])
    assert report.learned == ("b\nc<|im_end|>",)
    assert "\\n" in [row.token for row in report.rows]
    assert len(str(report.table).split("\n")) == 3 + len(report.rows)
