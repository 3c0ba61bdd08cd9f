"""Messages for a learner: what was expected, what was received, what to do."""

import difflib
from collections.abc import Iterable


def nearest(name: str, choices: Iterable[str]) -> str:
    """Suggest the choice that looks most like a mistyped name.

    Args:
        name: what the user wrote.
        choices: the names that exist.

    Returns:
        A sentence with a leading space, to be appended to an error; empty if nothing is near.

    Example:
        >>> nearest("wordpeice", ["word", "wordpiece", "bpe"])
        " Did you mean 'wordpiece'?"
        >>> nearest("zzz", ["word", "bpe"])
        ''
    """
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    match = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    return f" Did you mean '{by_lower[match[0]]}'?" if match else ""


def check_choice(name, value, choices):
    """Raise with the choices and the nearest one unless `value` is among them."""
    if value not in choices:
        from kerasllm.utils.errors import nearest

        raise ValueError(
            f"expected {name} to be one of {sorted(choices)}, received {value!r}."
            + nearest(value, choices)
        )
