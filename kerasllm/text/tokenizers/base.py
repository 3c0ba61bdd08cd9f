"""What all tokenizers have in common: text to ids and back, saved as one file.

- Ids 0..5 are the special tokens; padding is 0 and `vocabulary_size` counts them.
- Raw text never yields a special token: a literal "<pad>" in a text is five ordinary characters.
  The one exception is `<unk>`, which stands for what the vocabulary lacks.
- `decode(encode(text)) == text` for `bpe`, and for `character` if all characters are known.
  `word` and `wordpiece` forget white space; their `decode` writes usual spacing.
"""

import functools
import hashlib
import json
from abc import ABC, abstractmethod
from pathlib import Path

from kerasllm.text.tokenizers.special import (
    BOS,
    EOS,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    check_text,
    check_texts,
)
from kerasllm.text.windows import cut_longest, windows
from kerasllm.utils.files import whole_file

FORMAT = "kerasllm-tokenizer"
VERSION = 1


class Tokenizer(ABC):
    """What every tokenizer can do; made by `train_tokenizer` or `load_tokenizer`.

    Attributes:
        kind: `character`, `word`, `bpe` or `wordpiece`.
        vocabulary_size: number of ids, special tokens included; ids are below it.
        fingerprint: sha256 of everything that decides how text is encoded.

    Example:
        >>> from kerasllm.text import train_tokenizer
        >>> tokenizer = train_tokenizer(["to be or not to be"], kind="character")
        >>> tokenizer.vocabulary_size, tokenizer.encode("bee", eos=True)
        (13, [7, 8, 8, 3])
        >>> tokenizer.decode([7, 8, 8, 3])
        'bee'
    """

    _saved = ()  # names of the attributes that are saved, and that the class is made of
    pad_id, unk_id, bos_id, eos_id, sep_id, mask_id = PAD, UNK, BOS, EOS, SEP, MASK
    special_ids = frozenset(range(len(SPECIAL_TOKENS)))

    def __init__(self, vocabulary, *, lowercase=False):
        self.vocabulary = tuple(vocabulary)
        self.lowercase = lowercase
        self._id_of = {token: i for i, token in enumerate(self.vocabulary)}
        self._check_special()
        if len(self._id_of) != len(self.vocabulary):
            raise ValueError("expected every token once in the vocabulary, received duplicates")

    def _check_special(self):
        if self.vocabulary[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
            raise ValueError(
                f"expected the vocabulary to begin with {SPECIAL_TOKENS}, "
                f"received {self.vocabulary[: len(SPECIAL_TOKENS)]}"
            )

    @property
    def vocabulary_size(self):
        """Number of ids, special tokens included."""
        return len(self.vocabulary)

    @functools.cached_property
    def fingerprint(self):
        """Sha256 of the tokenizer's json: equal fingerprints encode every text equally."""
        text = json.dumps(self.state(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def state(self):
        """Return all settings as plain json values."""
        saved = {name: getattr(self, name) for name in ("kind", "lowercase", *self._saved)}
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in saved.items()}
        return {"format": FORMAT, "version": VERSION, **plain}

    @classmethod
    def from_state(cls, state):
        """Restore what `state` returned."""
        return cls(**{name: state[name] for name in ("lowercase", *cls._saved)})

    @abstractmethod
    def _pieces(self, text):
        """Return ids and their spans in the text."""

    @abstractmethod
    def _join(self, ids):
        """Write ordinary ids (no special one except unk) as text."""

    @abstractmethod
    def word_starts(self, ids):
        """Mark the tokens that begin a word, for whole-word masking.

        Args:
            ids: token ids, `(T,)`.

        Returns:
            bool array `(T,)`. A Chinese character, a mark and a special token is a word each.
        """

    def _batch(self, texts):
        return [self._pieces(text)[0] for text in texts]

    def encode(self, text, bos=False, eos=False):
        """Turn one text into token ids.

        Args:
            text: any text; an empty one gives no tokens.
            bos: put the begin-of-text id in front.
            eos: put the end-of-text id behind.
        """
        return self.encode_batch([check_text(text)], bos, eos)[0]

    def encode_batch(self, texts, bos=False, eos=False):
        """Turn many texts into token ids, faster than one by one.

        Raises:
            TypeError: `texts` is one str, or one of them is not a str.
        """
        check_texts(texts)
        texts = [check_text(text, f" at position {i}") for i, text in enumerate(texts)]
        before, after = [self.bos_id] * bos, [self.eos_id] * eos
        ids = self._batch(texts)
        return [before + row + after for row in ids] if bos or eos else ids

    def frame(self, *parts, length=None):
        """Put the special ids around a text, or between and around the texts of a pair.

        Args:
            *parts: token ids of one text or of two.
            length: cut to so many ids; of a pair the longer text is cut.

        Returns:
            `a <eos>`, or `a <sep> b <eos>`; what the model was pretrained with for an imported
            tokenizer, such as `[CLS] a [SEP] b [SEP]`, whose special ids a cut leaves in place.

        Example:
            >>> from kerasllm.text import train_tokenizer
            >>> tokenizer = train_tokenizer(["abc"], kind="character")
            >>> tokenizer.frame([6, 7], [8]), tokenizer.frame([6, 7, 8], length=2)
            ([6, 7, 4, 8, 3], [6, 7])
            >>> tokenizer.frame([6, 7, 8], [8], length=5)
            [6, 7, 4, 8, 3]
        """
        if len(parts) > 1 and length is not None:
            parts = cut_longest(parts, length - len(parts))
        first, *others = parts
        ids = [*first, *(i for part in others for i in (self.sep_id, *part)), self.eos_id]
        return ids[:length]

    def room(self, length):
        """Return how many ids of a text fit into `length` ids as the model reads them."""
        return length

    def windows(self, ids, length):
        """Return a long text as the model reads it: windows that overlap by half."""
        return windows([*ids, self.eos_id], length)

    def decode(self, ids, skip_special=True):
        """Turn token ids into text.

        Args:
            ids: token ids.
            skip_special: leave special tokens out. `<unk>` is always written, because text is
                missing where it stands.

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        text, run = "", []
        for i in map(int, ids):
            if not 0 <= i < self.vocabulary_size:
                raise ValueError(
                    f"expected token ids from 0 to {self.vocabulary_size - 1}, received {i}; do "
                    f"tokenizer and model belong together?"
                )
            if i not in self.special_ids or i == self.unk_id:
                run.append(i)
            elif not skip_special:
                text += self._join(run) + self.vocabulary[i]
                run = []
        return text + self._join(run)

    def tokens(self, text):
        """Return the tokens of a text, as strings that a person can read."""
        return [self.id_to_token(i) for i in self.encode(text)]

    def offsets(self, text):
        """Return for each token the span `(start, end)` of the text that it stands for."""
        return self._pieces(check_text(text))[1]

    def id_to_token(self, token_id):
        """Return the token of an id."""
        if not 0 <= token_id < self.vocabulary_size:
            raise ValueError(
                f"expected a token id from 0 to {self.vocabulary_size - 1}, received {token_id}"
            )
        return self.vocabulary[token_id]

    def token_to_id(self, token):
        """Return the id of a token; the id of `<unk>` for one that the vocabulary lacks."""
        return self._id_of.get(token, self.unk_id)

    def save(self, path):
        """Write the tokenizer to one json file, completely or not at all.

        Args:
            path: a file name, or an existing folder, which then gets a `tokenizer.json`.
        """
        path = Path(path)
        path = path / "tokenizer.json" if path.is_dir() else path
        with whole_file(path) as file:
            json.dump(self.state(), file, ensure_ascii=False, indent=1)
        return path

    def __len__(self):
        return self.vocabulary_size

    def __eq__(self, other):
        return isinstance(other, Tokenizer) and self.fingerprint == other.fingerprint

    def __hash__(self):
        return hash(self.fingerprint)

    def __repr__(self):
        return f"{type(self).__name__}(kind={self.kind!r}, vocabulary_size={self.vocabulary_size})"
