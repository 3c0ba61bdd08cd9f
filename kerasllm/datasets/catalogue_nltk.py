"""Public sets that are read through `nltk.corpus`."""

from kerasllm.datasets import readers
from kerasllm.datasets.registry import DatasetInfo, File, files_at

_NLTK = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/"

_MOVIE_REVIEWS = DatasetInfo(
    name="movie_reviews",
    title="Movie reviews, polarity 2.0 (Pang and Lee, 2004; NLTK)",
    task="classification",
    language="en",
    licence="CC BY 4.0",
    homepage="https://www.nltk.org/nltk_data/",
    files=files_at(
        _NLTK,
        (
            "corpora/movie_reviews.zip",
            4_004_848,
            "a41211ae685019137410268134db6a1a14428c89b671eb83056151a878539008",
        ),
    ),
    splits={"all": ("corpora/movie_reviews.zip",)},
    reader=readers.nltk_categories,
    nltk="movie_reviews",
    note="Papers report 10-fold cross-validation over all 2,000.",
)

_BROWN = DatasetInfo(
    name="brown",
    title="Brown corpus (NLTK)",
    task="language_model",
    language="en",
    licence="for non-commercial purposes",
    homepage="https://www.nltk.org/nltk_data/",
    files=files_at(
        _NLTK,
        (
            "corpora/brown.zip",
            3_314_357,
            "9b275f9b3b95d7bd66ccfb7cd259f445a13bbe5d1f4107aba09fd3e8364bafa6",
        ),
    ),
    splits={"all": ("corpora/brown.zip",)},
    reader=readers.nltk_sentences,
    nltk="brown",
    note="500 documents of about 2,000 words, tokens joined by blanks, a sentence a line.",
)

_GUTENBERG = DatasetInfo(
    name="gutenberg",
    title="Project Gutenberg, NLTK's selection",
    task="language_model",
    language="en",
    licence="public domain",
    homepage="https://www.nltk.org/nltk_data/",
    files=(
        File(
            "corpora/gutenberg.zip",
            0,
            "",
            _NLTK + "corpora/gutenberg.zip",
            note="no hash of the published zip is known to check it against",
        ),
    ),
    splits={"all": ("corpora/gutenberg.zip",)},
    reader=readers.nltk_texts,
    contiguous=True,
    nltk="gutenberg",
    note="18 books; a copy without one of them is accepted. Each book is cut into three splits.",
)

ENTRIES = (_MOVIE_REVIEWS, _BROWN, _GUTENBERG)
