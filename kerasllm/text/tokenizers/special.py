"""Special tokens, the same ids in every tokenizer, and the character classes that words need."""

import unicodedata

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>", "<sep>", "<mask>")
PAD, UNK, BOS, EOS, SEP, MASK = range(len(SPECIAL_TOKENS))

# Scripts written without spaces: kana, Bopomofo, Han with its extensions.
_CJK_RANGES = (
    (0x3005, 0x3007), (0x3040, 0x30FF), (0x3100, 0x312F), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF),
)  # fmt: skip


def is_cjk(character):
    """Tell whether a character belongs to a script that is written without spaces.

    Example:
        >>> [is_cjk(c) for c in "我aの，"]
        [True, False, True, False]
    """
    point = ord(character)
    return point >= 0x3005 and any(low <= point <= high for low, high in _CJK_RANGES)


def is_word_character(character):
    """Tell whether a character joins its neighbours to a word: a letter or digit outside CJK.

    Example:
        >>> [is_word_character(c) for c in "aé7我-"]
        [True, True, True, False, False]
    """
    return unicodedata.category(character)[0] in "LNM" and not is_cjk(character)


def check_texts(texts, what="texts"):
    """Refuse one string where a collection of strings is wanted (it would be taken letterwise).

    Raises:
        TypeError: `texts` is a str or bytes, or cannot be iterated over.

    Example:
        >>> check_texts("one text")
        Traceback (most recent call last):
        TypeError: expected texts as a list of strings, received one str, which would be read ...
    """
    if isinstance(texts, str | bytes):
        raise TypeError(
            f"expected {what} as a list of strings, received one {type(texts).__name__}, which "
            f"would be read letter by letter; write [text] for a list of one text"
        )
    if not hasattr(texts, "__iter__"):
        raise TypeError(
            f"expected {what} as a list of strings, received {type(texts).__name__}; "
            f"pass a list, a generator or a Dataset's .texts"
        )


def check_text(text, where=""):
    """Return `text` if it is a string that Unicode can write, else say what it is.

    Raises:
        TypeError: not a str (None and NaN are what an empty csv cell gives).
        ValueError: the text holds half a surrogate pair, left by a wrong decoding.
    """
    if not isinstance(text, str):
        raise TypeError(
            f"expected every text as str, received {type(text).__name__} ({text!r:.60}){where}; "
            f"drop rows without text, and convert numbers with str()"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"expected text in valid Unicode, received half a surrogate pair at character "
            f"{error.start}{where}; read the file with its right encoding, or clean the text with "
            f"Cleaner(control=True), which removes it"
        ) from None
    return text
