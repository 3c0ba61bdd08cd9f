import subprocess
import sys
from pathlib import Path

import pytest

from kerasllm.datasets import names
from kerasllm.datasets.public.registry import cache_folder, folders
from kerasllm.datasets.show import describe, list_table


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KERASLLM_DATA", raising=False)


def test_table_lists_every_set(nowhere):
    rows = list_table()
    assert [row["name"] for row in rows] == names()
    here = {row["name"]: row["here"] for row in rows}
    assert (here["docstrings"], here["sms_spam"]) == ("yes", "download")
    assert {row["size"] for row in rows if row["name"] == "sst2"} == {"3.9 MB"}


def test_a_set_that_is_not_here_is_described_without_a_download(nowhere, tmp_path):
    text = describe("sms_spam")
    assert "kerasllm data get sms_spam" in text
    assert "CC BY 4.0" in text
    assert str(tmp_path / "cache") in text
    assert not (tmp_path / "cache").exists()


def test_a_real_set(data_root):
    text = describe("sms_spam")
    assert "train: 4,128 examples" in text
    assert "ham 3,614, spam 514" in text
    assert "test examples that stand in train too: 0 exact and 6 near duplicates in 516" in text
    assert "duplicates_removed: 414" in text
    assert text.index("Examples:") < len(text) - 100


def test_names_and_answers_are_shown():
    text = describe("places_en")
    assert "tokens; names: LOC" in text
    assert "/B-" in text.split("Examples:")[1]
    assert " | " in describe("facts_en").split("Examples:")[1]


def test_a_file_of_your_own(tmp_path):
    path = tmp_path / "mail.csv"
    path.write_text("text,label\n" + "".join(f"mail {i},{'ab'[i % 2]}\n" for i in range(40)))
    text = describe(path)
    assert "train: 32 examples" in text
    assert "stratified 80% / 10% / 10% with seed 0" in text


def test_cache_folder_follows_the_platform(monkeypatch):
    monkeypatch.delenv("KERASLLM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setenv("LOCALAPPDATA", "C:/local")
    for platform, expected in (("linux", "/x/kerasllm"), ("win32", "C:/local/kerasllm")):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder().as_posix() == expected
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder().as_posix().endswith("Library/Caches/kerasllm")


def test_without_a_home_folder_the_cure_is_named(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("KERASLLM_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "KERASLLM_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OSError, match=r"no home folder to keep a cache in: set KERASLLM_CACHE to"):
        cache_folder()
    monkeypatch.setenv("KERASLLM_DATA", "/data")
    assert folders("sst2") == [Path("/data/sst2")]


def test_importing_is_light():
    code = (
        "import sys, kerasllm.datasets; "
        "heavy = {'keras', 'tensorflow', 'nltk', 'sklearn', 'rich', 'tokenizers'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_text_file_is_described_as_pretrain_divides_it(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\n".join(f"line {i:03}" for i in range(100)))
    text = describe(path)
    assert "train: 90 examples" in text and "validation: 10 examples" in text
    assert "the last tenth of its tokens is held out" in text and "test:" not in text
    assert "test: 10 examples" in describe(f"{path}?documents=line")  # as options ask for
