"""Conversations in the forms that people keep them in, a row each.

    messages                     [{"role": "user", "content": "…"}, …]          OpenAI
    conversations                [{"from": "human", "value": "…"}, …]           ShareGPT
    prompt, completion           two texts, or two lists of messages
    instruction, input, output   texts; the input may be missing or empty       Alpaca

The last two may have a column `system`. What follows the last answer is left out: there is nothing
to learn from it.
"""

import contextlib
import reprlib

from kerasllm.datasets.examples import Conversation
from kerasllm.datasets.files.labels import first_lines
from kerasllm.datasets.options import option_to_pass
from kerasllm.utils.json_text import parsed_json

FORMS = (("messages",), ("conversations",), ("prompt", "completion"), ("instruction", "output"))
ROLES = {
    "system": "system", "user": "user", "human": "user", "assistant": "assistant",
    "gpt": "assistant",
}  # fmt: skip
_REFUSED = ("tool_calls", "function_call")


def form_of(columns):
    """Return the form of conversations that columns are of, None where they are of none.

    Example:
        >>> form_of(["id", "instruction", "output"]), form_of(["text"])
        (('instruction', 'output'), None)
    """
    return next((form for form in FORMS if set(form) <= set(columns)), None)


def conversations_of(rows, path, form, drop_empty=False):
    """Return the `Conversation` of each row, and facts.

    Args:
        rows: (line number, dict) pairs.
        path: of the file, for messages.
        form: one of `FORMS`, of the rows that are of none.
        drop_empty: leave out conversations without an answer, or with an empty message.

    Raises:
        ValueError: a row is no conversation, a role is unknown, a message is empty, or nothing is
            answered; with the line.
    """
    found, empty, cut = [], [], 0
    for line, row in rows:
        own = form_of([name for name, value in row.items() if value is not None])
        turns = _turns(row, own or form, f"{path}, line {line}")
        last = max((n for n, (role, _) in enumerate(turns, 1) if role == "assistant"), default=0)
        if why := _lack(turns, last):
            empty.append((line, why))
            continue
        cut += last < len(turns)
        found.append(Conversation(tuple(turns[:last])))
    if empty and not drop_empty:
        lines, (_, why) = first_lines([line for line, _ in empty]), empty[0]
        raise ValueError(
            f"{path}: in {len(empty)} of {len(rows)} conversations {why}, in line {lines}. "
            f"Complete them, delete them, or pass {option_to_pass(path, 'drop_empty', True)}."
        )
    return found, {"conversations_dropped": len(empty), "unanswered_cut": cut}


def _lack(turns, last):
    """Return what a conversation lacks to be learned from, None where nothing."""
    if not last:
        return "there is no answer: no message is the assistant's"
    if turns[0][0] == "assistant":
        return "the first message is an answer: nothing was asked"
    if not all(content.strip() for _, content in turns[:last]):
        return "a message is empty"
    return None


def _turns(row, form, where):
    """Return the messages of a row as a list of (role, content)."""
    if len(form) == 1:
        return _listed(row.get(form[0]), where)
    first, answer = (row.get(name) for name in form)
    system = row.get("system")
    turns = [("system", _text(system, where))] if system else []
    if isinstance(first, list):
        turns += _listed(first, where)
    else:
        more = row.get("input") if form[0] == "instruction" else None
        parts = [_text(part, where) for part in (first, more) if part]
        turns.append(("user", "\n\n".join(parts)))
    if isinstance(answer, list):
        return turns + _listed(answer, where)
    return [*turns, ("assistant", _text(answer, where))]


def _listed(messages, where):
    """Return a list of messages, which a table may hold as JSON, as (role, content) pairs."""
    if isinstance(messages, str):
        with contextlib.suppress(ValueError):
            messages = parsed_json(messages, where)
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise ValueError(
            f'{where}: expected a list of messages such as {{"role": "user", "content": "…"}}, '
            f"received {reprlib.repr(messages)}."
        )
    return [_message(message, where) for message in messages]


def _message(message, where):
    role = message.get("role", message.get("from"))
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(
            f"{where}: expected a role among {', '.join(ROLES)}, received {reprlib.repr(role)}: "
            "leave its messages out, or call it one of these."
        )
    if called := [name for name in _REFUSED if message.get(name)]:
        raise ValueError(
            f"{where}: a message has {called[0]}, and calls of functions cannot be learned here: "
            "leave the conversation out."
        )
    content = message.get("content", message.get("value"))
    if isinstance(content, list):  # parts of a message
        texts = [p.get("text") for p in content if isinstance(p, dict) and p.get("type") == "text"]
        if len(texts) < len(content):
            raise ValueError(
                f"{where}: a message holds more than text ({reprlib.repr(content)}): leave the "
                "conversation out."
            )
        content = "".join(_text(text, where) for text in texts)
    return ROLES[role], _text(content, where)


def _text(content, where):
    if content is None:
        return ""
    if not isinstance(content, str):
        raise ValueError(f"{where}: expected text, received {reprlib.repr(content)}.")
    return content
