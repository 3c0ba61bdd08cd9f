"""Public sets for classification."""

from functools import partial

from kerasllm.datasets.public.readers import texts as readers
from kerasllm.datasets.public.registry import DatasetInfo, File, files_at, members_of

_GITHUB = "https://raw.githubusercontent.com/"
_SIGN = {"0": "negative", "1": "positive"}

_SMS_SPAM = DatasetInfo(
    name="sms_spam",
    title="SMS Spam Collection v.1",
    task="classification",
    language="en",
    licence="CC BY 4.0",
    homepage="https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
    files=members_of(
        "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",
        (
            "SMSSpamCollection",
            477_907,
            "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d",
        ),
    ),
    splits={"all": ("SMSSpamCollection",)},
    reader=partial(readers.table, text=1, label=0, delimiter="\t"),
    note="5,574 messages, 403 of them repeats; Almeida et al. (2011) split them otherwise.",
)

_SST2 = DatasetInfo(
    name="sst2",
    title="SST-2, the Stanford Sentiment Treebank as in GLUE",
    task="classification",
    language="en",
    licence="not stated; distributed for research",
    homepage="https://nlp.stanford.edu/sentiment/",
    files=members_of(
        "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
        (
            "SST-2/train.tsv",
            3_806_081,
            "48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1",
        ),
        (
            "SST-2/dev.tsv",
            94_931,
            "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
        ),
    ),
    splits={"train": ("SST-2/train.tsv",), "validation": ("SST-2/dev.tsv",)},
    reader=partial(readers.table, text=0, label=1, names=_SIGN, delimiter="\t", header=True),
    missing={"test": "GLUE publishes its test sentences without labels: use 'validation' (dev)."},
    note="The training set is phrases, the validation set (dev) whole sentences.",
)

_AG_BASE = _GITHUB + "mhjabreel/CharCnn_Keras/555590db4219b1243abb1918effd6a7425a2d75f/data/"
_AG_TRAIN = File(
    "ag_news_csv/train.csv", 0, "", _AG_BASE + "ag_news_csv/train.csv",
    git_blob="694aa19971315410e000404523796b76349d3c1d",
    note="about 29 MB, 120,000 rows",
    sample=File(
        "ag_news_csv/train_sample12k.csv", 2_944_931,
        "3ed135fd647cf60c9b673fdab30daf7f55549fff9ce71817c0a80332cd80fce6",
        "",
        note="SUB-SAMPLE: 11,997 of the 120,000 training rows; expect less than published ones.",
    ),
)  # fmt: skip
AG_NEWS = DatasetInfo(
    name="ag_news",
    title="AG News",
    task="classification",
    language="en",
    licence="for research purposes and any other non-commercial activity",
    homepage="https://github.com/mhjabreel/CharCnn_Keras",
    files=(
        _AG_TRAIN,
        *files_at(
            _AG_BASE,
            (
                "ag_news_csv/test.csv",
                1_857_427,
                "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699",
            ),
        ),
    ),
    splits={"train": ("ag_news_csv/train.csv",), "test": ("ag_news_csv/test.csv",)},
    reader=partial(
        readers.table,
        text=(1, 2),
        label=0,
        names={"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"},
    ),
    note="Title and description, joined by a blank.",
)

_THUC_BASE = (
    _GITHUB + "649453932/Chinese-Text-Classification-Pytorch/"
    "6cb26819af7b646275aff8a4693676f2849e67f6/"
)
_THUC_TRAIN = File(
    "THUCNews/data/train.txt", 0, "", _THUC_BASE + "THUCNews/data/train.txt",
    note="about 10 MB, 180,000 lines; no hash is known to check it against",
    sample=File(
        "THUCNews/data/train_part.txt", 1_855_645,
        "ae6ec85dfae39c60c2b0e8ae7fc2175325cdb52d0c36e1bc82b4fae263ab698a",
        "",
        note="SUB-SAMPLE: 33,590 of the 180,000 training lines; expect less than published ones.",
    ),
)  # fmt: skip
_THUC_CLASSES = (
    "finance", "realty", "stocks", "education", "science", "society", "politics", "sports", "game",
    "entertainment",
)  # fmt: skip
_THUCNEWS = DatasetInfo(
    name="thucnews",
    title="THUCNews titles, 10 classes",
    task="classification",
    language="zh",
    licence="free for research (Tsinghua University)",
    homepage="https://github.com/649453932/Chinese-Text-Classification-Pytorch",
    files=(
        _THUC_TRAIN,
        *files_at(
            _THUC_BASE,
            (
                "THUCNews/data/dev.txt",
                551_313,
                "6ed73aa2c57ee1560c8f76570d48735c4b1c29ae4983fe3523d56e115813e175",
            ),
            (
                "THUCNews/data/test.txt",
                551_596,
                "ebecc8c896635ad69730083ca7b81d37c42c9a5779bc05c9d2479d894e34f026",
            ),
        ),
    ),
    splits={
        "train": ("THUCNews/data/train.txt",),
        "validation": ("THUCNews/data/dev.txt",),
        "test": ("THUCNews/data/test.txt",),
    },
    reader=partial(
        readers.table,
        text=0,
        label=1,
        delimiter="\t",
        names={str(i): name for i, name in enumerate(_THUC_CLASSES)},
    ),
    note="Some training titles stand in the other splits too, as published.",
)

