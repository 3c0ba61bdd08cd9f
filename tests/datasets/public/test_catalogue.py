"""The catalogues of public sets: every entry is right, and a wrong one says what to write."""

import re
import subprocess
import sys
from functools import partial
from types import UnionType
from typing import get_origin, get_type_hints

import pytest

from kerasllm.datasets import TASKS, info, names
from kerasllm.datasets.public import catalogue
from kerasllm.datasets.public.catalogue import FOLDER, READERS, TOPICS, entries, read_catalogue
from kerasllm.datasets.public.readers.texts import table
from kerasllm.datasets.public.registry import DatasetInfo, File

HASH = "0123456789abcdef" * 4
WEATHER = f"""
[weather]
title = "Weather reports"
task = "classification"
language = "en"
licence = "CC BY 4.0"
homepage = "https://example.org/weather"
base = "https://example.org/data/"
reader = "table"
options = {{ text = [1, 2], label = 0 }}
splits = {{ train = "train-*.csv", test = "test.csv" }}

[weather.files]
"train-a b.csv" = {{ bytes = 1_024, sha256 = "{HASH}" }}
"train-c.csv" = {{ note = "no hash is known", url = "c.csv", sample = {{ path = "part.csv", sha256 = "{HASH}" }} }}
"test.csv" = {{ git_blob = "694aa", url = "https://elsewhere.org/test.csv" }}
"""  # noqa: E501


@pytest.fixture
def read(tmp_path):
    """Return a function that reads the text of a catalogue."""

    def read(text, before=()):
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return read_catalogue(path, before)

    return read


# The entries of this project --------------------------------------------------


def test_every_file_of_the_folder_is_a_topic():
    assert {path.name for path in FOLDER.iterdir()} == {f"{topic}.toml" for topic in TOPICS}


def test_names_are_unique_and_loadable():
    every = names()
    assert len(set(every)) == len(every)
    assert [info(entry.name) for entry in entries()] == list(entries())


def test_readers_go_by_their_names_and_all_are_used():
    assert all(name == reader.__name__ for name, reader in READERS.items())
    used = [entry.reader for entry in entries()]
    used = {reader.func if isinstance(reader, partial) else reader for reader in used}
    assert used == set(READERS.values())


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_fields_have_their_types(entry):
    for one in (entry, *entry.files):
        for name, hint in get_type_hints(type(one)).items():
            kind = hint if isinstance(hint, UnionType) else get_origin(hint) or hint
            assert isinstance(getattr(one, name), kind), name
    texts = (*entry.splits.values(), *entry.documents.values())
    assert all(isinstance(text, str) for group in texts for text in group)
    assert all(isinstance(reason, str) for reason in entry.missing.values())


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_entries_are_right(entry):
    assert entry.task in TASKS
    assert re.fullmatch("[a-z]{2}", entry.language)
    assert entry.licence.strip()
    assert callable(entry.reader)
    assert entry.files
    assert entry.splits
    assert sum(entry.fractions) == pytest.approx(1)
    assert set(entry.documents) <= set(entry.splits)
    for address in (entry.homepage, *(file.url for file in entry.files)):
        assert re.fullmatch(r"https://[\w.-]+/[!-~]*", address)
    samples = [file.sample for file in entry.files if file.sample]
    for file in (*entry.files, *samples):
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) or file.git_blob or "no hash" in file.note
        assert bool(file.sha256) == bool(file.bytes)


