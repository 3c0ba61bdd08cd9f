"""Conversations as lists of messages, and what is none."""

from kerasllm.text.tokenizers.special import check_text

ROLES = ("system", "user", "assistant")
ANSWERS = "assistant"  # the role whose messages are answers


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
