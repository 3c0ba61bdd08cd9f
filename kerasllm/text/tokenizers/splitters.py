"""Word splitters that need no downloaded data, and the way back from words to text.

- `treebank`: NLTK's Penn Treebank rules: `don't.` gives `do` + `n't` + `.`
- `tweet`: NLTK's tokenizer for informal text; keeps emoticons, hashtags, @names and contractions.
- `space`: white space only, for corpora that are split already (PTB, WikiText).
- `jieba`: dictionary segmentation of Chinese; needs the extra `zh`.

Every splitter returns spans `(start, end)` of the text that it was given: nothing is rewritten
(NLTK's Treebank turns double quotes into `` and ''; here they stay what they are).
"""

import functools
import re
import warnings

from kerasllm.text.tokenizers.special import SPECIAL_TOKENS, is_cjk
from kerasllm.utils.errors import check_choice, home_known

SPLITTERS = ("treebank", "tweet", "space", "jieba")

_CHUNK = re.compile(r"\S+")
# Literal special tokens in the user's text are taken apart, so that "<pad>" is never padding.
# "<unk>" may stay: PTB and WikiText mark unknown words so, and unknown is what they mean.
_RESERVED = frozenset(SPECIAL_TOKENS) - {"<unk>"}


@functools.cache
def _treebank():
    with home_known():
        from nltk.tokenize.treebank import TreebankWordTokenizer

    return TreebankWordTokenizer()


@functools.lru_cache(maxsize=1 << 16)
def _treebank_spans(chunk):
    """Split what stands between spaces; most chunks of a text repeat, hence the cache.

    The rules part a full stop from its word only at the end of their input, so chunks are also what
    makes them see the end of every sentence.
    """
    return tuple(_align(chunk, _treebank().tokenize(chunk), 0, len(chunk)))


@functools.cache
def _tweet():
    with home_known():
        from nltk.tokenize.casual import TweetTokenizer

    return TweetTokenizer()


@functools.cache
def _jieba():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has escapes that newer Pythons warn about
        try:
            import jieba
        except ImportError:
            raise ImportError(
                "word_splitter='jieba' needs the library jieba, which is not installed; run "
                "`pip install 'kerasllm[zh]'`, or use kind='bpe' or kind='character', which split "
                "Chinese without a dictionary"
            ) from None
    jieba.setLogLevel(60)  # it reports on stderr while it loads its dictionary
    return jieba


def split_words(text, splitter="treebank"):
    r"""Split a text into words and punctuation.

    Args:
        text: any text.
        splitter: one of `treebank`, `tweet`, `space`, `jieba`.

    Returns:
        Spans `(start, end)`, in order, without overlap and without white space.

    Raises:
        ValueError: the splitter is unknown.
        ImportError: `jieba` is asked for and not installed.

    Example:
        >>> text = 'It cannot be "free". Pay $3.50!'
        >>> [text[a:b] for a, b in split_words(text)]
        ['It', 'can', 'not', 'be', '"', 'free', '"', '.', 'Pay', '$', '3.50', '!']
    """
    check_choice("word_splitter", splitter, SPLITTERS)
    if splitter == "space":
        spans = [match.span() for match in _CHUNK.finditer(text)]
    elif splitter == "treebank":
        chunks = [(match.start(), match[0]) for match in _CHUNK.finditer(text)]
        spans = [(at + a, at + b) for at, chunk in chunks for a, b in _treebank_spans(chunk)]
    elif splitter == "tweet":
        spans = _align(text, _tweet().tokenize(text), 0, len(text))
    else:
        spans = [(a, b) for word, a, b in _jieba().tokenize(text) if not word.isspace()]
    return [piece for span in spans for piece in _unreserved(text, span)]


def _align(text, words, start, end):
    """Find each word in the text, in order; a word that the splitter rewrote is passed over."""
    spans = []
    for word in words:
        forms = (word, '"') if word in ("``", "''") else (word,)
        found = [(at, len(form)) for form in forms if (at := text.find(form, start, end)) >= 0]
        if found:
            at, length = min(found)
            spans.append((at, at + length))
            start = at + length
    return spans


def _unreserved(text, span):
    start, end = span
    if text[start:end].lower() not in _RESERVED:
        return [span]
    return [(start, start + 1), (start + 1, end - 1), (end - 1, end)]


_TIGHT_LEFT = re.compile(r"[.,;:!?%)\]}»”’…]|\.{2,}|[!?]{2,}|n't|'(s|m|d|re|ve|ll)", re.IGNORECASE)
_OPENING = frozenset("([{«“‘$£¥#")
_WIDE_MARKS = frozenset("，。；：！？、（）【】《》「」『』")  # these carry their own white space


def join_words(words):
    r"""Write words as running text: spaces between words, none around punctuation or in Chinese.

    Example:
        >>> join_words(["He", "is", "n't", '"', "free", '"', "(", "yet", ")", "."])
        'He isn\'t "free" (yet).'
        >>> join_words(["我", "爱", "语言", "，", "GPT", "too"])
        '我爱语言，GPT too'
    """
    text, previous, in_quote = "", "", False
    for word in words:
        after_opening = previous in _OPENING or (previous == '"' and in_quote)
        closes = _TIGHT_LEFT.fullmatch(word) or (word == '"' and in_quote)
        wide = _is_wide(previous[-1:]) or _is_wide(word[:1])
        text += word if not text or after_opening or closes or wide else " " + word
        in_quote ^= word == '"'
        previous = word
    return text


def _is_wide(character):
    return bool(character) and (is_cjk(character) or character in _WIDE_MARKS)


def check_segmented(texts, splitter, split=split_words):
    """Refuse Chinese text without spaces for a splitter that looks for spaces.

    Such a splitter takes each clause for one word, silently: nearly every word of a new text
    is then unknown.

    Args:
        texts: a sample of the corpus.
        splitter: the word splitter that is to be used.
        split: how words are found.

    Raises:
        ValueError: Chinese is a fifth of the sample or more, and its "words" have more than
            four characters on average (dictionary words have 1.7).
    """
    sample = [text[:500] for text in texts]
    han = [
        word
        for text in sample
        for a, b in split(text, splitter)
        if sum(map(is_cjk, word := text[a:b])) > 0
    ]
    chinese = sum(sum(map(is_cjk, word)) for word in han)
    if chinese < 0.2 * sum(len("".join(text.split())) for text in sample):
        return
    if han and chinese / len(han) > 4:
        raise ValueError(
            f"expected words with spaces between them, received Chinese or Japanese text without "
            f"spaces: word_splitter={splitter!r} takes {max(han, key=len)[:12]!r} for one word. "
            f"Use kind='character' or kind='bpe', or word_splitter='jieba' (pip install "
            f"'kerasllm[zh]'), which splits with a dictionary"
        )
