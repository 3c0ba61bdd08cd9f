"""The nearest name is suggested, and nothing when none is near."""

import errno
import os
import subprocess
import sys

import pytest

from kerasllm.utils.errors import enough_memory, home_known, nearest, refused, writing


def test_nearest():
    choices = ("character", "word", "bpe", "wordpiece")
    assert nearest("BPE", choices) == " Did you mean 'bpe'?"
    assert nearest("charcter", choices) == " Did you mean 'character'?"
    assert nearest("xyz", choices) == ""
    assert nearest("anything", ()) == ""
    assert nearest("wiki-text", ["WikiText-2", "ptb"]) == " Did you mean 'WikiText-2'?"


def test_import_is_light():
    code = (
        "import sys, kerasllm.text; heavy = {'keras', 'tensorflow', 'nltk', 'tokenizers', 'rich',"
        "'sklearn', 'jieba'}; print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "free some space, or set PLACE"),
        (errno.EDQUOT, "free some space, or set PLACE"),
        (errno.EROFS, "mend the permissions, or set PLACE"),
        (errno.EACCES, "mend the permissions, or set PLACE"),
        (errno.EMFILE, "allow more open files, `ulimit -n 4096`, or close some"),
        (errno.EIO, "set PLACE"),
    ],
)
def test_what_cannot_be_written_names_the_cure(number, cure):
    with pytest.raises(OSError) as error, writing("the text", "set PLACE"):
        raise OSError(number, os.strerror(number))
    assert str(error.value) == f"the text cannot be written ({os.strerror(number)}): {cure}."
    assert refused(error.value) is None  # it was said


def test_what_was_said_is_not_said_again():
    with pytest.raises(OSError, match=r"^a cannot be written") as error, writing("b"), writing("a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "b" not in str(error.value).split(" ")
    with pytest.raises(OSError, match=r"^b cannot be written \(full: /x/a\): free"), writing("b"):
        raise OSError(errno.ENOSPC, "full", "/x/a")


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (OSError(errno.EMFILE, "Too many open files", "a.py"), "ulimit -n 4096"),
        (ImportError("libx.so: cannot open shared object: Too many open files"), "ulimit -n"),
        (OSError(errno.ENOSPC, "No space left on device"), "free some space, or set TMPDIR"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 7 bytes"), "--batch-size"),
        (MemoryError(), "--batch-size"),
    ],
)
def test_an_error_from_elsewhere_is_told_with_its_cure(error, cure):
    assert cure in refused(error)
    assert refused(ValueError("expected a file")) is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 3.64 TiB for an array"),
        RuntimeError("Graph execution error:\n\nMemoryError: Unable to allocate 3.64 TiB\n at x"),
        RuntimeError("[enforce fail at x.cpp] . DefaultCPUAllocator: can't allocate memory: you"),
    ],
)
def test_too_little_memory_names_the_flags(error):
    with pytest.raises(MemoryError, match=r"--batch-size or --length") as found, enough_memory():
        raise error
    assert "3.64 TiB" not in str(error) or "3.64 TiB" in str(found.value)
    with pytest.raises(MemoryError) as again, enough_memory():
        raise found.value
    assert again.value is found.value


def test_other_errors_are_not_about_memory():
    with pytest.raises(ValueError, match=r"^of the data$"), enough_memory():
        raise ValueError("of the data")


def test_without_a_home_folder_nltk_names_the_variable():
    with pytest.raises(OSError, match="set NLTK_DATA, or HOME, to a folder"), home_known():
        raise ValueError("Could not find a default download directory")
    with pytest.raises(ValueError, match="another"), home_known():
        raise ValueError("another")
