import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from kerasllm.utils import files
from kerasllm.utils.files import HOST, is_written, left_of, part_of, sweep, whole_file, whole_path


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_gets_the_mode_that_the_umask_gives(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with whole_file(tmp_path / "a.txt") as file:
            file.write("é")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode
    assert (tmp_path / "a.txt").read_bytes() == "é".encode()


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()])
def test_an_error_leaves_the_file_that_was_there(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), whole_file(path, "wb") as file:
        file.write(b"new")
        raise error
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_read_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_what_is_put_in_place_is_on_the_disk_before(tmp_path, monkeypatch):
    done, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append(os.fstat(file).st_ino))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("moved"), replace(*paths)))
    with whole_path(tmp_path / "a.bin") as part:
        part.write_bytes(b"new")
    assert done == [(tmp_path / "a.bin").stat().st_ino, "moved", tmp_path.stat().st_ino]


def test_a_part_keeps_the_suffix_by_which_a_writer_knows_the_format(tmp_path):
    part = part_of(tmp_path / "model.v2.keras")
    assert (part.suffix, part.parent) == (".keras", tmp_path)


def killed(folder, name):
    """Let a process die in the middle of writing a file."""
    code = """
import os, sys
from pathlib import Path
from kerasllm.utils.files import whole_path
with whole_path(Path(sys.argv[1])) as part:
    part.write_text("half")
    os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code, str(folder / name)], check=False)


def test_parts_of_processes_that_ended_are_swept(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    killed(tmp_path, "model.keras")
    killed(tmp_path / "checkpoint", "last.npz")
    (tmp_path / "corpus.999999@elsewhere.part").mkdir()
    kept = ["a.part", "model.keras", "my.part.txt", part_of(tmp_path / "metrics.json").name]
    kept += ["b.12345@elsewhere.part.json"]
    for name in kept:
        (tmp_path / name).write_text("of someone")
    gone = [*sweep(tmp_path), *sweep(tmp_path / "checkpoint")]
    assert len(gone) == 2 and all(str(os.getpid()) not in path.name for path in gone)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"checkpoint", "corpus.999999@elsewhere.part", *kept}
    assert not list((tmp_path / "checkpoint").iterdir())


def test_a_part_that_is_a_day_old_is_nobodys(tmp_path):
    old = [tmp_path / name for name in ("b.12345@elsewhere.part.json", "c.1@elsewhere.part")]
    old[0].write_text("half")
    old[1].mkdir()
    (old[1] / "tokens.bin").write_bytes(b"half")
    for path in old:
        os.utime(path, (0, 0))
    new = tmp_path / "d.1@elsewhere.part"
    new.touch()
    assert sorted(sweep(tmp_path)) == sorted(old) and list(tmp_path.iterdir()) == [new]


def test_parts_of_earlier_versions_are_known(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = [f"last.npz.{ended.pid}.part", f"model.{ended.pid}@{HOST}.part.keras"]
    for name in names:
        (tmp_path / name).touch()
    assert {path.name for path in sweep(tmp_path)} == set(names)


def test_a_process_is_alive_or_not():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert files.is_alive(os.getpid()) and files.is_alive(1) and not files.is_alive(ended.pid)


def test_two_threads_write_one_file_and_each_writes_it_whole(tmp_path):
    path = tmp_path / "a.txt"
    with ThreadPoolExecutor(1) as pool, whole_path(path) as mine:
        mine.write_text("mine")
        other = pool.submit(part_of, path).result()
        assert other != mine and is_written(other) and is_written(mine)
        pool.submit(_write, path).result()
        assert path.read_text() == "theirs" and mine.read_text() == "mine"
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


def _write(path):
    with whole_path(path) as part:
        part.write_text("theirs")


def test_what_is_left_of_a_file_is_its_own_alone(tmp_path):
    for name in (f"a.{2**23}@{HOST}.part.b", f"a.b.{2**23}@{HOST}.part.b", f"[a].{2**23}.part.b"):
        (tmp_path / name).write_text("left")
    assert [p.name for p in left_of(tmp_path / "a.b")] == [f"a.{2**23}@{HOST}.part.b"]
    assert [p.name for p in left_of(tmp_path / "[a].b")] == [f"[a].{2**23}.part.b"]
    assert left_of(tmp_path / "no" / "a.b") == []
