"""Public sets of sentences and what they mean: actions, logical forms, SQL."""

from functools import partial

from kerasllm.datasets.public.readers import pairs as readers_pairs
from kerasllm.datasets.public.registry import DatasetInfo, files_at

_GITHUB = "https://raw.githubusercontent.com/"

_SCAN_FILES = (
    *files_at(
        _GITHUB + "brendenlake/SCAN/c4b756cbc010d75c912f16c42c8f15dc6b7e6c8f/",
        (
            "simple_split/tasks_train_simple.txt",
            3_267_938,
            "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
        ),
        (
            "simple_split/tasks_test_simple.txt",
            812_450,
            "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
        ),
        (
            "length_split/tasks_train_length.txt",
            2_723_418,
            "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2",
        ),
        (
            "length_split/tasks_test_length.txt",
            1_356_970,
            "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3",
        ),
        (
            "add_prim_split/tasks_train_addprim_jump.txt",
            2_579_619,
            "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23",
        ),
        (
            "add_prim_split/tasks_test_addprim_jump.txt",
            1_531_555,
            "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5",
        ),
        (
            "add_prim_split/tasks_train_addprim_turn_left.txt",
            3_974_537,
            "1b3fed86055dd7689d217f1b90cc8960aeb1cf200f4f209dc47935761b05304c",
        ),
        (
            "add_prim_split/tasks_test_addprim_turn_left.txt",
            173_679,
            "15a82c2d25ac7c3c1fff7e18051fb085974ef3617de895c520d02144396a10e2",
        ),
    ),
)
_SCAN = DatasetInfo(
    name="scan",
    title="SCAN, commands into actions",
    task="seq2seq",
    language="en",
    licence="BSD",
    homepage="https://github.com/brendenlake/SCAN",
    files=_SCAN_FILES,
    splits={
        "train": (
            "simple_split/tasks_train_simple.txt",
            "length_split/tasks_train_length.txt",
            "add_prim_split/tasks_train_addprim_jump.txt",
            "add_prim_split/tasks_train_addprim_turn_left.txt",
        ),
        "test": (
            "simple_split/tasks_test_simple.txt",
            "length_split/tasks_test_length.txt",
            "add_prim_split/tasks_test_addprim_jump.txt",
            "add_prim_split/tasks_test_addprim_turn_left.txt",
        ),
    },
    reader=readers_pairs.scan,
    note="The simple split unless told otherwise.",
)

_GEO880_FILES = (
    *files_at(
        _GITHUB + "arunchaganty/nn-semparse/d53c4f17e5bf225f82b9b19a67cda175fef03a7e/data/geo880/",
        (
            "processed/geo880_train600.tsv",
            83_739,
            "0af450149e9255010ed8ded63e09bc50e762c24f99652ad7b043f162a4375302",
        ),
        (
            "processed/geo880_test280.tsv",
            39_401,
            "f7f1acbbb018a0dd862cc1867cedd985ad4e35e98958f6163dbac51856f931c9",
        ),
    ),
)
_GEO880 = DatasetInfo(
    name="geo880",
    title="GeoQuery 880, questions into logical forms",
    task="seq2seq",
    language="en",
    licence="not stated (University of Texas)",
    homepage="https://www.cs.utexas.edu/users/ml/geo.html",
    files=_GEO880_FILES,
    splits={"train": ("processed/geo880_train600.tsv",), "test": ("processed/geo880_test280.tsv",)},
    reader=partial(readers_pairs.columns, source=0, target=1),
    note="Forms in the style of Prolog, in tokens; names of places are in them as they are asked.",
)

_ATIS_LOGIC_FILES = (
    *files_at(
        _GITHUB + "arunchaganty/nn-semparse/d53c4f17e5bf225f82b9b19a67cda175fef03a7e/data/atis/",
        (
            "processed/atis_train.tsv",
            840_887,
            "73c22fdb4ae2c8366f0b0404f6488efee744b4fde922dc010531424362ca3227",
        ),
        (
            "processed/atis_dev.tsv",
            93_388,
            "33654bd9babb1bd0eb4fbc8edfa814ad7f7984b0d188d0811e185fec910ae350",
        ),
        (
            "processed/atis_test.tsv",
            74_350,
            "5f5c6bdb3bcc282c32e504962bab8cbc778954f9dae58c3456b11c00c0098a99",
        ),
    ),
)
_ATIS_LOGIC = DatasetInfo(
    name="atis_logic",
    title="ATIS, questions into lambda calculus",
    task="seq2seq",
    language="en",
    licence="not stated (the text comes from the LDC)",
    homepage="https://github.com/arunchaganty/nn-semparse",
    files=_ATIS_LOGIC_FILES,
    splits={
        "train": ("processed/atis_train.tsv",),
        "validation": ("processed/atis_dev.tsv",),
        "test": ("processed/atis_test.tsv",),
    },
    reader=readers_pairs.lambda_forms,
    note="229 published test forms lack their last bracket, and name variables otherwise: mended.",
)

_GEOQUERY_FILES = (
    *files_at(
        _GITHUB + "jkkummerfeld/text2sql-data/5050bad2309a93636ea4788d3660c9202bf11e0e/data/",
        (
            "geography.json",
            306_096,
            "b20ad8ed357029c9efa49aa64434729f624591850f66b1137cabcc0e45273c1b",
        ),
    ),
)
_GEOQUERY_SQL = DatasetInfo(
    name="geoquery_sql",
    title="GeoQuery, questions into SQL",
    task="seq2seq",
    language="en",
    licence="not stated",
    homepage="https://github.com/jkkummerfeld/text2sql-data",
    files=_GEOQUERY_FILES,
    splits={name: ("geography.json",) for name in ("train", "validation", "test")},
    reader=readers_pairs.geography,
    documents={"train": ("train",), "validation": ("dev",), "test": ("test",)},
    note="Split by question unless told otherwise (then forms of queries stand on both sides).",
)

ENTRIES = (
    _SCAN,
    _GEO880,
    _ATIS_LOGIC,
    _GEOQUERY_SQL,
)
