"""Public sets of questions that a paragraph answers."""

from functools import partial

from kerasllm.datasets.files.squad import read_squad
from kerasllm.datasets.public.registry import DatasetInfo, files_at

_GITHUB = "https://raw.githubusercontent.com/"

_SQUAD_FILES = (
    *files_at(
        "https://rajpurkar.github.io/SQuAD-explorer/dataset/",
        (
            "dev-v1.1.json",
            4_854_279,
            "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9",
        ),
    ),
)
_SQUAD = DatasetInfo(
    name="squad",
    title="SQuAD 1.1, its dev set split by article",
    task="span",
    language="en",
    licence="CC BY-SA 4.0",
    homepage="https://rajpurkar.github.io/SQuAD-explorer/",
    files=_SQUAD_FILES,
    splits={"all": ("dev-v1.1.json",)},
    reader=read_squad,
    note="A part of SQuAD split here by article: figures on it are not those of SQuAD dev.",
)

_XQUAD_FILES = (
    *files_at(
        _GITHUB + "google-deepmind/xquad/60cac411649156efb6aab9dd4c9cde787a2c0345/",
        (
            "xquad.en.json",
            609_383,
            "e4c57d1c9143aaa1c5d265ba5987a65f4e69528d2a98f29d6e75019b10344f29",
        ),
        (
            "xquad.zh.json",
            808_652,
            "691d0b3359bc6b8faa8de931dfdfe21d50a65861ae348e32a0d1a0190b0c8835",
        ),
    ),
)
_XQUAD_EN = DatasetInfo(
    name="xquad_en",
    title="XQuAD, English",
    task="span",
    language="en",
    licence="CC BY-SA 4.0",
    homepage="https://github.com/google-deepmind/xquad",
    files=tuple(file for file in _XQUAD_FILES if ".en." in file.path),
    splits={"test": ("xquad.en.json",)},
    reader=read_squad,
    missing={"train": "It is for evaluation: use 'test'.", "validation": "It is for evaluation."},
    folder="xquad",
    note="Its paragraphs are from the dev set of SQuAD 1.1: they stand in squad too.",
)

_XQUAD_ZH = DatasetInfo(
    name="xquad_zh",
    title="XQuAD, Chinese",
    task="span",
    language="zh",
    licence="CC BY-SA 4.0",
    homepage="https://github.com/google-deepmind/xquad",
    files=tuple(file for file in _XQUAD_FILES if ".zh." in file.path),
    splits={"test": ("xquad.zh.json",)},
    reader=read_squad,
    missing={"train": "It is for evaluation: use 'test'.", "validation": "It is for evaluation."},
    folder="xquad",
    note="Its paragraphs are from the dev set of SQuAD 1.1, translated.",
)

_CMRC_FILES = (
    *files_at(
        _GITHUB + "ymcui/cmrc2018/c0eb1b6ba219847457e6af3180da722bbeb656af/",
        (
            "squad-style-data/cmrc2018_train.json",
            7_408_757,
            "5497aa2f81908e31d6b0e27d99b1f90ab63a8f58fa92fffe5d17cf62eba0c212",
        ),
        (
            "squad-style-data/cmrc2018_dev.json",
            3_299_139,
            "e9ff74231f05c230c6fa88b84441ee334d97234cbb610991cd94b82db00c7f1f",
        ),
        (
            "squad-style-data/cmrc2018_trial.json",
            800_221,
            "f3fae95b57da8e03afb2b57467dd221417060ef4d82db13bf22fc88589f3a6f3",
        ),
    ),
)
_CMRC2018 = DatasetInfo(
    name="cmrc2018",
    title="CMRC 2018",
    task="span",
    language="zh",
    licence="CC BY-SA 4.0",
    homepage="https://github.com/ymcui/cmrc2018",
    files=_CMRC_FILES,
    splits={
        "train": ("squad-style-data/cmrc2018_train.json",),
        "validation": ("squad-style-data/cmrc2018_trial.json",),
        "test": ("squad-style-data/cmrc2018_dev.json",),
    },
    reader=partial(read_squad, unfound="drop"),
    note="Published figures are on dev, which is the test split here; validation is the trial set.",
)

ENTRIES = (
    _SQUAD,
    _XQUAD_EN,
    _XQUAD_ZH,
    _CMRC2018,
)
