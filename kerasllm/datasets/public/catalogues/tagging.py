"""Public sets of tagged sentences, and of the intents that go with slots."""

from functools import partial

from kerasllm.datasets.public.readers import tagging as readers_tagging
from kerasllm.datasets.public.registry import DatasetInfo, files_at

_GITHUB = "https://raw.githubusercontent.com/"

_CONLL2003_FILES = (
    *files_at(
        _GITHUB + "synalp/NER/c0ea07c81ec3512b5047dcd804b0ac2b10a3bdfc/corpus/CoNLL-2003/",
        (
            "eng.train",
            3_281_528,
            "eac0822f501353f265383ddf1edb0dcd42a1b6eefd3e383d7074db98c38eb41c",
        ),
        ("eng.testa", 827_012, "aedc4ccbd1ae9795feaa0e86fe72d195b0258abed9d705b630d1c889276fac1e"),
        ("eng.testb", 748_096, "0632f32c090ef31c223135b7fee3187a7cf8e65c4015c7866bb7783428cdd9a6"),
    ),
)
_CONLL2003 = DatasetInfo(
    name="conll2003",
    title="CoNLL-2003, English names",
    task="tagging",
    language="en",
    licence="annotation free; text Reuters RCV1 (NIST), for research",
    homepage="https://www.clips.uantwerpen.be/conll2003/ner/",
    files=_CONLL2003_FILES,
    splits={"train": ("eng.train",), "validation": ("eng.testa",), "test": ("eng.testb",)},
    reader=partial(readers_tagging.conll, scheme="iob1"),
    note="The files are in IOB1; the tags here are in BIO. -DOCSTART- lines are left out.",
)

_MSRA_NER_FILES = (
    *files_at(
        _GITHUB + "Determined22/zh-NER-TF/e4a8732de88071dac5d1fce8da18de98365389fa/data_path/",
        (
            "train_data",
            13_904_440,
            "62befe1988b0981834f6f9007ffd5de03c33eceab5dd5cd52fa43546b9221c5f",
        ),
        (
            "test_data",
            1_114_268,
            "ee3a3d7c86352ed8ad9c802f57038db51a870afacf53048d0731af7172f1a7e1",
        ),
    ),
)
_MSRA_NER = DatasetInfo(
    name="msra_ner",
    title="MSRA, Chinese names",
    task="tagging",
    language="zh",
    licence="not stated (probably SIGHAN 2006)",
    homepage="https://github.com/Determined22/zh-NER-TF",
    files=_MSRA_NER_FILES,
    splits={"train": ("train_data",), "test": ("test_data",)},
    reader=partial(readers_tagging.conll, scheme="bio"),
    note="The split of zh-NER-TF, not that of SIGHAN 2006. A token is a character.",
)

_RESUME_NER_FILES = (
    *files_at(
        _GITHUB + "jiesutd/LatticeLSTM/24d17f4270f11d2f75046789d8b67eaa2b907dce/ResumeNER/",
        (
            "train.char.bmes",
            1_094_528,
            "93b9bb0be5dd4730121587f9dc1378de3fbbe55cba1c575edec271f822c27be7",
        ),
        (
            "dev.char.bmes",
            120_251,
            "1b0d67153e6e8543e9444936ed1b107bd843078c282533898085e1a9aa293952",
        ),
        (
            "test.char.bmes",
            135_064,
            "c4a9f42622819a4b59f66e184d446ebfa89b2f1dbba06e11d70675e59fe7e79b",
        ),
    ),
)
_RESUME_NER = DatasetInfo(
    name="resume_ner",
    title="Resume NER, Chinese",
    task="tagging",
    language="zh",
    licence="not stated (resumes of executives, from Sina Finance)",
    homepage="https://github.com/jiesutd/LatticeLSTM",
    files=_RESUME_NER_FILES,
    splits={
        "train": ("train.char.bmes",),
        "validation": ("dev.char.bmes",),
        "test": ("test.char.bmes",),
    },
    reader=partial(readers_tagging.conll, scheme="bmes"),
    note="The files are in BMES; the tags here are in BIOES, one broken name mended.",
)

