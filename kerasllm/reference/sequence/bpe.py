"""Byte-pair encoding: begin with bytes, and again and again join the most frequent pair.

Agrees token for token with the `tokenizers` library's byte-level BPE, the tokenizer of GPT-2:

- Text is cut into words first, and no token crosses a cut. A space belongs to the word behind it.
- A vocabulary starts with the special tokens, then the 256 bytes, the printable ones first. Between
  pairs of equal frequency the one with the lower ids is joined.
- Special tokens are given ids. In a text they are read as special only where `bpe_encode` is told
  so, as the library does with those that it was trained with; else `<eos>` is five letters of text
  like any others.
- A special token of ASCII marks that is one of the bytes too, or that pairs can make, is in the
  vocabulary once. (The library writes each byte as a letter, such as é: there a special token é is
  that byte as well. Here it is not.)
"""

import heapq
import re
import unicodedata
from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise
from typing import NamedTuple

__all__ = ["BPE", "bpe_decode", "bpe_encode", "bpe_train", "bpe_words"]

_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_BYTES = [*_PRINTABLE, *(b for b in range(256) if b not in _PRINTABLE)]
# English clitics; letters, digits, other marks, each with a space in front; spaces (all but the
# last before a word).
_WORD = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", re.ASCII
)


class BPE(NamedTuple):
    """A trained byte-pair encoding.

    `vocabulary[i]` are the bytes of token i; `merges[left, right]` is (rank, id of the joined
    token), the ranks in the order of training.
    """

    vocabulary: tuple
    merges: dict


def bpe_words(text):
    """Cut text into words of letters, of digits, or of other marks, as GPT-2 does.

    Args:
        text: any string.

    Returns:
        List of strings that joined give the text again.

    Example:
        >>> bpe_words("It's  4 rivers…")
        ['It', "'s", ' ', ' 4', ' rivers', '…']

    Source:
        Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2.
    """
    classes = text if text.isascii() else "".join(map(_ascii_of_its_kind, text))
    return [text[match.start() : match.end()] for match in _WORD.finditer(classes)]


@cache
def _ascii_of_its_kind(character):
    """Stand in for a character, so that an ASCII pattern can tell its Unicode kind."""
    if character.isascii():
        return character
    kind = unicodedata.category(character)[0]
    return {"L": "a", "N": "0"}.get(kind) or ("\t" if character.isspace() else "!")


def bpe_train(texts, vocabulary_size, min_frequency=2, special_tokens=()):
    """Learn which pairs to join.

        repeat:  pair = the most frequent pair of neighbouring tokens within words
                 vocabulary += left + right;  join the pair wherever it stands

    Args:
        texts: iterable of strings.
        vocabulary_size: where to stop; special tokens and 256 bytes included.
        min_frequency: pairs that are rarer are not joined.
        special_tokens: strings that get the first ids.

    Returns:
        `BPE`.

    Raises:
        TypeError: if texts is one string.
        ValueError: if the vocabulary has no room for the bytes.

    Example:
        >>> model = bpe_train(["low lower lowest"], 259, special_tokens=["<pad>"])
        >>> model.vocabulary[-2:]
        (b'lo', b'low')

    Source:
        Sennrich et al. 2016, "Neural machine translation of rare words with subword units",
        algorithm 1; on bytes: Radford et al. 2019, section 2.2.
    """
    if isinstance(texts, str):
        raise TypeError("expected a list of texts, received one string; write [text]")
    special = list(dict.fromkeys(t.encode() for t in special_tokens))
    once = set(filter(_spelled_alike, special))
    vocabulary = special + [bytes([b]) for b in _BYTES if bytes([b]) not in once]
    if vocabulary_size < len(vocabulary):
        raise ValueError(
            f"expected a vocabulary_size of at least {len(vocabulary)} (special tokens and the 256 "
            f"bytes), received {vocabulary_size}"
        )
    ids = {t: i for i, t in enumerate(vocabulary) if i >= len(special) or t in once}
    frequency = Counter(word for text in texts for word in bpe_words(text))
    words = [[ids[bytes([b])] for b in word.encode()] for word in frequency]
    merges = _join_pairs(
        words, list(frequency.values()), vocabulary, ids, vocabulary_size, min_frequency
    )
    return BPE(tuple(vocabulary), merges)


def _spelled_alike(token):
    """Whether the library spells a special token and the same bytes of a text alike."""
    return all(32 < byte < 127 for byte in token)


