"""Public sets of sentences and their translations. Long: Multi30k has 36 files."""

from kerasllm.datasets.public.readers import pairs as readers_pairs
from kerasllm.datasets.public.registry import DatasetInfo, File, files_at

_GITHUB = "https://raw.githubusercontent.com/"

_MULTI30K_FILES = (
    *files_at(
        _GITHUB + "multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/",
        (
            "task1/raw/test_2016_flickr.de.gz",
            22_890,
            "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
        ),
        (
            "task1/raw/test_2016_flickr.en.gz",
            21_077,
            "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
        ),
        (
            "task1/raw/test_2016_flickr.fr.gz",
            22_310,
            "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
        ),
        (
            "task1/raw/test_2017_flickr.de.gz",
            21_471,
            "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
        ),
        (
            "task1/raw/test_2017_flickr.en.gz",
            19_138,
            "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
        ),
        (
            "task1/raw/test_2017_flickr.fr.gz",
            20_434,
            "3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496",
        ),
        (
            "task1/raw/test_2017_mscoco.de.gz",
            10_230,
            "799e4854c25d601cb6cb6be29eabe5667734c61ace2f495e03e429031a0bc338",
        ),
        (
            "task1/raw/test_2017_mscoco.en.gz",
            8_844,
            "aab300bfb4427697987e02cd0aacd44bfe8aa50456231b6474c08038bbed2b58",
        ),
        (
            "task1/raw/test_2017_mscoco.fr.gz",
            9_751,
            "754f3072ba9f124569ba5258b32730fc1d214bbf8e0c6dfb2b74401676220db0",
        ),
        (
            "task1/raw/test_2018_flickr.de.gz",
            26_461,
            "ddd0130c7d97482dc5197a02141dae8dd79f20f03586c480d675c09a32daf608",
        ),
        (
            "task1/raw/test_2018_flickr.en.gz",
            23_514,
            "ef4f4844037d4c5dea75c9a8ed5fd78905967a26f67c255e230cc9780032654d",
        ),
        (
            "task1/raw/test_2018_flickr.fr.gz",
            25_321,
            "fb2b83fcceb937a4f7e3e93c1c51c22aba92f1e342391e6b5ba392b16a920501",
        ),
        (
            "task1/raw/train.de.gz",
            637_044,
            "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
        ),
        (
            "task1/raw/train.en.gz",
            568_929,
            "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
        ),
        (
            "task1/raw/train.fr.gz",
            604_242,
            "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
        ),
        (
            "task1/raw/val.de.gz",
            24_681,
            "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
        ),
        (
            "task1/raw/val.en.gz",
            21_650,
            "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
        ),
        (
            "task1/raw/val.fr.gz",
            23_001,
            "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
        ),
        (
            "task1/tok/test_2016_flickr.lc.norm.tok.de",
            71_917,
            "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
        ),
        (
            "task1/tok/test_2016_flickr.lc.norm.tok.en",
            63_307,
            "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
        ),
        (
            "task1/tok/test_2016_flickr.lc.norm.tok.fr",
            76_394,
            "1463bd5960f9bfe098ec3cd752d3df0c49c84dc646fb518964a29232658cd836",
        ),
        (
            "task1/tok/test_2017_flickr.lc.norm.tok.de",
            65_228,
            "02067e4a9402786a4fcb8c1b6f4307e4a5073ced64800abead5273b54f5f31f6",
        ),
        (
            "task1/tok/test_2017_flickr.lc.norm.tok.en",
            56_123,
            "c9d1dfd7a26add989382e534af235af9f0f658b2a30e7eb0efdaf142496ee54f",
        ),
        (
            "task1/tok/test_2017_flickr.lc.norm.tok.fr",
            69_537,
            "c0583117a47b31e8a6c6a97cfe8de153e462074668f4e994764fcc80b21d33b4",
        ),
        (
            "task1/tok/test_2017_mscoco.lc.norm.tok.de",
            30_464,
            "e2825990b8a4e5289d2cdba801d57c187810bab9b4f5d87a30c35800a0d871b6",
        ),
        (
            "task1/tok/test_2017_mscoco.lc.norm.tok.en",
            25_380,
            "fe69ae004d71c42ead0301e70c57de5b1b6b5fb7f52210d42b22801e98e656f3",
        ),
        (
            "task1/tok/test_2017_mscoco.lc.norm.tok.fr",
            31_725,
            "0b6a4620f02b6b9acf7811fda23f90fed9c6baa0b96aa224db50a273078c84d1",
        ),
        (
            "task1/tok/test_2018_flickr.lc.norm.tok.de",
            82_274,
            "45ce6b121708adf538d3a8c71dc1acbcb1e0f2bca74ace8e58652f9ea5b96335",
        ),
        (
            "task1/tok/test_2018_flickr.lc.norm.tok.en",
            71_617,
            "a66e25cbb8323d74a40873dcd222659f39e30ee7687a6ed5445833aed0673239",
        ),
        (
            "task1/tok/test_2018_flickr.lc.norm.tok.fr",
            90_128,
            "22d44a4ba21e050f218399f2c4f9e1a36875f209820c1f1c9af5b76a2947a71c",
        ),
        (
            "task1/tok/train.lc.norm.tok.de",
            2_150_008,
            "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505",
        ),
        (
            "task1/tok/train.lc.norm.tok.en",
            1_837_696,
            "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119",
        ),
        (
            "task1/tok/train.lc.norm.tok.fr",
            2_235_588,
            "8fa41bb718412bcb7c5dfa58603842810a01543eae86a51279f9886b901266e1",
        ),
        (
            "task1/tok/val.lc.norm.tok.de",
            77_273,
            "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00",
        ),
        (
            "task1/tok/val.lc.norm.tok.en",
            64_608,
            "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec",
        ),
        (
            "task1/tok/val.lc.norm.tok.fr",
            78_242,
            "b303e301aa21fe7822a846b2b3fb2d5a1121ec807cd5b1d006fb7b2b5507168a",
        ),
    ),
)


