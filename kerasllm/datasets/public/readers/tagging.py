"""Readers of public sets of tagged sentences: tags in BIO or BIOES, whatever the files have."""

from kerasllm.datasets.examples import Labelled, Tagged
from kerasllm.datasets.files.tags import tagged_sentences
from kerasllm.datasets.public.readers.texts import _lines
from kerasllm.text.tag_schemes import bio_from_iob1, mended_bmes, unified

INTENT = "intent."  # begins the kind of a tag that is an intent
INTENT_TOKEN = "¶"


def conll(*paths, scheme="auto"):
    """Read CoNLL files; see `tag_schemes` for `scheme`.

    Broken tags are read as conlleval reads them: a stray I- begins a name, and what does not go on
    ends; "tags_mended" counts them.
    """
    sentences = [sentence for path in paths for sentence in tagged_sentences(path)[0]]
    _, words, tags = zip(*sentences, strict=True)
    return _tagged(words, tags, scheme)


def _tagged(words, written, scheme):
    """Return the sentences, their tags mended and in one scheme, and the facts of both."""
    mend = {"bio": bio_from_iob1, "bmes": mended_bmes}.get(scheme, tuple)
    mended = [mend(tags) for tags in written]
    tags, facts = unified(mended, scheme)
    pairs = zip(words, tags, strict=True)
    return [Tagged(*pair) for pair in pairs], {**facts, "tags_mended": _changed(written, mended)}


def _changed(written, mended):
    pairs = zip(written, mended, strict=True)
    return sum(a != b for one, other in pairs for a, b in zip(one, other, strict=True))


def slots(words, tags, labels=None, *, intents=False):
    """Read parallel files: words of each sentence, their tags, and the sentence's intent.

    Args:
        words: file, a sentence a line.
        tags: likewise.
        labels: file of the intents.
        intents: put a token in front of each sentence whose tag is the intent, so that one model
            says both (Hakkani-Tür et al. 2016); see `kerasllm.metrics.frame_metrics`.
    """
    pairs = zip(_lines(words), _lines(tags), strict=True)
    examples = [Tagged(tuple(line.split()), tuple(tag.split())) for line, tag in pairs]
    if not intents:
        return examples
    labelled = zip(examples, _lines(labels), strict=True)
    return [with_intent(example, label.strip()) for example, label in labelled]


def with_intent(example, intent):
    """Return a sentence with a first token whose tag is its intent.

    Example:
        >>> with_intent(Tagged(("to", "Rome"), ("O", "B-city")), "flight").tags
        ('B-intent.flight', 'O', 'B-city')
    """
    tag = f"B-{INTENT}{intent}"
    return Tagged((INTENT_TOKEN, *example.tokens), (tag, *example.tags))


def intents(words, labels):
    """Read two parallel files: words of each sentence, and its intent.

    Several intents of a sentence stand in one label, joined by "#".
    """
    pairs = zip(_lines(words), _lines(labels), strict=True)
    examples = [Labelled(" ".join(line.split()), label.strip()) for line, label in pairs]
    return examples, {"label_separator": "#"}


def nltk_tagged(corpus, *documents):
    """Read the chunks or names of an NLTK corpus in columns, such as conll2000."""
    sentences = corpus.iob_sents(list(documents))
    rows = [list(zip(*sentence, strict=True)) for sentence in sentences if sentence]
    return _tagged([columns[0] for columns in rows], [columns[-1] for columns in rows], "bio")
