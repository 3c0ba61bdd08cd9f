"""Masking of personal data before text is trained on: a model repeats what it has read.

Rules find what has a form (addresses, numbers), in English and Chinese; names of people have none
and stay. `python data/personal.py` measures how much they find and how often they are wrong.
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


def _is_resident(match):
    """Check a Chinese resident number (GB 11643): 17 digits weighted by 2^(17-i), modulo 11."""
    number = match.replace(" ", "")
    total = sum(int(digit) * 2 ** (17 - i) for i, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def _is_account(match):
    """Check an IBAN (ISO 13616): its first four signs moved to the end, it is 1 modulo 97."""
    sign = match.replace(" ", "")
    return int("".join(str(int(s, 36)) for s in sign[4:] + sign[:4])) % 97 == 1


def _is_ip(match):
    return all(int(part) < 256 for part in match.split("."))


def _is_ip6(match):
    return "::" in match or match.count(":") == 7


def _always(_):
    return True


_NUMBER = r"(?<![\dA-Za-z.])", r"(?![\d]|[.,-]\d)"  # what stands around one
_TOPS = "com|cn|org|net|edu|gov|io|info|example|co|de|fr|uk|jp|hk|tw"
_MONTH_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_PAGE = r"[\w./?%&=+#~:@!$*,;()\[\]-]*[\w/#=&-]"  # Chinese follows without a space


def _number(pattern):
    return re.compile(f"{_NUMBER[0]}(?:{pattern}){_NUMBER[1]}", re.ASCII)


# (kind, pattern, check that keeps ordinary numbers). The order matters: an address holds an "@"
# that a URL may hold too, a phone number fits into longer numbers. Of a pattern with a long group
# only that is masked: what stands before it says what it is.
_RULES = (
    ("URL", re.compile(
        rf"(?<![a-zA-Z0-9])(?:(?:https?|ftp)://|www\.(?=[a-z0-9])){_PAGE}", re.ASCII), _always),
    ("EMAIL", re.compile(r"(?<![\w.+-])[\w.+-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+", re.ASCII),
     _always),
    ("EMAIL", re.compile(
        r"(?<![\w.+-])[\w.+-]+ ?[(\[]at[)\]] ?[\w-]+(?:(?:\.| ?[(\[]dot[)\]] ?)[\w-]+)+"
        rf"|(?<![\w.+-])[\w.+-]+ at [\w-]+(?: dot [\w-]+)* dot (?:{_TOPS})\b",
        re.ASCII | re.IGNORECASE), _always),
    ("URL", re.compile(
        rf"(?<![\w@./-])(?:[a-z0-9-]+\.)+(?:{_TOPS})(?![\w.-]*\()(?:/{_PAGE}|(?![\w/]))", re.ASCII),
     _always),
    ("ID", _number(r"\d{6} ?\d{8} ?\d{3}[\dXx]"), _is_resident),
    ("ID", _number(rf"[1-8]\d{{5}}\d\d{_MONTH_DAY}\d{{3}}"), lambda m: not _is_card(m)),
    ("ID", _number(r"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}"), _always),  # United States
    ("ID", _number(r"[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]"), _always),  # United Kingdom
    ("ID", _number(r"[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?"), _is_account),
    ("ID", re.compile(r"(?:护照|通行证|[Pp]assport)(?:号码?| number| no\.?)?[:： 是]{0,3}"
                      r"([A-Z]{1,2}\d{7,8})(?!\d)"), _always),
    ("CARD", re.compile(r"(?<![\dA-Za-z])\d(?:[ -]?\d){12,18}(?!\d)", re.ASCII), _is_card),
    ("PHONE", _number(
        r"\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,4}\d{2,4}"  # +44 20 7946 0958
        r"|(?:86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}"  # Chinese mobile
        r"|(?:\(0\d{2,3}\)|0\d{2,3}[ -]?)\d{7,8}|[48]00[ -]\d{3}[ -]?\d{4}"  # land line, service
        r"|\(0\d{2,4}\) ?\d{3,4} ?\d{3,4}|(?<!\d )0\d{2,4} \d{3,4} ?\d{3,4}"  # United Kingdom
        r"|\(\d{3}\) ?\d{3}-\d{4}|\d{3}([-. ])\d{3}\1\d{4}"  # North America
    ), _always),
    ("PHONE", re.compile(
        r"(?i:number|phone|mobile|cell|tel|fax|call|text)\W{1,3}(?:is |at )?(\d{10,11})(?!\d)",
        re.ASCII), _always),
    ("IP", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)", re.ASCII), _is_ip),
    ("IP", re.compile(r"(?<![\w:])(?=[\da-f:]*[\da-f]{3})(?:[\da-f]{1,4}:{1,2}){3,7}[\da-f]{1,4}"
                      r"(?![\w:])", re.ASCII | re.IGNORECASE), _is_ip6),
    ("ACCOUNT", re.compile(
        r"(?:QQ|qq|扣扣)(?:号|号码)?[:： 是]{0,3}([1-9]\d{4,10})(?!\d)", re.ASCII), _always),
    ("ACCOUNT", re.compile(r"(?:微信|[Vv]信|薇信|WeChat|wechat)(?:号|ID)?[:： 是]{0,3}"
                           r"([a-zA-Z][\w-]{5,19})(?![\w-])", re.ASCII), _always),
)  # fmt: skip
KINDS = tuple(dict.fromkeys(kind for kind, *_ in _RULES))
_FULL_WIDTH = {ord(wide): ord(wide) - 0xFEE0 for wide in "＠．－＋（" + "０１２３４５６７８９"}


def find_personal_data(text, kinds=KINDS):
    """Return (start, end, kind) of the personal data in a text, in their order.

    Args:
        text: any text; digits and signs of full width are read as the usual ones.
        kinds: what to look for, of `KINDS`.

    Raises:
        ValueError: an unknown kind.

    Example:
        >>> find_personal_data("Call 138 1234 5678.")
        [(5, 18, 'PHONE')]
    """
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"expected kinds among {KINDS}, received {sorted(unknown)}")
    usual, found = text.translate(_FULL_WIDTH), []
    for kind, pattern, check in _RULES:
        for match in pattern.finditer(usual):
            start, end = match.span(1 if _is_named(match) else 0)
            free = all(end <= a or b <= start for a, b, _ in found)
            if free and check(usual[start:end]):
                found.append((start, end, kind))
    return sorted(span for span in found if span[2] in kinds)


def _is_named(match):
    """Return whether only a part of what matched is masked, the rest says what it is."""
    return bool(match.re.groups) and len(match[1] or "") > 4


def mask_personal_data(text, kinds=KINDS):
    """Replace e-mail and page addresses, phone, card, identity and account numbers.

    Args:
        text: any text.
        kinds: what to mask: some of `URL EMAIL ID CARD PHONE IP ACCOUNT`. Card numbers, resident
            numbers and IBANs are masked only if their check digit is right; passports and accounts
            of messengers only behind a word that says what they are.

    Returns:
        `Masked(text, found)`: the text with placeholders such as `[EMAIL]`, and the counts.

    Raises:
        ValueError: an unknown kind.

    Example:
        >>> mask_personal_data("Write to ann@example.org or call 138 1234 5678.")
        Masked(text='Write to [EMAIL] or call [PHONE].', found={'EMAIL': 1, 'PHONE': 1})
    """
    parts, counts, place = [], {}, 0
    for start, end, kind in find_personal_data(text, kinds):
        parts += [text[place:start], f"[{kind}]"]
        counts[kind] = counts.get(kind, 0) + 1
        place = end
    return Masked("".join([*parts, text[place:]]), counts)
