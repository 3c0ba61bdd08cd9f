"""How a language is written, which decides how its texts are cut into words to be scored."""

from kerasllm.text.tokenizers.special import is_cjk

WITHOUT_SPACES = ("zh", "ja", "unspaced")
# Scripts beside the Chinese and the Japanese one that put no space between words.
_UNSPACED = ("\u0e00\u0fff", "\u1000\u109f", "\u1780\u17ff")  # Thai Lao Tibetan, Burmese, Khmer
_FOREIGN = 0.006  # share of letters outside a to z from which a text is not English


def writing_of(texts):
    """Return how texts are written.

    Args:
        texts: list of texts; of a long one about a thousand are looked at.

    Returns:
        "zh" and "ja": a third of the characters at least, kana among them or not; "unspaced": so
        many of another script without spaces; "en": letters from a to z; "other": other letters.

    Example:
        >>> [writing_of([x]) for x in ("今天天气很好。", "今日はいい天気", "สวัสดี", "a day", "Öl")]
        ['zh', 'ja', 'unspaced', 'en', 'other']
    """
    text = "".join(texts[:: max(1, len(texts) // 1000)])
    size, cjk = max(1, len(text)), sum(map(is_cjk, text))
    if 3 * cjk >= size:
        kana = sum("\u3040" <= character <= "\u30ff" for character in text)
        return "ja" if 10 * kana >= cjk else "zh"
    if 3 * sum(any(low <= c <= high for low, high in _UNSPACED) for c in text) >= size:
        return "unspaced"
    letters = [character for character in text if character.isalpha()]
    foreign = sum(not character.isascii() for character in letters)
    return "other" if foreign > _FOREIGN * len(letters) else "en"
