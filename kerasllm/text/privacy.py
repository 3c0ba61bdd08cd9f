"""Masking of personal data before text is trained on: a model repeats what it has read.

Rules find what has a form (addresses, numbers); names of people have none and stay.
"""

import re
from typing import NamedTuple


class Masked(NamedTuple):
    """A masked text, and how often each kind of personal data was found in it."""

    text: str
    found: dict[str, int]


def _luhn(digits):
    """Check a card number's last digit: every second digit from the right is doubled."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def _is_card(match):
    digits = re.sub(r"\D", "", match)
    return 13 <= len(digits) <= 19 and _luhn(digits)


def _is_identity(match):
    """Check a Chinese resident number (GB 11643): 17 digits weighted by 2^(17-i), modulo 11."""
    total = sum(int(digit) * 2 ** (17 - i) for i, digit in enumerate(match[:17]))
    return "10X98765432"[total % 11] == match[17].upper()


def _always(_):
    return True


# Kind -> pattern, and a check that keeps ordinary numbers. The order matters: an address holds an
# "@" that a URL may hold too, and a phone number fits into longer numbers.
_RULES = {
    "URL": (
        re.compile(
            r"(?<![a-zA-Z0-9])(?:https?://|ftp://|www\.)[^\s<>\"'，。）]+[^\s<>\"'，。）.,;:!?)\]]"
        ),
        _always,
    ),
    "EMAIL": (
        re.compile(r"(?<![\w.+-])[\w.+-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+", re.ASCII),
        _always,
    ),
    "ID": (re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)", re.ASCII), _is_identity),
    "CARD": (re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)", re.ASCII), _is_card),
    "PHONE": (
        re.compile(
            r"(?<![\d.])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,4}\d{2,4}"  # +44 20 7946 0958
            r"|1[3-9]\d(?:[ -]?\d{4}){2}"  # Chinese mobile
            r"|0\d{2,3}-\d{7,8}"  # Chinese land line
            r"|\(\d{3}\) ?\d{3}-\d{4}|\d{3}[-.]\d{3}[-.]\d{4})(?!\d)",  # North America
            re.ASCII,
        ),
        _always,
    ),
    "IP": (re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)", re.ASCII), _always),
}
KINDS = tuple(_RULES)


def mask_personal_data(text, kinds=KINDS):
    """Replace e-mail and network addresses, URLs, phone, card and identity numbers.

    Args:
        text: any text.
        kinds: what to mask: some of `URL EMAIL ID CARD PHONE IP`. Card and identity numbers are
            masked only if their check digit is right.

    Returns:
        `Masked(text, found)`: the text with placeholders such as `[EMAIL]`, and the counts.

    Raises:
        ValueError: an unknown kind.

    Example:
        >>> mask_personal_data("Write to ann@example.org or call 138 1234 5678.")
        Masked(text='Write to [EMAIL] or call [PHONE].', found={'EMAIL': 1, 'PHONE': 1})
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise ValueError(f"expected kinds among {KINDS}, received {sorted(unknown)}")
    found = {}
    for kind in KINDS:
        if kind in kinds:
            pattern, check = _RULES[kind]
            text, count = _replace(text, pattern, check, f"[{kind}]")
            if count:
                found[kind] = count
    return Masked(text, found)


def _replace(text, pattern, check, placeholder):
    count = 0

    def masked(match):
        nonlocal count
        if not check(match[0]):
            return match[0]
        count += 1
        return placeholder

    return pattern.sub(masked, text), count