_ATIS_FILES = (
    *files_at(
        _GITHUB + "MiuLab/SlotGated-SLU/61f0307c729b1fad479ef1de94aa5ac5dee601b0/data/atis/",
        (
            "train/seq.in",
            289_848,
            "3a670980841b21ab39088b2595efc17d487cdc45769c075a3e5f9458bba28c7f",
        ),
        (
            "train/seq.out",
            415_557,
            "14c7131bd66562f797dbd7189bc7358f0cf354c6afb0785a9ab973c35b58f34c",
        ),
        ("train/label", 57_831, "d0a771547665eecbdf9f96ea015ef07d1f6ee9f063e861020dafabb3c2a04377"),
        (
            "valid/seq.in",
            32_761,
            "c7435b96e7948393608c34819628e863c5338f11ca68e8f896d2cc041d8e17f8",
        ),
        (
            "valid/seq.out",
            47_763,
            "83ccff3e36f83a993f8e5b5b82adf3256076f234abda4d784051381d7ac76922",
        ),
        ("valid/label", 6_518, "06957cfe6fdffac84f8280bc3a1f8ca85c85631b363817aa4543aac611f8addf"),
        ("test/seq.in", 52_122, "4b2119fc59c37f9398c6605db435d4f467505009e6ee3e5af04fed09f39dc397"),
        (
            "test/seq.out",
            81_238,
            "a4690d6bceadc06876d1ff99bc401744aa981cb321e598ae12a3859d7be53254",
        ),
        ("test/label", 11_634, "ce4bfe6590d9498e1078f30b4137d3e8b3e94277b444b26360c0bf2e9e282761"),
    ),
)
_ATIS_SLU = DatasetInfo(
    name="atis_slu",
    title="ATIS, slots in requests",
    task="tagging",
    language="en",
    licence="not stated (the text comes from the LDC)",
    homepage="https://github.com/MiuLab/SlotGated-SLU",
    files=_ATIS_FILES,
    splits={
        "train": ("train/seq.in", "train/seq.out"),
        "validation": ("valid/seq.in", "valid/seq.out"),
        "test": ("test/seq.in", "test/seq.out"),
    },
    reader=readers_tagging.slots,
    note="Slots in BIO; the intents of the same requests are atis_intents.",
)

_ATIS_INTENTS = DatasetInfo(
    name="atis_intents",
    title="ATIS, intents of requests",
    task="classification",
    language="en",
    licence="not stated (the text comes from the LDC)",
    homepage="https://github.com/MiuLab/SlotGated-SLU",
    files=_ATIS_FILES,
    splits={
        "train": ("train/seq.in", "train/label"),
        "validation": ("valid/seq.in", "valid/label"),
        "test": ("test/seq.in", "test/label"),
    },
    reader=readers_tagging.intents,
    folder="atis_slu",
    note="Some requests have two intents, joined by #.",
)

_SNIPS_FILES = (
    *files_at(
        _GITHUB + "MiuLab/SlotGated-SLU/61f0307c729b1fad479ef1de94aa5ac5dee601b0/data/snips/",
        (
            "train/seq.in",
            617_079,
            "04ad1e3f2121d83c6478f9a4b17d2dbdc21d06d6127f73cb7af835ed733f9855",
        ),
        (
            "train/seq.out",
            950_926,
            "fd5f2121d8055827e5d6b3d3bac30f3d7e94e82a5d437751960cbdd9e1b4f6d3",
        ),
        (
            "train/label",
            184_532,
            "bfd7df6cf9dd76c5da5d8b61bc85f90386197bdd3d7510c1d324c051537b962f",
        ),
        (
            "valid/seq.in",
            33_629,
            "64e0f6d8ad8aab3a3828164d7d53731a0993d3ca1aed437ceaca6d3d568d410e",
        ),
        (
            "valid/seq.out",
            50_626,
            "712e6d34feb8d52d208b820a5f8bae6e6ff990f08374507dfde22de389088319",
        ),
        ("valid/label", 9_900, "9c1dd041216f647bcfca838aaf1a48eb5781e4404256d31ff07cd38a5436c52f"),
        ("test/seq.in", 33_121, "c1e341173fcea2951a8ca371956a6f81c76de87b9583c62eb87edd6158fa3a7c"),
        (
            "test/seq.out",
            50_918,
            "58c07c9097d5e1f78889765c2a535a160f6455b90b3142055c8051847afcca47",
        ),
        ("test/label", 10_120, "37a26da3ad079bb41c42c85a3a8f827eb47efec4c5917ce5d08f4b2736e4f830"),
    ),
)
_SNIPS_SLU = DatasetInfo(
    name="snips_slu",
    title="SNIPS, slots in requests",
    task="tagging",
    language="en",
    licence="CC0 1.0",
    homepage="https://github.com/MiuLab/SlotGated-SLU",
    files=_SNIPS_FILES,
    splits={
        "train": ("train/seq.in", "train/seq.out"),
        "validation": ("valid/seq.in", "valid/seq.out"),
        "test": ("test/seq.in", "test/seq.out"),
    },
    reader=readers_tagging.slots,
    note="Slots in BIO; the intents of the same requests are snips_intents.",
)

_SNIPS_INTENTS = DatasetInfo(
    name="snips_intents",
    title="SNIPS, intents of requests",
    task="classification",
    language="en",
    licence="CC0 1.0",
    homepage="https://github.com/MiuLab/SlotGated-SLU",
    files=_SNIPS_FILES,
    splits={
        "train": ("train/seq.in", "train/label"),
        "validation": ("valid/seq.in", "valid/label"),
        "test": ("test/seq.in", "test/label"),
    },
    reader=readers_tagging.intents,
    folder="snips_slu",
)

ENTRIES = (
    _CONLL2003,
    _MSRA_NER,
    _RESUME_NER,
    _ATIS_SLU,
    _ATIS_INTENTS,
    _SNIPS_SLU,
    _SNIPS_INTENTS,
)
