"""Public sets that are read through `nltk.corpus`."""

from kerasllm.datasets.public.readers import tagging as readers_tagging
from kerasllm.datasets.public.readers import texts as readers
from kerasllm.datasets.public.registry import DatasetInfo, File, files_at

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

_CONLL2000 = DatasetInfo(
    name="conll2000",
    title="CoNLL-2000, English chunks (NLTK)",
    task="tagging",
    language="en",
    licence="not stated",
    homepage="https://www.nltk.org/nltk_data/",
    files=files_at(
        _NLTK,
        (
            "corpora/conll2000.zip",
            756_607,
            "01e65164f268366e7caa0db92332a1955d081908c87016e2c7640c3c5279b7cd",
        ),
    ),
    splits={"train": ("corpora/conll2000.zip",), "test": ("corpora/conll2000.zip",)},
    reader=readers_tagging.nltk_tagged,
    nltk="conll2000",
    documents={"train": ("train.txt",), "test": ("test.txt",)},
    note="Chunks in BIO.",
)

_CONLL2002_ES = DatasetInfo(
    name="conll2002_es",
    title="CoNLL-2002, Spanish names (NLTK)",
    task="tagging",
    language="es",
    licence="not stated",
    homepage="https://www.nltk.org/nltk_data/",
    files=files_at(
        _NLTK,
        (
            "corpora/conll2002.zip",
            1_867_449,
            "64440e49236d0d393e08e0b266284966d68e2d2a82a50cc41b8e96d98c03b5c8",
        ),
    ),
    splits={
        "train": ("corpora/conll2002.zip",),
        "validation": ("corpora/conll2002.zip",),
        "test": ("corpora/conll2002.zip",),
    },
    reader=readers_tagging.nltk_tagged,
    nltk="conll2002",
    documents={"train": ("esp.train",), "validation": ("esp.testa",), "test": ("esp.testb",)},
    note="Names in BIO.",
)

_CONLL2002_NL = DatasetInfo(
    name="conll2002_nl",
    title="CoNLL-2002, Dutch names (NLTK)",
    task="tagging",
    language="nl",
    licence="not stated",
    homepage="https://www.nltk.org/nltk_data/",
    files=files_at(
        _NLTK,
        (
            "corpora/conll2002.zip",
            1_867_449,
            "64440e49236d0d393e08e0b266284966d68e2d2a82a50cc41b8e96d98c03b5c8",
        ),
    ),
    splits={
        "train": ("corpora/conll2002.zip",),
        "validation": ("corpora/conll2002.zip",),
        "test": ("corpora/conll2002.zip",),
    },
    reader=readers_tagging.nltk_tagged,
    nltk="conll2002",
    documents={"train": ("ned.train",), "validation": ("ned.testa",), "test": ("ned.testb",)},
    note="Names in BIO.",
)

_REUTERS = DatasetInfo(
    name="reuters",
    title="Reuters-21578, ModApte split (NLTK)",
    task="classification",
    language="en",
    licence="for research purposes only",
    homepage="https://www.nltk.org/nltk_data/",
    files=(
        File(
            "corpora/reuters.zip",
            0,
            "",
            _NLTK + "corpora/reuters.zip",
            note="no hash of the published zip is known to check it against",
        ),
    ),
    splits={"train": ("corpora/reuters.zip",), "test": ("corpora/reuters.zip",)},
    reader=readers.nltk_topics,
    nltk="reuters",
    documents={"train": ("training",), "test": ("test",)},
    note="90 topics; a document may have several, which its label joins by |.",
)

_NPS_CHAT = DatasetInfo(
    name="nps_chat",
    title="NPS Chat, dialogue acts of posts (NLTK)",
    task="classification",
    language="en",
    licence="for non-commercial, educational and research use",
    homepage="https://www.nltk.org/nltk_data/",
    files=files_at(
        _NLTK,
        (
            "corpora/nps_chat.zip",
            301_366,
            "a4433d5da5e62fdbede49efa572a53a0139fff1014ffbe86cb263e17cbb4a837",
        ),
    ),
    splits={"all": ("corpora/nps_chat.zip",)},
    reader=readers.nltk_chat_acts,
    nltk="nps_chat",
    note="15 acts; user names are masked.",
)

_SUBJECTIVITY = DatasetInfo(
    name="subjectivity",
    title="Subjectivity of sentences (Pang and Lee, 2004; NLTK)",
    task="classification",
    language="en",
    licence="CC BY 4.0",
    homepage="https://www.nltk.org/nltk_data/",
    files=files_at(
        _NLTK,
        (
            "corpora/subjectivity.zip",
            521_628,
            "741f3371e1a4375051b874fd82fd55857b90975473c91c19a3101cbe17fc4d8c",
        ),
    ),
    splits={"all": ("corpora/subjectivity.zip",)},
    reader=readers.nltk_sentence_categories,
    nltk="subjectivity",
    note="Papers report 10-fold cross-validation over all 10,000.",
)

_POLARITY = DatasetInfo(
    name="sentence_polarity",
    title="Polarity of sentences, MR (Pang and Lee, 2005; NLTK)",
    task="classification",
    language="en",
    licence="CC BY 4.0",
    homepage="https://www.nltk.org/nltk_data/",
    files=files_at(
        _NLTK,
        (
            "corpora/sentence_polarity.zip",
            490_256,
            "6e1ed4405b65c7eabf1d199a7f7c437091ac21da0ea7467b410a74062574566b",
        ),
    ),
    splits={"all": ("corpora/sentence_polarity.zip",)},
    reader=readers.nltk_sentence_categories,
    nltk="sentence_polarity",
    note="Papers report 10-fold cross-validation over all 10,662.",
)

ENTRIES = (
    _MOVIE_REVIEWS,
    _BROWN,
    _GUTENBERG,
    _CONLL2000,
    _CONLL2002_ES,
    _CONLL2002_NL,
    _REUTERS,
    _NPS_CHAT,
    _SUBJECTIVITY,
    _POLARITY,
)
