"""Downloads against a server on this machine that misbehaves as servers do."""

import errno
import hashlib
import io
import os
import re
import tarfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kerasllm.datasets import DownloadError, HashMismatchError, UnverifiedError
from kerasllm.datasets.examples import Text
from kerasllm.datasets.public import download
from kerasllm.datasets.public.download import fetch, fetch_members
from kerasllm.datasets.public.loading import get_files, get_public, is_here, load_public
from kerasllm.datasets.public.readers.texts import line_texts
from kerasllm.datasets.public.registry import DatasetInfo, File
from kerasllm.utils.files import HOST, part_of

CONTENT = bytes(range(256)) * 1031  # longer than several chunks
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves `files`; `faults[path]` is a list of what goes wrong in the requests to come."""

    def __init__(self):
        self.files, self.faults, self.log = {"/a.bin": CONTENT}, {}, []
        self.ranges, self.stop = True, threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                with suppress(ConnectionError):  # the client may hang up
                    outer.answer(self)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, handler):
        asked = handler.headers.get("Range", "")
        self.log.append((handler.path, asked))
        faults = self.faults.get(handler.path, [])
        fault = faults.pop(0) if faults else ""
        body = self.files.get(handler.path)
        if body is None or fault.startswith("status "):
            return handler.send_error(int((fault or "status 404").split()[1]))
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.ranges else 0
        if start and start >= len(body):
            return handler.send_error(416)
        handler.send_response(206 if start else 200)
        if fault != "endless":
            handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        rest = body[start:]
        if fault == "truncate":
            rest = rest[: len(rest) // 2]
        if fault == "stall":
            handler.wfile.write(rest[: len(rest) // 3])
            handler.wfile.flush()
            return self.stop.wait(10)
        if fault == "lie":
            rest = b"x" + rest[1:]
        handler.wfile.write(rest)
        for _ in range(100 * (fault == "endless")):
            handler.wfile.write(bytes(10**5))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    server = Server()
    yield server
    server.stop.set()
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def wanted(server):
    return File("a.bin", len(CONTENT), SHA, server.url + "/a.bin")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "a.bin"


def get(file, target, **options):
    return fetch(file, target, **{"timeout": 0.3, "progress": False, **options})


def test_a_file_arrives_whole_and_nothing_else(wanted, target):
    assert get(wanted, target) == target
    assert target.read_bytes() == CONTENT
    assert os.listdir(target.parent) == ["a.bin"]


def test_progress_is_shown_on_stderr(wanted, target, capsys):
    get(wanted, target, progress=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fault", ["truncate", "stall", "status 503"])
def test_an_interruption_is_resumed_where_it_ended(server, wanted, target, fault):
    server.faults["/a.bin"] = ["truncate", fault]
    get(wanted, target)
    assert target.read_bytes() == CONTENT
    first, second, third = (asked for _, asked in server.log)
    assert (first, second) == ("", f"bytes={len(CONTENT) // 2}-")
    assert int(re.findall(r"\d+", third)[0]) >= len(CONTENT) // 2


def test_a_server_without_ranges_sends_all_again(server, wanted, target):
    server.ranges = False
    server.faults["/a.bin"] = ["truncate"]
    get(wanted, target)
    assert target.read_bytes() == CONTENT


def test_a_piece_of_an_earlier_run_is_taken_up(server, wanted, target):
    target.parent.mkdir()
    target.with_name("a.bin.part").write_bytes(CONTENT[:1000])
    get(wanted, target)
    assert target.read_bytes() == CONTENT
    assert server.log == [("/a.bin", "bytes=1000-")]


GONE = 2**22 + 1  # more than the numbers that processes have


def test_the_largest_piece_of_those_who_are_gone_is_taken_up(server, wanted, target):
    target.parent.mkdir()
    for number, size in enumerate((10, 1000, 100)):
        left = target.with_name(f"a.{GONE + number}-7@{HOST}.part.bin")
        left.write_bytes(CONTENT[:size])
    others = ["b.bin.part", f"a.b.{GONE}@{HOST}.part.bin", f"a.{os.getppid()}-7@{HOST}.part.bin"]
    for name in others:
        target.with_name(name).write_bytes(b"another's")
    get(wanted, target)
    assert target.read_bytes() == CONTENT
    assert server.log == [("/a.bin", "bytes=1000-")]
    assert sorted(os.listdir(target.parent)) == sorted(["a.bin", *others])


def test_two_at_once_are_not_in_each_others_way(server, wanted, target):
    server.faults["/a.bin"] = ["truncate"] * 2
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: get(wanted, target).read_bytes(), range(6)))
    assert found == [CONTENT] * 6
    assert os.listdir(target.parent) == ["a.bin"]
    whole = [asked for _, asked in server.log if not asked]
    assert len(whole) == 6  # nobody went on with what another was writing


def test_two_at_once_unpack_the_same_archive(server, tmp_path):
    server.files["/a.zip"] = zipped({"in/a.txt": CONTENT})
    file = File("a.txt", len(CONTENT), SHA, f"{server.url}/a.zip", member="in/a.txt")
    with ThreadPoolExecutor(6) as pool:
        for _ in pool.map(lambda _: fetch_members([file], tmp_path, progress=False), range(6)):
            pass
    assert os.listdir(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_bytes() == CONTENT


@pytest.mark.parametrize("piece", [CONTENT, CONTENT + b"more", b"another version"])
def test_a_piece_that_is_complete_or_of_another_version(server, wanted, target, piece):
    target.parent.mkdir()
    target.with_name("a.bin.part").write_bytes(piece)
    get(wanted, target)
    assert target.read_bytes() == CONTENT
    assert os.listdir(target.parent) == ["a.bin"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("truncate", r"in 2 tries: the connection ended after [\d,]+ of 263,936 bytes"),
        ("stall", r"in 2 tries: no byte came for 0.1 seconds"),
        ("status 503", r"in 2 tries: the server answered 503"),
    ],
)
def test_giving_up_keeps_the_piece_and_says_why(server, wanted, target, fault, message):
    server.faults["/a.bin"] = [fault] * 2
    with pytest.raises(DownloadError, match=message):
        get(wanted, target, timeout=0.1, attempts=2)
    assert not target.exists()
    assert part_of(target).exists() == (fault != "status 503")


def test_a_lie_about_the_content_is_refused_with_both_hashes(server, wanted, target):
    server.faults["/a.bin"] = ["lie"]
    received = hashlib.sha256(b"x" + CONTENT[1:]).hexdigest()
    with pytest.raises(HashMismatchError) as error:
        get(wanted, target)
    assert SHA in str(error.value)
    assert received in str(error.value)
    assert os.listdir(target.parent) == []


def test_more_bytes_than_expected_are_not_collected(server, wanted, target):
    server.files["/a.bin"] = CONTENT * 20
    with pytest.raises(HashMismatchError):
        get(wanted, target)
    assert os.listdir(target.parent) == []


def test_a_file_of_unknown_size_has_a_limit(server, target, monkeypatch):
    monkeypatch.setattr(download, "MOST", 10**6)
    server.faults["/a.bin"] = ["endless"]
    with pytest.raises(DownloadError, match=r"is larger than 1,000,000 bytes, and no size of it"):
        get(File("a.bin", 0, "", server.url + "/a.bin"), target)
    assert not list(target.parent.iterdir())


def test_a_member_of_unknown_size_has_a_limit(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST", 10**6)
    server.files["/x.arc"] = zipped({"one": bytes(10**7)})
    file = File("one", 0, "", server.url + "/x.arc", member="one")
    with pytest.raises(DownloadError, match=r"one of http.* is larger than 1,000,000 bytes"):
        fetch_members([file], tmp_path / "set", progress=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_not_found_and_forbidden_are_not_tried_again(server, wanted, target):
    server.faults["/a.bin"] = ["status 403"]
    with pytest.raises(DownloadError, match="403 Forbidden"):
        get(wanted, target)
    del server.files["/a.bin"]
    with pytest.raises(DownloadError, match=r"answered 404 .*KERASLLM_DATA"):
        get(wanted, target)
    assert len(server.log) == 2


def test_no_server(target):
    file = File("a.bin", 1, SHA, "http://127.0.0.1:9/a.bin")
    with pytest.raises(DownloadError, match=r"127.0.0.1:9 cannot be reached"):
        get(file, target, attempts=1)
    with pytest.raises(DownloadError, match="Only http and https"):
        get(File("a.bin", 1, SHA, "file:///etc/hostname"), target)


def test_unwritable_folder_and_full_disk(wanted, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"could not be written .*KERASLLM_CACHE"):
        get(wanted, tmp_path / "file" / "a.bin")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_copy", full)
    with pytest.raises(DownloadError, match="disk is full"):
        get(wanted, tmp_path / "a.bin")


# Archives --------------------------------------------------------------------


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members, link=None):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/hostname"
            archive.addfile(entry)
    return stream.getvalue()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_only_the_named_members_are_unpacked(server, tmp_path, pack):
    members = {"deep/one": b"1", "../../evil": b"2", "two": CONTENT}
    server.files["/x.arc"] = pack(members)
    url = server.url + "/x.arc"
    files = [
        File("new/1.txt", 1, hashlib.sha256(b"1").hexdigest(), url, member="deep/one"),
        File("2.txt", len(CONTENT), SHA, url, member="two"),
    ]
    fetch_members(files, tmp_path / "set", progress=False)
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert found == ["set/2.txt", "set/new/1.txt"]
    assert (tmp_path / "set/2.txt").read_bytes() == CONTENT
    assert len(server.log) == 1


def test_bad_archives(server, tmp_path):
    url = server.url + "/x.arc"
    file = File("one", 4, hashlib.sha256(b"good").hexdigest(), url, member="one")
    cases = [
        (b"no archive", DownloadError, "not a readable archive"),
        (zipped({"other": b"1"}), DownloadError, r"holds no file 'one'; it holds \['other'\]"),
        (tarred({}, link="one"), DownloadError, "holds no file 'one'"),
        (zipped({"one": b"evil"}), HashMismatchError, "refused"),
        (zipped({"one": b"0" * 10**8}), HashMismatchError, r"\(5 bytes\)"),  # a bomb, cut off
    ]
    for content, error, message in cases:
        server.files["/x.arc"] = content
        with pytest.raises(error, match=message):
            fetch_members([file], tmp_path / "set", progress=False)
        assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


# Whole sets ------------------------------------------------------------------


@pytest.fixture
def toy(server, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERASLLM_DATA", str(tmp_path / "data"))
    train, test = b"a\nb\n" * 20 + bytes(range(65, 91)).replace(b"Z", b"\n"), b"c\nd\n"
    server.files.update({"/train.txt": train, "/test.txt": test})
    files = tuple(
        File(name, len(body), hashlib.sha256(body).hexdigest(), f"{server.url}/{name}")
        for name, body in (("train.txt", train), ("test.txt", test))
    )
    return DatasetInfo(
        "toy", "Toy", "language_model", "en", "none", "", files,
        {"train": ("train.txt",), "test": ("test.txt",)}, line_texts,
    )  # fmt: skip


def test_a_set_is_downloaded_once_and_only_what_is_needed(server, toy, tmp_path):
    assert not is_here(toy)
    assert list(load_public(toy, "test", progress=False)) == [Text("c"), Text("d")]
    load_public(toy, "test", progress=False)
    assert [path for path, _ in server.log] == ["/test.txt"]
    assert get_public(toy, progress=False) == tmp_path / "cache" / "toy"
    assert is_here(toy)


def test_the_folder_of_data_goes_before_the_cache(server, toy, tmp_path):
    (tmp_path / "data/toy").mkdir(parents=True)
    (tmp_path / "data/toy/test.txt").write_bytes(b"c\nd\n")
    load_public(toy, "test", progress=False)
    assert server.log == []
    (tmp_path / "data/toy/test.txt").write_bytes(b"c\nD\n")
    with pytest.raises(HashMismatchError, match="refused"):
        load_public(toy, "test", progress=False)


def test_a_file_of_unknown_hash_needs_consent_and_is_watched_after(server, toy, tmp_path):
    blind = File("blind.txt", 0, "", server.url + "/train.txt", note="nobody hashed it")
    for attempt in (False, True):
        with pytest.raises(UnverifiedError, match=r"nobody hashed it.*allow_unverified=True"):
            get_files(toy, [blind], progress=False)
        if attempt:  # laid there by hand
            (tmp_path / "data/toy").mkdir(parents=True)
            (tmp_path / "data/toy/blind.txt").write_bytes(b"x")
    assert server.log == []
    (tmp_path / "data/toy/blind.txt").unlink()
    [(path, _)] = get_files(toy, [blind], allow_unverified=True, progress=False)
    assert get_files(toy, [blind], progress=False) == [(path, blind)]
    path.write_bytes(b"changed")
    with pytest.raises(HashMismatchError):
        get_files(toy, [blind], progress=False)


def test_a_sample_stands_in_only_where_the_whole_is_not(server, toy, tmp_path):
    sample = File("part.txt", 1, hashlib.sha256(b"p").hexdigest(), "", note="a part")
    whole = File("whole.txt", len(CONTENT), SHA, server.url + "/a.bin", sample=sample)
    folder = tmp_path / "data/toy"
    folder.mkdir(parents=True)
    (folder / "part.txt").write_bytes(b"p")
    assert get_files(toy, [whole], progress=False) == [(folder / "part.txt", sample)]
    (tmp_path / "cache/toy").mkdir(parents=True)
    (tmp_path / "cache/toy/whole.txt").write_bytes(CONTENT)
    assert get_files(toy, [whole]) == [(tmp_path / "cache/toy/whole.txt", whole)]


def test_a_git_blob_id_verifies_too(server, toy, tmp_path):
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    file = File("blob.bin", 0, "", server.url + "/a.bin", git_blob=blob)
    get_files(toy, [file], progress=False)
    (tmp_path / "cache/toy/blob.bin").write_bytes(b"other")
    with pytest.raises(HashMismatchError, match=f"git blob id {blob}"):
        get_files(toy, [file], progress=False)
