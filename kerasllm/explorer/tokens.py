"""A run's tokenizer as the page reads it, where the page can do what the tokenizer does."""

from kerasllm.models import TextClassifier
from kerasllm.models.chat.preprocessor import ChatPreprocessor
from kerasllm.models.tagging.preprocessor import TaggingPreprocessor
from kerasllm.text.tokenizers.special import SPECIAL_TOKENS
from kerasllm.utils.tables import readable


def tokenizer_of(tokenizer, preprocessor=None):
    """Return what the page needs of a tokenizer; `kind` is None where it cannot read new texts.

    Args:
        tokenizer: a `Tokenizer`, or None of a model of ids.
        preprocessor: that of the task, or None; a tagger's is handed words.
    """
    if tokenizer is None:
        return {"tokens": {}, "kind": None, "mask": None, "why": "there is no tokenizer"}
    splits = not isinstance(preprocessor, TaggingPreprocessor)
    names = names_of(tokenizer, range(tokenizer.vocabulary_size))
    shown = {"tokens": list(names.values()), "kind": None, "mask": int(tokenizer.mask_id)}
    if isinstance(preprocessor, ChatPreprocessor):
        why = "a conversation is framed in Python: give what a user says to kerasllm explore RUN"
        return {**shown, "why": why}
    kind, lowercase = getattr(tokenizer, "kind", None), getattr(tokenizer, "lowercase", False)
    known = {"kind": kind, "lowercase": lowercase, "special": list(SPECIAL_TOKENS), "why": ""}
    splitter = getattr(tokenizer, "word_splitter", kind)
    if kind == "character" or (kind == "word" and (splitter == "space" or not splits)):
        return {**shown, **known, "vocabulary": list(tokenizer.vocabulary)}
    if kind in ("bpe", "wordpiece"):
        learned = tokenizer.library["model"]
        table = sorted(learned["vocab"], key=learned["vocab"].get)
        merges = [m.split(" ") if isinstance(m, str) else m for m in learned.get("merges", [])]
        return {**shown, **known, "vocabulary": table, "merges": merges}
    why = (
        f"texts are split by {splitter!r}, in Python alone: give them to kerasllm explore RUN TEXT"
    )
    return {**shown, "why": why}


def names_of(tokenizer, ids):
    """Return {id: its token, as a person can read it}."""
    if tokenizer is None:
        return {}
    return {int(i): readable(tokenizer.id_to_token(int(i))) for i in ids}


def reading_of(preprocessor, tokenizer, model):
    """Return how a text is split, framed and cut before the model reads it."""
    settings = getattr(getattr(model, "backbone", None), "settings", None)
    longest = getattr(settings, "max_length", 512)
    reads_words = isinstance(preprocessor, TaggingPreprocessor)
    words = "character" if reads_words and preprocessor.by_character else "space"
    framed = reads_words or isinstance(model, TextClassifier)
    return {
        "length": int(min(getattr(preprocessor, "length", longest), longest)),
        "clean": bool(getattr(preprocessor, "clean", False)),
        "eos": int(tokenizer.eos_id) if framed else None,
        "words": words if reads_words else None,
        "digits": bool(getattr(preprocessor, "digits", False)),
    }
