"""Tokenizers of other projects: WordPiece (BERT) and byte-level BPE (GPT-2, RoBERTa).

- The pad id is 0 here. A foreign pad id p changes places with id 0; where there is none, a new
  <pad> becomes id 0 and every other id moves up by one. `original_ids` undoes that.
- Raw text never yields a special token, as in all tokenizers here: a literal "[SEP]" in a text is
  three pieces. `transformers` does the same with `split_special_tokens=True`.
- Padding and cutting are left to the model; the foreign pipeline's own are switched off.
"""

import copy

import numpy as np

from kerasllm.text.tokenizers.subword import BytePairTokenizer, SubwordTokenizer, WordPieceTokenizer
from kerasllm.text.windows import cut_longest, windows

ROLES = ("pad", "unk", "bos", "eos", "sep", "mask")
# style: how one text is framed, and how a pair
FRAMES = {
    "bert": (("bos", "A", "sep"), ("bos", "A", "sep", "B", "sep")),
    "roberta": (("bos", "A", "eos"), ("bos", "A", "eos", "eos", "B", "eos")),
    "gpt2": (("A", "eos"), ("A", "eos", "B", "eos")),
}


class _Imported(SubwordTokenizer):
    """A foreign pipeline under our numbering.

    Attributes:
        library: the foreign pipeline, as the `tokenizers` library writes it.
        special: {role: token}; roles that the foreign project lacks are missing.
        style: "bert", "roberta" or "gpt2": which special ids stand around a text.
        original_ids: int array (V,), the foreign id of each id here; -1 for a new <pad>.
        chat_template: how a conversation becomes one text, as a template of jinja2; None for a
            model that does not chat.
    """

    kind = "imported"
    _saved = ("special", "style", "library")

    def __init__(self, library, special, style, *, lowercase=False, chat_template=None):
        self.special, self.style, self.chat_template = dict(special), style, chat_template
        ours, self.original_ids = _renumbered(library, special.get("pad"))
        number = ours["model"]["vocab"]
        for role in ROLES:
            setattr(self, f"{role}_id", number.get(special.get(role)))
        self.pad_id = 0
        named = [token["content"] for token in library["added_tokens"] if token["special"]]
        named += special.values()
        self.special_ids = frozenset({0, *(number[token] for token in named)})
        super().__init__(ours, lowercase=lowercase)
        self.library = library

    def state(self):
        """Return all settings as plain json values; a template only where there is one."""
        template = {} if self.chat_template is None else {"chat_template": self.chat_template}
        return super().state() | template

    def _check_special(self):
        """Leave out the check of our own special tokens: these have others."""

    def _readable(self, raw):
        shown = super()._readable(raw)
        return shown if len(set(shown)) == len(shown) else raw

    def frame(self, *parts, length=None):
        """Put the special ids around a text or a pair; see `Tokenizer.frame`.

        Raises:
            ValueError: `length` leaves no room for the special ids.
        """
        names = FRAMES[self.style][len(parts) - 1]
        if length is not None:
            parts = cut_longest(parts, self.room(length, len(parts)))
        texts = dict(zip("AB", parts, strict=False))
        ids = []
        for name in names:
            ids += texts[name] if name in texts else [getattr(self, f"{name}_id")]
        return ids

    def room(self, length, parts=1):
        """Return how many ids of a text (of a pair) fit between the special ones."""
        special = len(FRAMES[self.style][parts - 1]) - parts
        if length <= special:
            raise ValueError(
                f"expected a length above {special}, the special tokens around a text, received "
                f"{length}"
            )
        return length - special

    def windows(self, ids, length):
        """Return windows that overlap by half, each between the special ids."""
        return [self.frame(window) for window in windows(ids, self.room(length))]


class ImportedWordPiece(_Imported, WordPieceTokenizer):
    """WordPiece of another project."""


class ImportedBytePair(_Imported, BytePairTokenizer):
    """Byte-level BPE of another project."""


_CLASSES = {"WordPiece": ImportedWordPiece, "BPE": ImportedBytePair}


def import_tokenizer(library, special, style, *, lowercase=False, chat_template=None):
    """Return the tokenizer that a pipeline of the `tokenizers` library describes.

    Args:
        library: its json, with the model "WordPiece", or "BPE" over bytes.
        special: {role: token} for the roles pad, unk, bos, eos, sep and mask, as far as they exist.
        style: "bert", "roberta" or "gpt2".
        lowercase: whether it lower-cases; for information.
        chat_template: how a conversation becomes one text, where the model chats.

    Raises:
        ValueError: another kind of model, or special tokens that the vocabulary lacks.
    """
    kind = checked_kind(library)
    known = _vocabulary(library)
    if sorted(known.values()) != list(range(len(known))):
        raise ValueError("expected the ids of the tokens without gaps, from 0 up")
    if lost := [token for token in special.values() if token not in known]:
        raise ValueError(f"expected the special tokens {lost} in the vocabulary, which lacks them")
    options = {"lowercase": lowercase, "chat_template": chat_template}
    return _CLASSES[kind](library, special, style, **options)


def checked_kind(library):
    """Return the kind of model in a pipeline.

    Raises:
        ValueError: it is not one that can be imported.
    """
    kind = library["model"].get("type")
    bytewise = "ByteLevel" in str(library.get("pre_tokenizer"))
    if kind not in _CLASSES or (kind == "BPE" and not bytewise):
        raise ValueError(
            f"expected a tokenizer of the kind WordPiece (BERT) or byte-level BPE (GPT-2, "
            f"RoBERTa), received {kind!s:.40}{' without bytes' if kind == 'BPE' else ''}"
        )
    return kind


def _vocabulary(library):
    """Return {token: foreign id}, added tokens included."""
    added = {token["content"]: token["id"] for token in library["added_tokens"]}
    return {**library["model"]["vocab"], **added}


def original_ids(size, pad):
    """Return the foreign id of each id here, -1 for a new pad.

    Args:
        size: foreign ids.
        pad: the foreign pad id, None where there is none.

    Example:
        >>> original_ids(4, 2), original_ids(3, None)
        (array([2, 1, 0, 3]), array([-1,  0,  1,  2]))
    """
    if pad is None:
        return np.arange(-1, size)
    ids = np.arange(size)
    ids[[0, pad]] = pad, 0
    return ids


def _renumbered(library, pad):
    """Return the pipeline with pad id 0, and the foreign id of each id."""
    foreign = _vocabulary(library)
    ids = original_ids(len(foreign), foreign.get(pad))
    new = {foreign_id: i for i, foreign_id in enumerate(ids.tolist())}
    number = {token: new[i] for token, i in foreign.items()}
    if pad is None:
        name = next(name for name in ("<pad>", "<|pad|>", "[PAD]") if name not in foreign)
        number[name] = 0
    ours = copy.deepcopy({k: v for k, v in library.items() if k != "model"})
    ours |= {"truncation": None, "padding": None, "post_processor": None}
    ours["model"] = {**library["model"], "vocab": number}
    ours["added_tokens"] = [
        token | {"id": number[token["content"]]}
        for token in ours["added_tokens"]
        if not token["special"]
    ]
    return ours, ids
