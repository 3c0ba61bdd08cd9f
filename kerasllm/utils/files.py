"""Files that are written whole or not at all."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def whole_file(path, mode="w"):
    r"""Open a file beside `path`, which takes its place when the block ends without an error.

    A process killed at any moment leaves the file that was there before. The new one may be read
    by whomever the umask allows, which files made by `tempfile` may not.

    Args:
        path: where the file is to be.
        mode: "w" for UTF-8 text, "wb" for bytes.

    Raises:
        OSError: when it cannot be written; the old file stays.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(f"{folder}/a.txt") as file:
        ...         print("first", file=file)
        ...     Path(folder, "a.txt").read_text()
        'first\n'
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
