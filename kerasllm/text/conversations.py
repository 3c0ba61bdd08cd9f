"""Conversations as one text: a model's own template, rendered in a sandbox (extra `chat`).

- A template comes with the model, from a stranger: it runs in jinja2's sandbox, with a limit on its
  steps and on what it writes.
- What people write never becomes a special token: a literal "<|im_end|>" in a message is ordinary
  characters. The template's own special tokens are found by the template alone.
"""

import contextlib
import re
import sys
from datetime import datetime

from kerasllm.text.tokenizers.special import check_text

ROLES = ("system", "user", "assistant")
MOST_STEPS = 200_000  # lines of a compiled template
MOST_LETTERS = 2**24
_GUARDS = "\ufdd0\ufdd1\ufdd2\ufdd3"  # characters that Unicode gives to no text


def check_messages(messages):
    """Return a conversation as a list of {"role", "content"}, once it is seen to be one.

    Args:
        messages: one text, which a user says; or dicts with a role ("system", "user" or
            "assistant") and a content.

    Raises:
        TypeError: it is no list of dicts.
        ValueError: it is empty, a role is unknown, or a content is no text.

    Example:
        >>> check_messages("Hello!")
        [{'role': 'user', 'content': 'Hello!'}]
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, list | tuple) or not all(isinstance(m, dict) for m in messages):
        raise TypeError(
            'expected a conversation as a list of {"role": …, "content": …}, received '
            f"{messages!r:.80}."
        )
    if not messages:
        raise ValueError("expected a conversation with a message, received none.")
    return [_checked(number, message) for number, message in enumerate(messages)]


def _checked(number, message):
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise ValueError(
            f"expected a role among {ROLES} in message {number}, received {role!r:.40}."
        )
    return {"role": role, "content": check_text(content, f" as content of message {number}")}


def render(template, messages, add_generation_prompt=True, special=None):
    """Return the text that a template makes of a conversation.

    Args:
        template: of jinja2, as chat models bring it.
        messages: as in `check_messages`.
        add_generation_prompt: end with what an answer begins after.
        special: {role: token} that the template may name, such as {"bos": "<s>"}.

    Raises:
        ImportError: jinja2 is not installed.
        ValueError: the template raises, takes too many steps, or cannot be read.
    """
    values = {f"{role}_token": token for role, token in (special or {}).items()}
    values |= {"messages": check_messages(messages), "add_generation_prompt": add_generation_prompt}
    environment, refused = _environment()
    try:
        compiled, written, letters = environment.from_string(template), [], 0
        with _limited_steps():
            for piece in compiled.generate(**values):
                written.append(piece)
                letters += len(piece)
                if letters > MOST_LETTERS:
                    raise _EndlessError(f"it writes more than {MOST_LETTERS:,} characters")
    except (*refused, _EndlessError, ArithmeticError, AttributeError, LookupError, TypeError,
            ValueError, RecursionError) as error:  # fmt: skip
        raise ValueError(
            f"the model's template of conversations fails ({type(error).__name__.lstrip('_')}: "
            f"{str(error)[:200]}): give the messages in the order that it wants, mostly user and "
            "assistant in turn; or take the template from the model's author again."
        ) from None
    return "".join(written)


def encode_conversation(tokenizer, messages, add_generation_prompt=True):
    """Return the token ids of a conversation, as the model was taught to read it.

    Args:
        tokenizer: one with a `chat_template`.
        messages: as in `check_messages`.
        add_generation_prompt: end with what an answer begins after.

    Raises:
        ValueError: the tokenizer has no template, or the template fails.
    """
    template = getattr(tokenizer, "chat_template", None)
    if not template:
        raise ValueError(
            "this model does not chat: it came without a template of conversations. Import one "
            "that was trained for it (kerasllm import smollm2), or use `kerasllm generate`."
        )
    tokens = {tokenizer.id_to_token(i): i for i in sorted(tokenizer.special_ids) if i}
    messages = check_messages(messages)
    guard = next(g for g in _GUARDS if not any(g in m["content"] for m in messages))
    pattern = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))
    guarded = [
        m | {"content": pattern.sub(lambda hit: hit[0][0] + guard + hit[0][1:], m["content"])}
        for m in messages
    ]
    text = render(template, guarded, add_generation_prompt, tokenizer.special)
    ids, at = [], 0
    for hit in pattern.finditer(text):
        ids += tokenizer.encode(text[at : hit.start()].replace(guard, ""))
        ids.append(tokens[hit[0]])
        at = hit.end()
    return ids + tokenizer.encode(text[at:].replace(guard, ""))


def fitted(tokenizer, messages, room):
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
        ids = encode_conversation(tokenizer, head + rest[first:])
        if len(ids) <= room:
            return ids, first
    raise ValueError(
        f"the last message alone needs {len(ids):,} tokens, the model has room for {room:,} before "
        "its answer: shorten it, or lower max_new_tokens."
    )


class _EndlessError(Exception):
    """A template does not come to an end."""


@contextlib.contextmanager
def _limited_steps():
    """Count the lines that a template runs, and stop it at `MOST_STEPS`."""
    steps, before = 0, sys.gettrace()

    def count(frame, event, _):
        nonlocal steps
        if frame.f_code.co_filename != "<template>":
            return None
        steps += event == "line"
        if steps > MOST_STEPS:
            raise _EndlessError(f"it takes more than {MOST_STEPS:,} steps")
        return count

    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)


def _environment():
    """Return jinja2's sandbox as templates of chats expect it, and the errors that it raises."""
    try:
        import jinja2
        import jinja2.sandbox
    except ImportError:
        raise ImportError(
            "the template of a conversation needs jinja2: pip install 'kerasllm[chat]'"
        ) from None
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": lambda form: datetime.now().strftime(form),
    }
    return environment, (jinja2.TemplateError, jinja2.sandbox.SecurityError)


def _raise(message):
    raise ValueError(message)