_CHNSENTICORP = DatasetInfo(
    name="chnsenticorp_htl",
    title="ChnSentiCorp, hotel reviews",
    task="classification",
    language="zh",
    licence="not stated (collected by Tan Songbo)",
    homepage="https://github.com/SophonPlus/ChineseNlpCorpus",
    files=files_at(
        _GITHUB + "SophonPlus/ChineseNlpCorpus/a0b781d72158bde242c0626c9e354d2b328865ff/datasets/"
        "ChnSentiCorp_htl_all/",
        (
            "ChnSentiCorp_htl_all.csv",
            2_904_858,
            "1d414b9c65caf3a836abdb4efded621968502ad3338e1a9d885ae131c86083f0",
        ),
    ),
    splits={"all": ("ChnSentiCorp_htl_all.csv",)},
    reader=partial(readers.table, text=1, label=0, names=_SIGN, header=True),
    note="7,766 rows; one has no text and is left out.",
)

_REVIEW_FILES = files_at(
    _GITHUB + "ephyros/nlp/0ce4ee4b2334f8f13e4150909f4aff08fbbf7380/data/",
    (
        "sorted_data_acl/books/positive.review",
        1_510_898,
        "d4b32b8e38173ece27e5cb1c83d58a23d719bacf1afff256b7d8c8945450c590",
    ),
    (
        "sorted_data_acl/books/negative.review",
        1_538_113,
        "d974ad1bc84029ea1aae77d7fbaca9327f132895a427e6b83c253990b97cb71e",
    ),
    (
        "sorted_data_acl/dvd/positive.review",
        1_696_788,
        "c6b3bd66bd20a3a94c2c8d8411a5d5330cf68a81053998a11bd00d8511b89589",
    ),
    (
        "sorted_data_acl/dvd/negative.review",
        1_589_766,
        "740259c8bbe6694ee350305c46f2777454803d00000f5d3402db7f282b4b5910",
    ),
    (
        "sorted_data_acl/electronics/positive.review",
        1_105_030,
        "e5b048ded874b6c97354e3ce683f8f106199a6b586e4d9e7632d2fe021f4263d",
    ),
    (
        "sorted_data_acl/electronics/negative.review",
        1_113_533,
        "e8ab164d5cdea3be914afed4cffc41706d56de29f832c78acb3cccd541de8021",
    ),
    (
        "sorted_data_acl/kitchen_&_housewares/positive.review",
        1_019_001,
        "fb05321a83f44c8fa7066f433696f6c475b1572990f9aebdfffb496d8669c41f",
    ),
    (
        "sorted_data_acl/kitchen_&_housewares/negative.review",
        1_019_958,
        "fc647f24f10e65e14d26f788185125c016451a45940252fa40aedfde51ed6902",
    ),
)
_MULTI_DOMAIN = DatasetInfo(
    name="multi_domain_sentiment",
    title="Multi-Domain Sentiment Dataset 2.0 (Blitzer et al., 2007)",
    task="classification",
    language="en",
    licence="not stated; product reviews released for research",
    homepage="https://www.cs.jhu.edu/~mdredze/datasets/sentiment/",
    files=_REVIEW_FILES,
    splits={"all": tuple(file.path for file in _REVIEW_FILES)},
    reader=readers.product_reviews,
    note="1,000 positive and 1,000 negative reviews in each of four domains; see `domain`.",
)

ENTRIES = (_SMS_SPAM, _SST2, AG_NEWS, _THUCNEWS, _CHNSENTICORP, _MULTI_DOMAIN)
