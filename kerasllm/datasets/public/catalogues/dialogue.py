"""Public sets of dialogues."""

from kerasllm.datasets.public.readers import dialogue as readers_dialogue
from kerasllm.datasets.public.registry import DatasetInfo, files_at

_GITHUB = "https://raw.githubusercontent.com/"

_DAILY_FILES = files_at(
    _GITHUB
    + "kent-ai-dev/engram/9874fe15199f13692201faa5b530a78786192b5f/dailydialog_raw/EMNLP_dataset/",
    ("train.zip", 2_059_812, "6191257f8250da0e045bfd1d017645e15b2358df975ec4c5c431a5a1f99662a4"),
    ("validation.zip", 191_273, "f068cf7526a56ab5f26e99b74ce9edbc2766f7b060a3c6cef035920b0dd28153"),
    ("test.zip", 188_867, "5f9526a5ce4b8af4ca237aa3ff38cbf03becbc596c70b0974d7f5f9af2ea0615"),
)
_DAILY_SPLITS = {name: (f"{name}.zip",) for name in ("train", "validation", "test")}
_DAILYDIALOG = DatasetInfo(
    name="dailydialog",
    title="DailyDialog, replies",
    task="seq2seq",
    language="en",
    licence="CC BY-NC-SA 4.0",
    homepage="https://yanran.li/dailydialog",
    files=_DAILY_FILES,
    splits=_DAILY_SPLITS,
    reader=readers_dialogue.daily_replies,
    note="Some dialogues of validation (68) and test (92) stand in training too, as published.",
)

_DAILY_ACTS = DatasetInfo(
    name="dailydialog_acts",
    title="DailyDialog, dialogue acts",
    task="classification",
    language="en",
    licence="CC BY-NC-SA 4.0",
    homepage="https://yanran.li/dailydialog",
    files=_DAILY_FILES,
    splits=_DAILY_SPLITS,
    reader=readers_dialogue.daily_acts,
    folder="dailydialog",
    note="One dialogue is left out: its turns and labels differ in number.",
)

_DAILY_EMOTIONS = DatasetInfo(
    name="dailydialog_emotions",
    title="DailyDialog, emotions",
    task="classification",
    language="en",
    licence="CC BY-NC-SA 4.0",
    homepage="https://yanran.li/dailydialog",
    files=_DAILY_FILES,
    splits=_DAILY_SPLITS,
    reader=readers_dialogue.daily_emotions,
    folder="dailydialog",
    note="Five of six turns have the label none.",
)

_BABI_FILES = (
    *files_at(
        _GITHUB + "voicy-ai/DialogStateTracking/a102672be468a5246c8c1183f15f55fa320f33c8/data/",
        (
            "dialog-bAbI-tasks/dialog-babi-task1-API-calls-dev.txt",
            329_372,
            "ab73b5f54248dfc8aa6fdee8cc3909e09afab9591686f7a6e306d274c6bbf10a",
        ),
        (
            "dialog-bAbI-tasks/dialog-babi-task1-API-calls-trn.txt",
            330_480,
            "8eef6011ab86e886eb218e5859ee1015fdcdd8088aba53bd83b2c055671b9575",
        ),
        (
            "dialog-bAbI-tasks/dialog-babi-task1-API-calls-tst-OOV.txt",
            331_515,
            "71a294d91bef207b26f9c29981a501d20b4392262f6873bb4f9c18ffee522c60",
        ),
        (
            "dialog-bAbI-tasks/dialog-babi-task1-API-calls-tst.txt",
            326_969,
            "21a3ed26c483ec205d268fa3919f9c48cde48c34e26f79b2f96bd6f4edb60583",
        ),
        (
            "dialog-bAbI-tasks/dialog-babi-task2-API-refine-dev.txt",
            569_664,
            "7825f7c3f48bab3f48f398ef0e40a9689fa40c3979a199df615bc7aad5db11c4",
        ),
        (
            "dialog-bAbI-tasks/dialog-babi-task2-API-refine-trn.txt",
            568_631,
            "2bd2d0ee376077878754ad4bf0892ca192658f4f0359ef92b18163ba20eeb568",
        ),
        (
            "dialog-bAbI-tasks/dialog-babi-task2-API-refine-tst-OOV.txt",
            570_561,
            "9fd9ab3b3522ebba0ce0e76416ba9ba57634edd67f88005af8198063c854fc15",
        ),
        (
            "dialog-bAbI-tasks/dialog-babi-task2-API-refine-tst.txt",
            565_950,
            "2d79edb4bcfa120e9e293ddba52b790f109c1648be8c491442a26e6a9a286b40",
        ),
    ),
)


def _named(*parts):
    return tuple(file.path for file in _BABI_FILES if any(part in file.path for part in parts))


_DIALOG_BABI = DatasetInfo(
    name="dialog_babi",
    title="Dialog bAbI, tasks 1 and 2",
    task="seq2seq",
    language="en",
    licence="CC BY 3.0",
    homepage="https://research.fb.com/downloads/babi/",
    files=_BABI_FILES,
    splits={"train": _named("-trn"), "validation": _named("-dev"), "test": _named("-tst")},
    reader=readers_dialogue.babi_replies,
    note="All that was said before, joined by |, and the reply of the system.",
)

_KDCONV_FILES = (
    *files_at(
        _GITHUB + "thu-coai/KdConv/653db76432de09a004ba708a68f8bbd5500e6bec/",
        (
            "data/film/dev.json",
            1_363_416,
            "2f156d8d34bdd3eac31c196772156d36e017f8cb2255a2c312bd98e367ed363e",
        ),
        (
            "data/film/test.json",
            1_547_354,
            "5ba2b79f9791bedbe5fe8a1bf5d7cbf277697743ee426ecd05459d9e28bcf21b",
        ),
        (
            "data/music/dev.json",
            945_559,
            "ee34a4af167195db43fdcc910f8d125956222517f0572d248a069057493d557f",
        ),
        (
            "data/music/test.json",
            1_148_564,
            "46f048c5db9dde45127cf6630b2fa06b685be369b71c5bc2dc3022d3f4bbad65",
        ),
        (
            "data/travel/dev.json",
            904_751,
            "8d1f31295888cf61eff398bab8aa042f7fccd04a088bd63c939f0b79625a9093",
        ),
        (
            "data/travel/test.json",
            1_100_567,
            "730426b0997b8375c8477c7e658c0ec645fced6ab8d546adda114b21cf30faac",
        ),
    ),
)


def _domains(split):
    return tuple(file.path for file in _KDCONV_FILES if file.path.endswith(f"{split}.json"))


_KDCONV = DatasetInfo(
    name="kdconv",
    title="KdConv, its dev and test dialogues",
    task="seq2seq",
    language="zh",
    licence="Apache-2.0",
    homepage="https://github.com/thu-coai/KdConv",
    files=_KDCONV_FILES,
    splits={"validation": _domains("dev"), "test": _domains("test")},
    reader=readers_dialogue.kdconv_replies,
    missing={"train": "Only its dev and test dialogues are in the registry."},
    note="Films, music and travel; see domain.",
)

ENTRIES = (
    _DAILYDIALOG,
    _DAILY_ACTS,
    _DAILY_EMOTIONS,
    _DIALOG_BABI,
    _KDCONV,
)
