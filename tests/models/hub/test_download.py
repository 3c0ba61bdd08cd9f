"""The hub, as a server on this machine: names, revisions, cache, and what goes wrong."""

import contextlib
import http.server
import threading
import time

import numpy as np
import pytest

from kerasllm.models.hub import load_checkpoint
from kerasllm.utils.hub import fetching as download

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "someone/tiny-bert"
pytest.importorskip("huggingface_hub", reason="needs the extra hub")


class Hub:
    """Files of one model, served as the hub serves them."""

    def __init__(self, files):
        self.files, self.asked, self.cut, self.status, self.endless = files, [], {}, {}, set()

    def answer(self, handler):
        """Answer GET and HEAD of /NAME/resolve/REVISION/FILE."""
        self.asked.append((handler.command, handler.path))
        name, _, rest = handler.path.lstrip("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        code, error = 200, None
        if name != NAME:
            code, error = 404, "RepoNotFound"
        elif revision not in ("main", "v2", COMMIT):
            code, error = 404, "RevisionNotFound"
        elif file not in self.files:
            code, error = 404, "EntryNotFound"
        code = self.status.get(file, code)
        content = self.files.get(file, b"") if code == 200 else b""
        handler.send_response(code)
        endless = file in self.endless
        if not endless:
            handler.send_header("Content-Length", str(len(content)))
        handler.send_header("X-Repo-Commit", COMMIT)
        handler.send_header("ETag", f'"{abs(hash(content)):x}"')
        if error:
            handler.send_header("X-Error-Code", error)
        handler.end_headers()
        if handler.command == "GET":
            with contextlib.suppress(ConnectionError):
                handler.wfile.write(content[: self.cut.get(file)])
                for _ in range(1000 * endless):
                    handler.wfile.write(bytes(10**6))


@pytest.fixture
def hub(checkpoint, monkeypatch, tmp_path):
    """Serve a random BERT, and let the client look there, with an empty cache."""
    folder, _, tensors = checkpoint("bert")
    hub = Hub({path.name: path.read_bytes() for path in folder.iterdir()})
    hub.tensors = tensors

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hub.answer(self)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the client's own retries
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_name_is_fetched_once(hub):
    backbone, tokenizer, info = load_checkpoint(NAME)
    table = hub.tensors["embeddings.word_embeddings.weight"]
    assert np.array_equal(np.asarray(backbone.embedding.embeddings), table)
    assert tokenizer is None
    assert info.source == f"{NAME} at {COMMIT[:12]}"
    fetched = [path for command, path in hub.asked if command == "GET"]
    assert sum(path.endswith("model.safetensors") for path in fetched) == 1
    assert not any("pytorch_model" in path for path in fetched)
    hub.asked.clear()
    load_checkpoint(NAME)
    assert not any(path.endswith("model.safetensors") for c, path in hub.asked if c == "GET")


def test_all_files_come_from_one_commit(hub):
    load_checkpoint(NAME)
    revisions = [path.split("/resolve/")[1].split("/")[0] for _, path in hub.asked]
    assert revisions[0] == "main"
    assert set(revisions[2:]) <= {COMMIT, "main"}
    assert all(f"/{COMMIT}/" in path for _, path in hub.asked if not path.endswith("config.json"))


def test_a_revision(hub):
    load_checkpoint(NAME, revision="v2")
    assert "/v2/config.json" in hub.asked[0][1]
    with pytest.raises(FileNotFoundError, match="no revision 'v3' of someone/tiny-bert"):
        load_checkpoint(NAME, revision="v3")


def test_the_cache_serves_without_the_hub(hub, monkeypatch):
    load_checkpoint(NAME)
    hub.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    _, _, info = load_checkpoint(NAME)
    assert info.source.startswith(NAME)
    assert hub.asked == []
    with pytest.raises(ConnectionError, match="other/model is not in the cache, and the hub"):
        load_checkpoint("other/model")


def test_no_connection(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match=r"the hub cannot be reached .* the folder's path"):
        load_checkpoint(NAME)


def test_a_hub_that_never_answers_is_given_up(hub, monkeypatch):
    """A name server may keep silent for longer than any limit of the client's."""
    monkeypatch.setattr(download, "SECONDS", 0.2)
    load_checkpoint(NAME)
    silent = threading.Event()
    library = download._library()
    monkeypatch.setattr(library, "get_hf_file_metadata", lambda *_, **__: silent.wait(20))
    began = time.monotonic()
    _, _, info = load_checkpoint(NAME)  # from the cache
    assert info.source.startswith(NAME)
    with pytest.raises(ConnectionError, match="other/model is not in the cache"):
        download.find("other/model")
    assert time.monotonic() - began < 5
    silent.set()


def test_a_file_without_a_size_has_a_limit(hub, monkeypatch):
    monkeypatch.setattr(download, "MOST", 10**6)
    hub.endless.add("model.safetensors")
    with pytest.raises(OSError, match="it is larger than the 1,000,000 bytes that were"):
        load_checkpoint(NAME)


def test_no_such_model(hub):
    with pytest.raises(FileNotFoundError, match="no model 'someone/tiny-brt', neither as a folder"):
        load_checkpoint("someone/tiny-brt")
    with pytest.raises(FileNotFoundError, match="nor a name that the hub could have"):
        load_checkpoint("some one/tiny bert")


def test_a_model_of_pickles_is_refused_unfetched(hub):
    hub.files["pytorch_model.bin"] = hub.files.pop("model.safetensors")
    with pytest.raises(ValueError, match=r"has no model.safetensors: pickles .* are refused"):
        load_checkpoint(NAME)
    assert not any(path.endswith(".bin") for _, path in hub.asked)


def test_a_model_without_config(hub):
    del hub.files["config.json"]
    with pytest.raises(FileNotFoundError, match=r"someone/tiny-bert has no config\.json"):
        load_checkpoint(NAME)


def test_a_model_in_parts(hub):
    import json

    index = {"weight_map": dict.fromkeys(hub.tensors, "part.safetensors")}
    hub.files["part.safetensors"] = hub.files.pop("model.safetensors")
    hub.files["model.safetensors.index.json"] = json.dumps(index).encode()
    backbone, _, _ = load_checkpoint(NAME)
    table = hub.tensors["embeddings.word_embeddings.weight"]
    assert np.array_equal(np.asarray(backbone.embedding.embeddings), table)


def test_a_download_that_breaks_off(hub):
    hub.cut["model.safetensors"] = 100
    with pytest.raises(OSError, match=r"the download of someone/tiny-bert broke off .* run the"):
        load_checkpoint(NAME)
    hub.cut.clear()
    load_checkpoint(NAME)


def test_a_server_in_trouble(hub):
    hub.status["config.json"] = 403
    with pytest.raises(OSError, match=r"someone/tiny-bert"):
        load_checkpoint(NAME)


def test_what_is_a_path_is_not_looked_up(hub, tmp_path):
    for source in (tmp_path / "nowhere", "./nowhere", "a/b/c"):
        with pytest.raises(FileNotFoundError, match="there is none at"):
            download.find(source)
    assert hub.asked == []
