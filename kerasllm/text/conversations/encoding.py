"""Conversations as token ids, and which of these are answers.

- What people write never becomes a special token: a literal "<|im_end|>" in a message is ordinary
  characters. The template's own special tokens are found by the template alone.
- An answer begins where the text of the messages before it ends, with what the template asks an
  answer with: no header is known here, and no role is looked for in the text.
- Text is tokenised up to the beginning of each answer and from there on, never across: what a
  model is taught to say follows on just those ids that it will be given.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from kerasllm.text.conversations.messages import ANSWERS, check_messages
from kerasllm.text.conversations.template import render
from kerasllm.text.tokenizers.special import SPECIAL_TOKENS

_GUARDS = "\ufdd0\ufdd1\ufdd2\ufdd3"  # characters that Unicode gives to no text
_NAMES = ("pad", "unk", "bos", "eos", "sep", "mask")  # of `SPECIAL_TOKENS`


def encode_conversation(tokenizer, messages, add_generation_prompt=True, template=None):
    """Return the token ids of a conversation, as the model was taught to read it.

    Args:
        tokenizer: one with a `chat_template`.
        messages: as in `check_messages`.
        add_generation_prompt: end with what an answer begins after.
        template: in the place of the tokenizer's.

    Raises:
        ValueError: the tokenizer has no template, or the template fails.
    """
    writing = _Writing.of(tokenizer, messages, template)
    return writing.ids(writing.text(add_generation_prompt=add_generation_prompt))


def encode_answers(tokenizer, messages, template=None):
    """Return the token ids of a conversation, and which of them an answer consists of.

        answer_k = text(m_1 … m_k) without text(m_1 … m_{k-1}, with its generation prompt),
                   up to its end token, which is counted

    Args:
        tokenizer: as in `encode_conversation`.
        messages: as in `check_messages`.
        template: in the place of the tokenizer's.

    Returns:
        (ids (T,), bool array (T,)).

    Raises:
        ValueError: the template fails, or writes the beginning of a conversation otherwise once
            more follows.
    """
    writing = _Writing.of(tokenizer, messages, template)
    whole, at, ids, counted = writing.text(), 0, [], []
    for number, message in enumerate(writing.messages):
        if message["role"] != ANSWERS or not number:
            continue
        begin, end = writing.answer(whole, number)
        for start, stop, is_answer in ((at, begin, False), (begin, end, True)):
            part = writing.ids(whole[start:stop])
            ids += part
            counted += [is_answer] * len(part)
        at = end
    rest = writing.ids(whole[at:])
    return np.array(ids + rest, "int32"), np.array(counted + [False] * len(rest), bool)


def fitted(tokenizer, messages, room, template=None):
    """Return (ids, how many messages were left out): the newest of a conversation that fit.

    The system's message stays; of the others the oldest go, a question with its answer.

    Raises:
        ValueError: the last message alone does not fit.
    """
    messages = check_messages(messages)
    head = [m for m in messages[:1] if m["role"] == "system"]
    rest = messages[len(head) :]
    for first in range(len(rest)):
        if first and rest[first]["role"] != "user":
            continue
        ids = encode_conversation(tokenizer, head + rest[first:], template=template)
        if len(ids) <= room:
            return ids, first
    raise ValueError(
        f"the last message alone needs {len(ids):,} tokens, the model has room for {room:,} before "
        "its answer: shorten it, or lower max_new_tokens."
    )


class _Writing(NamedTuple):
    """A conversation whose literal special tokens are guarded, and what turns it into ids."""

    tokenizer: Any
    messages: list
    template: str
    tokens: dict  # {special token: id}
    pattern: Any
    guard: str

    @classmethod
    def of(cls, tokenizer, messages, template):
        template = template or getattr(tokenizer, "chat_template", None)
        if not template:
            raise ValueError(
                "this model does not chat: it came without a template of conversations. Import one "
                "that was trained for it (kerasllm import smollm2), or fine-tune it on "
                "conversations; or use `kerasllm generate`."
            )
        tokens = {tokenizer.id_to_token(i): i for i in sorted(tokenizer.special_ids) if i}
        messages = check_messages(messages)
        guard = next(g for g in _GUARDS if not any(g in m["content"] for m in messages))
        pattern = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))
        guarded = [
            m | {"content": pattern.sub(lambda hit: hit[0][0] + guard + hit[0][1:], m["content"])}
            for m in messages
        ]
        return cls(tokenizer, guarded, template, tokens, pattern, guard)

    def text(self, count=None, add_generation_prompt=False):
        """Return what the template makes of the first `count` messages."""
        special = getattr(self.tokenizer, "special", None)
        special = dict(zip(_NAMES, SPECIAL_TOKENS, strict=True)) if special is None else special
        return render(self.template, self.messages[:count], add_generation_prompt, special)

    def ids(self, text):
        """Return the ids of a guarded text, its special tokens being those of the template."""
        ids, at = [], 0
        for hit in self.pattern.finditer(text):
            ids += self.tokenizer.encode(text[at : hit.start()].replace(self.guard, ""))
            ids.append(self.tokens[hit[0]])
            at = hit.end()
        return ids + self.tokenizer.encode(text[at:].replace(self.guard, ""))

    def answer(self, whole, number):
        """Return where the answer that is message `number` begins and ends in the whole text."""
        before, upto = self.text(number), self.text(number + 1)
        if not (whole.startswith(before) and whole.startswith(upto)):
            raise ValueError(
                "the model's template of conversations writes the first messages otherwise once "
                f"more follow (message {number}): where its answers begin and end cannot be told. "
                "Give conversations of one question and one answer, or another template."
            )
        asked = self.text(number, add_generation_prompt=True)
        begin = max(len(before), _shared(asked, whole))
        hits = self.pattern.finditer(whole, begin, len(upto))
        end = next((h.end() for h in hits if self.tokens[h[0]] == self.tokenizer.eos_id), None)
        return begin, end or len(upto)


def _shared(text, other):
    """Return how many characters two texts have in common at their beginnings."""
    pairs = enumerate(zip(text, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(text), len(other)))
