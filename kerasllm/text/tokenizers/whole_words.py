"""Where words begin in a row of token ids, for tokens that do not say so themselves."""

import numpy as np

from kerasllm.text.tokenizers.special import SPECIAL_TOKENS, is_word_character

# What a token begins or ends with. OWN: a word by itself (Chinese character, mark, emoji).
WORD, SPACE, OWN, CONTINUE = range(4)
_SPECIAL = range(len(SPECIAL_TOKENS))


def character_class(character):
    """Classify one character; a combining mark belongs to the letter before it."""
    if character.isspace():
        return SPACE
    return WORD if is_word_character(character) else OWN


def byte_class(lead):
    """Classify a character of which only the first UTF-8 byte is known.

    Bytes 0xE2..0xE9 and 0xEE.. begin marks, Chinese, Japanese and emoji; the others letters.
    """
    if 0x80 <= lead < 0xC0:
        return CONTINUE
    return OWN if lead == 0xC2 or 0xE2 <= lead <= 0xE9 or lead >= 0xEE else WORD


def token_classes(tokens, special=_SPECIAL):
    """Classify the first and the last character of every token of a vocabulary.

    Args:
        tokens: the UTF-8 bytes of each token, which may be a part of a character.
        special: ids of the special tokens.

    Returns:
        Two int8 arrays `(V,)`. Special tokens are OWN.
    """
    first, last = np.full((2, len(tokens)), OWN, "int8")
    for i, token in enumerate(tokens):
        if i not in special:
            whole = token.decode("utf-8", "ignore")
            lead_is_whole = whole and token.startswith(whole[0].encode())
            first[i] = character_class(whole[0]) if lead_is_whole else byte_class(token[0])
            last[i] = character_class(whole[-1]) if whole else first[i]
    return first, last


def starts_from_classes(ids, first, last):
    """Mark where words begin: at a space, a mark, a Chinese character, or a letter after these.

    Args:
        ids: token ids `(T,)`.
        first: class of each token's first character `(V,)`.
        last: class of each token's last character `(V,)`.

    Returns:
        bool array `(T,)`.

    Example:
        >>> first, last = token_classes([b""] * 6 + [b" un", b"like", b"ly", b"!", "我".encode()])
        >>> starts_from_classes([6, 7, 8, 9, 10, 7], first, last).astype(int)
        array([1, 0, 0, 1, 1, 1])
    """
    ids = np.asarray(ids, "int64")
    begins, ends = first[ids], last[ids]
    starts = (begins == SPACE) | (begins == OWN)
    starts[1:] |= (begins[1:] == WORD) & ((ends[:-1] == OWN) | (ends[:-1] == SPACE))
    starts[:1] = True
    return starts