def _named(start):
    return tuple(file.path for file in _MULTI30K_FILES if f"/{start}" in file.path)


_MULTI30K = DatasetInfo(
    name="multi30k",
    title="Multi30k, task 1 (German, English, French)",
    task="seq2seq",
    language="de",
    licence="translations CC BY-NC-SA 4.0; captions from Flickr30k",
    homepage="https://github.com/multi30k/dataset",
    files=_MULTI30K_FILES,
    splits={"train": _named("train"), "validation": _named("val"), "test": _named("test")},
    reader=readers_pairs.multi30k,
    note="German to English unless told otherwise; the test set is that of 2016.",
)

_TATOEBA = DatasetInfo(
    name="tatoeba",
    title="Tatoeba, English and Chinese",
    task="seq2seq",
    language="en",
    licence="CC BY 2.0 FR",
    homepage="https://www.manythings.org/anki/",
    files=(
        File(
            "cmn-eng-2021/cmn.txt",
            3_538_403,
            "390362328240596c895e5266bd8c26f5960f228dc0eec9b0cd11eef026209904",
            "https://www.manythings.org/anki/cmn-eng.zip",
            member="cmn.txt",
        ),
    ),
    splits={"all": ("cmn-eng-2021/cmn.txt",)},
    reader=readers_pairs.sentence_pairs,
    note="The site replaces its files over the years: a newer one is refused.",
)

_TATOEBA_ES = DatasetInfo(
    name="tatoeba_es",
    title="Tatoeba, English and Spanish",
    task="seq2seq",
    language="en",
    licence="CC BY 2.0 FR",
    homepage="https://www.manythings.org/anki/",
    files=(
        File(
            "spa-eng.zip",
            2_767_131,
            "f80e581ae291aa34dd3aba7bd98b5e9505234da4318e2f3295df70a1520c7f61",
            "https://storage.googleapis.com/download.tensorflow.org/data/spa-eng.zip",
        ),
    ),
    splits={"all": ("spa-eng.zip",)},
    reader=readers_pairs.sentence_pairs,
    folder="tatoeba",
    note="The text of the TensorFlow tutorial; a zip that is packed otherwise is refused.",
)

_TATOEBA_FR = DatasetInfo(
    name="tatoeba_fr",
    title="Tatoeba, English and French",
    task="seq2seq",
    language="en",
    licence="CC BY 2.0 FR",
    homepage="https://www.manythings.org/anki/",
    files=(
        File(
            "fra-eng.zip",
            2_951_390,
            "16c4f7d0df9e7c5e6c54cdb0447f3f4a18a55052ff5e2e0b27dd4a06c0e49d04",
            "https://www.manythings.org/anki/fra-eng.zip",
        ),
    ),
    splits={"all": ("fra-eng.zip",)},
    reader=readers_pairs.sentence_pairs,
    folder="tatoeba",
    note="The site replaces its files over the years: a newer one is refused.",
)

ENTRIES = (
    _MULTI30K,
    _TATOEBA,
    _TATOEBA_ES,
    _TATOEBA_FR,
)
