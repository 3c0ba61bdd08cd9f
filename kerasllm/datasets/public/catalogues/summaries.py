"""Public sets of texts and their titles or summaries."""

from functools import partial

from kerasllm.datasets.public.catalogues.classification import AG_NEWS
from kerasllm.datasets.public.readers import pairs as readers_pairs
from kerasllm.datasets.public.readers import texts as readers
from kerasllm.datasets.public.registry import DatasetInfo, File, files_at

_GITHUB = "https://raw.githubusercontent.com/"

_AG_NEWS_TITLES = DatasetInfo(
    name="ag_news_titles",
    title="AG News, descriptions into titles",
    task="seq2seq",
    language="en",
    licence="for research purposes and any other non-commercial activity",
    homepage="https://github.com/mhjabreel/CharCnn_Keras",
    files=AG_NEWS.files,
    splits=AG_NEWS.splits,
    reader=readers_pairs.titles,
    folder="ag_news",
)

_CSL_BASE = _GITHUB + "ydli-ai/CSL/0f1ac0626d584cd3c72f8be26d329eb4f967cfd0/"
_CSL_TRAIN = File(
    "benchmark/ts/train.tsv",
    0,
    "",
    _CSL_BASE + "benchmark/ts/train.tsv",
    note="8,000 rows; no hash is known to check it against",
)
_CSL_TITLES = (
    _CSL_TRAIN,
    *files_at(
        _CSL_BASE,
        (
            "benchmark/ts/dev.tsv",
            623_069,
            "63fc67552bdad69b392e89295c8055e2c1b8d5e8acf6fec614738056451ccb45",
        ),
        (
            "benchmark/ts/test.tsv",
            620_191,
            "51900a71a26193525e98fa4e65c0e78ea4ca0b84cd1f0da0de0690ffdb85791d",
        ),
    ),
)
_CSL_CATEGORIES = files_at(
    _CSL_BASE,
    (
        "benchmark/cls_ctg/train.tsv",
        601_477,
        "a9680e3952b4f2d2bb70792ca94c391d956607bff48ffcc182cbe152d86b67f2",
    ),
    (
        "benchmark/cls_ctg/dev.tsv",
        74_747,
        "7549de53ae2a29f1fe014b250ea53324b7dcaaca7b7ca5c10cb9f17fec769751",
    ),
    (
        "benchmark/cls_ctg/test.tsv",
        74_522,
        "337cace3a8854f993dca462c9ae34e785beaccd016e11c938016c79c91ca9c83",
    ),
)
_CSL = DatasetInfo(
    name="csl",
    title="CSL, abstracts into titles",
    task="seq2seq",
    language="zh",
    licence="Apache-2.0",
    homepage="https://github.com/ydli-ai/CSL",
    files=_CSL_TITLES,
    splits={
        "train": ("benchmark/ts/train.tsv",),
        "validation": ("benchmark/ts/dev.tsv",),
        "test": ("benchmark/ts/test.tsv",),
    },
    reader=partial(readers_pairs.columns, source=1, target=2),
    note="Chinese scientific papers.",
)

_CSL_FIELDS = DatasetInfo(
    name="csl_categories",
    title="CSL, categories of titles",
    task="classification",
    language="zh",
    licence="Apache-2.0",
    homepage="https://github.com/ydli-ai/CSL",
    files=_CSL_CATEGORIES,
    splits={
        "train": ("benchmark/cls_ctg/train.tsv",),
        "validation": ("benchmark/cls_ctg/dev.tsv",),
        "test": ("benchmark/cls_ctg/test.tsv",),
    },
    reader=partial(readers.table, text=1, label=2, delimiter="\t"),
    folder="csl",
    note="13 fields of science.",
)

_SCITLDR_FILES = (
    *files_at(
        _GITHUB + "allenai/scitldr/5ccad9c00a60ad75c9e04abf7f27d0f53f983b20/SciTLDR-Data/",
        (
            "SciTLDR-A/train.jsonl",
            3_155_015,
            "b222771d387be585cfdf5ae957b36757138415a352e0a3e3b23f73f87c3b1119",
        ),
        (
            "SciTLDR-A/dev.jsonl",
            1_124_865,
            "3191fa98ccc09521332b7a1cd63b1930be4e8df125a235ccd31e40329709525e",
        ),
        (
            "SciTLDR-A/test.jsonl",
            1_204_107,
            "fb42dd6cd4f4a1928ae8a01a189456fbfe994a07e938bd49f68653933f6503c9",
        ),
    ),
)
_SCITLDR = DatasetInfo(
    name="scitldr",
    title="SciTLDR, abstracts into a sentence",
    task="seq2seq",
    language="en",
    licence="Apache-2.0",
    homepage="https://github.com/allenai/scitldr",
    files=_SCITLDR_FILES,
    splits={
        "train": ("SciTLDR-A/train.jsonl",),
        "validation": ("SciTLDR-A/dev.jsonl",),
        "test": ("SciTLDR-A/test.jsonl",),
    },
    reader=readers_pairs.summaries,
    note="The first summary of an abstract unless told otherwise; dev and test have several.",
)

ENTRIES = (
    _AG_NEWS_TITLES,
    _CSL,
    _CSL_FIELDS,
    _SCITLDR,
)
