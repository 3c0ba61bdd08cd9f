"""Train a tokenizer on your text, in seconds, and load it again.

| kind        | one token is                    | vocabulary | unknown text        | decode        |
|-------------|---------------------------------|------------|---------------------|---------------|
| `character` | a character                     | 60 - 6,000 | unseen characters   | exact         |
| `word`      | a word or mark                  | 10,000 +   | every rare word     | usual spacing |
| `bpe`       | a frequent row of bytes         | 262 +      | nothing             | exact         |
| `wordpiece` | a word's beginning or next part | 1,000 +    | unseen characters   | usual spacing |

For Chinese: `bpe` or `character`; `wordpiece` takes single Chinese characters; `word` needs a
dictionary (`word_splitter="jieba"`, extra `zh`).
"""

from collections.abc import Sequence
from pathlib import Path

from kerasllm.text.tokenizers.base import FORMAT, VERSION
from kerasllm.text.tokenizers.character import CharacterTokenizer
from kerasllm.text.tokenizers.imported import import_tokenizer
from kerasllm.text.tokenizers.pipelines import PipelineError
from kerasllm.text.tokenizers.special import SPECIAL_TOKENS, check_text, check_texts
from kerasllm.text.tokenizers.splitters import SPLITTERS
from kerasllm.text.tokenizers.subword import BytePairTokenizer, WordPieceTokenizer
from kerasllm.text.tokenizers.word import WordTokenizer
from kerasllm.utils.errors import check_choice
from kerasllm.utils.json_text import read_object

_CLASSES = {
    "character": CharacterTokenizer,
    "word": WordTokenizer,
    "bpe": BytePairTokenizer,
    "wordpiece": WordPieceTokenizer,
}
KINDS = tuple(_CLASSES)


def train_tokenizer(
    texts,
    kind="bpe",
    vocabulary_size=8000,
    *,
    lowercase=False,
    min_frequency=None,
    word_splitter="treebank",
):
    """Learn a vocabulary from texts.

    Args:
        texts: a list or any iterable of strings; it is read once, text by text.
        kind: `character`, `word`, `bpe` (byte-level) or `wordpiece`.
        vocabulary_size: at most so many ids, the 6 special tokens included.
        lowercase: take upper and lower case for the same; `decode` then gives lower case.
        min_frequency: tokens seen less often are left out. Default: 1 for characters (none is
            lost unless you ask for it), else 2.
        word_splitter: for `word`: `treebank`, `tweet`, `space` or `jieba`.

    Returns:
        A `Tokenizer`.

    Raises:
        TypeError: `texts` is one string, or one of them is not a string.
        ValueError: unknown kind or splitter; no text; a vocabulary smaller than the character set,
            or of nothing but special tokens;
            Chinese without spaces for a splitter that needs spaces.

    Example:
        >>> tokenizer = train_tokenizer(["low lower lowest", "slow slower"] * 2, "bpe", 270)
        >>> tokenizer.tokens("lowest <pad>")
        ['lowe', 'st', ' ', '<', 'p', 'a', 'd', '>']
        >>> tokenizer.decode(tokenizer.encode("naïve 👍"))
        'naïve 👍'
    """
    check_texts(texts)
    check_choice("kind", kind, KINDS)
    check_choice("word_splitter", word_splitter, SPLITTERS)
    if isinstance(vocabulary_size, bool) or not isinstance(vocabulary_size, int):
        raise TypeError(f"expected vocabulary_size as int, received {vocabulary_size!r}")
    if vocabulary_size <= len(SPECIAL_TOKENS):
        raise ValueError(
            f"expected vocabulary_size above {len(SPECIAL_TOKENS)} (the special tokens), "
            f"received {vocabulary_size}"
        )
    if min_frequency is None:
        min_frequency = 1 if kind == "character" else 2
    options = {"word_splitter": word_splitter} if kind == "word" else {}
    texts = _checked(texts)
    made = _CLASSES[kind].train(texts, vocabulary_size, min_frequency, lowercase, **options)
    if made.vocabulary_size <= len(SPECIAL_TOKENS):
        raise ValueError(
            f"min_frequency={min_frequency} leaves nothing in the vocabulary: no token of the text "
            "comes so often. Lower it, or give more text."
        )
    return made


def _checked(texts):
    """Check a list at once, and anything else while it is read."""
    if not isinstance(texts, Sequence):
        return _some_text(texts)
    for _ in _some_text(texts):
        pass
    return texts


def _some_text(texts):
    number, empty = -1, True
    for number, text in enumerate(texts):
        empty = not check_text(text, f" at position {number}").strip() and empty
        yield text
    if empty:
        raise ValueError(
            f"expected text to train a tokenizer on, received {number + 1} texts, all empty; check "
            f"the file, its encoding and the column that you read"
        )


def load_tokenizer(path):
    """Restore a tokenizer that `Tokenizer.save` wrote.

    Args:
        path: a `tokenizer.json`, or a run folder that holds one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or another program's, or may not end (`check_pipeline`).
    """
    path = Path(path)
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a tokenizer at '{path}', found no such file; give a tokenizer.json or a run "
            f"folder written by kerasllm"
        )
    try:
        return restore_tokenizer(read_object(path))
    except _Foreign as error:
        raise ValueError(f"'{path}' {error}") from None
    except PipelineError as error:
        raise ValueError(f"the tokenizer '{path}' is not used: {error}") from None
    except Exception as error:  # the library raises bare Exception for a damaged model
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"expected '{path}' to hold a tokenizer, received a damaged file ({reason:.200}); copy "
            f"it again, or train the tokenizer anew"
        ) from None


class _Foreign(ValueError):
    pass


def restore_tokenizer(state):
    """Return the tokenizer whose `state()` this is.

    Raises:
        ValueError: it is not a tokenizer's, or that of a later version.
    """
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise _Foreign(
            "is json, but not a tokenizer of kerasllm; save one with Tokenizer.save(path)"
        )
    if state["version"] > VERSION:
        raise _Foreign(
            f"has format version {state['version']}, this kerasllm reads up to {VERSION}; run "
            f"`pip install -U kerasllm`"
        )
    if state["kind"] == "imported":
        names = ("library", "special", "style", "lowercase")
        template = state.get("chat_template")
        return import_tokenizer(**{name: state[name] for name in names}, chat_template=template)
    check_choice("kind", state["kind"], KINDS)
    return _CLASSES[state["kind"]].from_state(state)
