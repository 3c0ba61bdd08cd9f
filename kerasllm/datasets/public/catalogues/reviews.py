"""More public sets for classification: reviews."""

from functools import partial

from kerasllm.datasets.public.readers import texts as readers
from kerasllm.datasets.public.registry import DatasetInfo, files_at

_GITHUB = "https://raw.githubusercontent.com/"

_SOPHON = _GITHUB + "SophonPlus/ChineseNlpCorpus/a0b781d72158bde242c0626c9e354d2b328865ff/datasets/"
_SIGN = {"0": "negative", "1": "positive"}
_SST2S_FILES = (
    *files_at(
        _GITHUB + "clairett/pytorch-sentiment-classification/"
        "457ffd83de90a9d6d472d8ffc31bbffe40a8b236/data/SST2/",
        ("train.tsv", 720_259, "ec192f833a64da08f475488a77b0d0b47db47acd0f458bd18433fc793b569920"),
        ("dev.tsv", 92_057, "eddea6b39e601dd4e7a672b53cc40fdf6019fa80522f351206c24340ca5d9359"),
        ("test.tsv", 188_749, "831169c7e2e429d6026e1bdbb542f33b636e3e596caad9602ebc953c205928b7"),
    ),
)
_SST2_SENTENCE = DatasetInfo(
    name="sst2_sentence",
    title="SST-2, whole sentences with a labelled test set",
    task="classification",
    language="en",
    licence="not stated; distributed for research",
    homepage="https://nlp.stanford.edu/sentiment/",
    files=_SST2S_FILES,
    splits={"train": ("train.tsv",), "validation": ("dev.tsv",), "test": ("test.tsv",)},
    reader=partial(readers.table, text=0, label=1, names=_SIGN, delimiter="\t"),
    note="Trained on sentences alone, without the phrases of sst2.",
)

_WAIMAI_FILES = (
    *files_at(
        _SOPHON + "waimai_10k/",
        (
            "waimai_10k.csv",
            919_380,
            "b8b5c11c00b51578d35937fca56e03a126b45381f1ea4b22893237cb377a26fe",
        ),
    ),
)
_WAIMAI = DatasetInfo(
    name="waimai_10k",
    title="waimai_10k, reviews of delivered food",
    task="classification",
    language="zh",
    licence="not stated",
    homepage="https://github.com/SophonPlus/ChineseNlpCorpus",
    files=_WAIMAI_FILES,
    splits={"all": ("waimai_10k.csv",)},
    reader=partial(readers.table, text=1, label=0, names=_SIGN, header=True),
    note="11,987 rows, a third of them positive.",
)

_SHOPPING_FILES = (
    *files_at(
        _SOPHON + "online_shopping_10_cats/",
        (
            "online_shopping_10_cats.zip",
            4_084_428,
            "6816ded66fde9d0927ecbd370b5e12d0174d1abac35192ec014ac2a0a8d25858",
        ),
    ),
)
_SHOPPING = DatasetInfo(
    name="online_shopping_10_cats",
    title="Reviews of ten kinds of goods",
    task="classification",
    language="zh",
    licence="not stated",
    homepage="https://github.com/SophonPlus/ChineseNlpCorpus",
    files=_SHOPPING_FILES,
    splits={"all": ("online_shopping_10_cats.zip",)},
    reader=readers.shopping_reviews,
    note="Sentiment unless told otherwise; one row has no text and is left out.",
)

ENTRIES = (
    _SST2_SENTENCE,
    _WAIMAI,
    _SHOPPING,
)