def _join_pairs(words, frequency, vocabulary, ids, vocabulary_size, min_frequency):
    """Join pairs until the vocabulary is full or all pairs are rare; return the merges."""
    merges = {}
    counts, places = _count_pairs(words, frequency)
    queue = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(queue)
    while len(vocabulary) < vocabulary_size and queue:
        count, pair = heapq.heappop(queue)
        if -count != counts[pair]:
            continue  # an old count; the pair stands in the queue with its new one too
        if -count < max(min_frequency, 1):
            break
        token = vocabulary[pair[0]] + vocabulary[pair[1]]
        if token not in ids:  # else a special token reads the same
            ids[token] = len(vocabulary)
            vocabulary.append(token)
        merges[pair] = (len(merges), ids[token])
        for neighbours, change in _join(pair, ids[token], words, frequency, places).items():
            if change:
                counts[neighbours] += change
                heapq.heappush(queue, (-counts[neighbours], neighbours))
    return merges


def _count_pairs(words, frequency):
    """Return how often each pair occurs, and in which words."""
    counts, places = Counter(), defaultdict(set)
    for w, word in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += frequency[w]
            places[pair].add(w)
    return counts, places


def _join(pair, joined, words, frequency, places):
    """Join a pair in all its words, and return how the counts of pairs change by that."""
    change = Counter()
    for w in places.pop(pair):
        before, after = words[w], _joined(words[w], pair, joined)
        for sign, word in ((-1, before), (+1, after)):
            for neighbours in pairwise(word):
                change[neighbours] += sign * frequency[w]
        for neighbours in pairwise(after):
            places[neighbours].add(w)
        words[w] = after
    return change


def _joined(word, pair, joined):
    """Return the word with the pair joined wherever it stands, from left to right."""
    result = []
    for token in word:
        if result and (result[-1], token) == pair:
            result[-1] = joined
        else:
            result.append(token)
    return result


def bpe_encode(text, model, special_tokens=()):
    """Split each word into bytes and join them again, earliest learned pair first.

    Args:
        text: a string.
        model: `BPE`.
        special_tokens: those of the model's that are read as one token wherever they stand, the
            longest first; none if left out, and text is text.

    Returns:
        List of token ids.

    Example:
        >>> model = bpe_train(["low lower lowest"], 258)
        >>> [model.vocabulary[i] for i in bpe_encode("slow", model)]
        [b's', b'low']
        >>> model = bpe_train(["low lower lowest"], 259, special_tokens=["<eos>"])
        >>> bpe_encode("low<eos>", model, special_tokens=["<eos>"])
        [258, 0]

    Raises:
        ValueError: a special token that the model does not have.

    Source:
        Sennrich et al. 2016, section 3.2.
    """
    special = {token: _special_id(token, model) for token in special_tokens}
    byte_ids = _byte_ids(model)
    known = {}  # a text has far fewer different words than words
    encoded = []
    for word in _words_and_special(text, special):
        if word in special:
            encoded.append(special[word])
            continue
        if word not in known:
            known[word] = _encode_word([byte_ids[b] for b in word.encode()], model.merges)
        encoded += known[word]
    return encoded


def _special_id(token, model):
    if token.encode() not in model.vocabulary:
        raise ValueError(
            f"expected special tokens of the model's vocabulary, received {token!r}; train with "
            f"bpe_train(…, special_tokens=[{token!r}])"
        )
    return model.vocabulary.index(token.encode())


def _words_and_special(text, special):
    """Yield the words of a text; what stands between two special tokens is cut for itself."""
    if not special:
        yield from bpe_words(text)
        return
    longest_first = sorted(special, key=len, reverse=True)
    for part in re.split(f"({'|'.join(map(re.escape, longest_first))})", text):
        if part in special:
            yield part
        else:
            yield from bpe_words(part)


def _byte_ids(model):
    return {token[0]: i for i, token in enumerate(model.vocabulary) if len(token) == 1}


def _encode_word(tokens, merges):
    while len(tokens) > 1:
        ranks = [merges.get(pair, (len(merges), None)) for pair in pairwise(tokens)]
        rank, joined = min(ranks, key=lambda item: item[0])
        if joined is None:
            break
        i = ranks.index((rank, joined))
        tokens = [*tokens[:i], joined, *tokens[i + 2 :]]
    return tokens


def bpe_decode(ids, model):
    """Join the bytes of the tokens and read them as UTF-8.

    Args:
        ids: token ids.
        model: `BPE`.

    Returns:
        The text; bytes that are no UTF-8, such as half a character, become `�`.

    Example:
        >>> model = bpe_train(["low lower lowest"], 258)
        >>> bpe_decode(bpe_encode("höher, 更高", model), model)
        'höher, 更高'
    """
    return b"".join(model.vocabulary[i] for i in ids).decode(errors="replace")
