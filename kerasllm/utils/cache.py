"""Where what was fetched is kept."""

import os
import sys
from pathlib import Path

from kerasllm.utils.errors import IN_THE_CACHE


def cache_folder():
    """Return the folder for downloads: `$KERASLLM_CACHE`, or the platform's cache folder.

    Raises:
        OSError: neither is known: there is no home folder.
    """
    if chosen := os.environ.get("KERASLLM_CACHE"):
        return Path(chosen).expanduser()
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise OSError(f"there is no home folder to keep a cache in: {IN_THE_CACHE}.") from error
    return Path(base) / "kerasllm"
