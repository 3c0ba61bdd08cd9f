"""The template of a model's conversations, rendered by jinja2 in its sandbox (extra `chat`).

A template comes with the model, from a stranger. There is a limit on the steps it runs, on its
time, on what it writes, and on the numbers and texts that it makes by one operator.
"""

import contextlib
import functools
import re
import sys
import time
from datetime import datetime

from kerasllm.text.conversations.messages import check_messages

# Of a model that came without a template: its own special tokens stand between the messages. The
# names of the roles are left out, which a vocabulary of words need not hold.
PLAIN = (
    "{% for m in messages %}{% if m.role == 'assistant' %}{{ m.content + eos_token }}{% else %}"
    "{{ (bos_token or '') + m.content + (sep_token or '\\n') }}{% endif %}{% endfor %}"
)
MOST_STEPS = 200_000  # lines of a compiled template
MOST_SECONDS = 10.0
MOST_LETTERS = 2**24
_MOST_BITS = 4096  # of a number


def render(template, messages, add_generation_prompt=True, special=None):
    """Return the text that a template makes of a conversation.

    Args:
        template: of jinja2, as chat models bring it.
        messages: as in `check_messages`.
        add_generation_prompt: end with what an answer begins after.
        special: {role: token} that the template may name, such as {"bos": "<s>"}.

    Raises:
        ImportError: jinja2 is not installed.
        ValueError: the template raises, takes too many steps or too long, or cannot be read.
    """
    values = {f"{role}_token": token for role, token in (special or {}).items()}
    values |= {"messages": check_messages(messages), "add_generation_prompt": add_generation_prompt}
    environment, refused = _environment()
    try:
        compiled, written, letters = _compiled(environment, template), [], 0
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


class _EndlessError(Exception):
    """A template does not come to an end."""


@contextlib.contextmanager
def _limited_steps():
    """Count the lines that a template runs, and stop it at `MOST_STEPS` or `MOST_SECONDS`."""
    steps, before, last = 0, sys.gettrace(), time.monotonic() + MOST_SECONDS

    def count(frame, event, _):
        nonlocal steps
        if frame.f_code.co_filename != "<template>":
            return None
        steps += event == "line"
        if steps > MOST_STEPS:
            raise _EndlessError(f"it takes more than {MOST_STEPS:,} steps")
        if time.monotonic() > last:
            raise _EndlessError(f"it takes longer than {MOST_SECONDS:g} seconds")
        return count

    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)


@functools.lru_cache(maxsize=8)
def _compiled(environment, template):
    return environment.from_string(template)


def _environment():
    """Return jinja2's sandbox as templates of chats expect it, and the errors that it raises."""
    try:
        import jinja2
        import jinja2.sandbox
    except ImportError:
        raise ImportError(
            "the template of a conversation needs jinja2: pip install 'kerasllm[chat]'"
        ) from None
    return _sandbox(), (jinja2.TemplateError, jinja2.sandbox.SecurityError)


@functools.cache
def _sandbox():
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        """A sandbox in which one operator cannot take forever."""

        intercepted_binops = frozenset(("*", "**", "%"))

        def call_binop(self, context, operator, left, right):
            _check_size(operator, left, right)
            return super().call_binop(context, operator, left, right)

    environment = Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": lambda form: datetime.now().strftime(form),
    }
    return environment


def _check_size(operator, left, right):
    """Raise where the result of an operator would be a number or a text out of all measure."""
    if operator == "%":
        if isinstance(left, str) and re.search(r"\d{6}", left):
            raise _EndlessError("it pads a text to more than 99,999 characters")
        return
    numbers = [abs(side) for side in (left, right) if isinstance(side, int)]
    if len(numbers) == 2:
        bits = [number.bit_length() for number in numbers]
        if (bits[0] * numbers[1] if operator == "**" else sum(bits)) > _MOST_BITS:
            raise _EndlessError(f"it makes a number of more than {_MOST_BITS:,} bits")
    elif numbers:
        other = right if isinstance(left, int) else left
        if hasattr(other, "__len__") and len(other) * numbers[0] > MOST_LETTERS:
            raise _EndlessError(f"it writes more than {MOST_LETTERS:,} characters")


def _raise(message):
    raise ValueError(message)