def test_importing_data_sets_reads_no_catalogue():
    code = (
        "import kerasllm.datasets; from kerasllm.datasets.public.catalogue import entries; "
        "print(entries.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


# How an entry is read -----------------------------------------------------------


def test_an_entry_becomes_a_dataset_info(read):
    (weather,) = read(WEATHER)
    assert isinstance(weather, DatasetInfo)
    assert weather.files == (
        File("train-a b.csv", 1024, HASH, "https://example.org/data/train-a%20b.csv"),
        File(
            "train-c.csv",
            url="https://example.org/data/c.csv",
            sample=File("part.csv", sha256=HASH),
            note="no hash is known",
        ),
        File("test.csv", git_blob="694aa", url="https://elsewhere.org/test.csv"),
    )
    assert weather.splits == {"train": ("train-a b.csv", "train-c.csv"), "test": ("test.csv",)}
    assert (weather.reader.func, weather.reader.keywords) == (table, {"text": (1, 2), "label": 0})
    assert (weather.fractions, weather.folder_name) == ((0.8, 0.1, 0.1), "weather")


def test_the_entry_at_the_head_of_the_module_is_right(read):
    example = re.search(r"\n    \[weather\].*?(?=\n\n-)", catalogue.__doc__, re.DOTALL)[0]
    shortened = re.compile(r"[0-9a-f]{20}\.\.\.")
    assert len(shortened.findall(example)) == 3
    (weather,) = read(shortened.sub(HASH, example))
    assert weather.splits == {"train": ("train-a.csv", "train-b.csv"), "test": ("test.csv",)}


def test_files_in_an_archive_and_those_of_another_set(read):
    packed = (
        WEATHER.replace('base = "https://example.org/data/"', 'archive = "https://a.org/all.zip"')
        .replace('url = "c.csv"', 'member = "inner/c.csv"')
        .replace(', url = "https://elsewhere.org/test.csv"', "")
    )
    before = read(packed)
    assert {file.url for file in before[0].files} == {"https://a.org/all.zip"}
    members = [file.member for file in before[0].files]
    assert members == ["train-a b.csv", "inner/c.csv", "test.csv"]
    other = WEATHER.split("[weather.files]")[0].replace("[weather]", "[storms]")
    other = other.replace('base = "https://example.org/data/"', 'files_of = "weather"')
    (storms,) = read(other, before)
    assert (storms.files, storms.folder_name) == (before[0].files, "weather")


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        # Keys and their values.
        ('licence = "CC BY 4.0"', "", 'licence is missing: write a line such as licence = "CC'),
        ("licence =", "license =", "unknown key 'license'. Did you mean 'licence'?"),
        ("bytes =", "size =", "file 'train-a b.csv': unknown key 'size'. The keys are bytes,"),
        ('"Weather reports"', "3", 'title must be a text in quotes, "...", received 3'),
        ("1_024", '"1 kB"', "bytes must be a whole number, received '1 kB'"),
        ('{ git_blob = "694aa", url', '"694aa" # ', "expected a table, { key = value }, received"),
        # What the keys name.
        ('"classification"', '"classify"', "expected task to be one of"),
        ('reader = "table"', 'reader = "tabel"', "received 'tabel'. Did you mean 'table'?"),
        ("label = 0", "lable = 0", "missing a required argument: 'label'. It is table(*paths, "),
        ("label = 0", "label = 0, tab = 1", "got an unexpected keyword argument 'tab'"),
        ("{ train =", "{ training =", "expected a split in splits to be one of"),
        ('test = "test.csv"', 'test = "tst.csv"', "no file matches 'tst.csv'; the files are"),
        ('test = "test.csv"', "test = 1", "expected a text in quotes"),
        # Addresses and hashes.
        ("https://example.org/w", "http://e", 'homepage must begin with "https://", received'),
        ("/data/", "/data", 'base must end in "/", received'),
        ('base = "https://example.org/data/"', "", "expected one of base, archive and files_of, r"),
        ('base = "https://example.org/data/"', 'files_of = "rain"', "leave yours out"),
        (HASH, HASH[:-1], "file 'train-a b.csv': sha256 must be 64 of 0-9 and a-f, received"),
        ('note = "no hash is known", ', "", "Where no hash is known, write a note that says so"),
        ('path = "part.csv", ', "", "path is missing"),
    ],
)
def test_a_wrong_entry_says_what_to_write(read, written, instead, message):
    assert written in WEATHER
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        read(WEATHER.replace(written, instead))
    assert str(error.value).startswith("mine.toml, [weather]: ")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("", "mine.toml, [title]: this line stands outside of an entry"),
        ("[weather", "mine.toml is not valid TOML; mend this place: "),
        ("[weather]\n[weather]", "Cannot declare ('weather',) twice (at line 3"),
    ],
)
def test_a_file_of_another_form_says_where(read, head, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read(WEATHER.replace("[weather]", head))


def test_sets_of_other_catalogues_are_known(read):
    before = read(WEATHER)
    with pytest.raises(ValueError, match="another catalogue has a set of this name"):
        read(WEATHER, before)
    other = WEATHER.split("[weather.files]")[0].replace("[weather]", "[storms]")
    other = other.replace('base = "https://example.org/data/"', 'files_of = "wether"')
    with pytest.raises(ValueError, match=r"mine.toml, \[storms\]: .*Did you mean 'weather'\?"):
        read(other, before)
