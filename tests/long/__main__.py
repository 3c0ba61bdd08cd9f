"""What takes longer than the suite may: `python -m tests.long NAME`, from the repository's root.

Each command is a module or a package beside this one with a function `main(arguments)`; what it
found is committed beside it, under `figures/`.
"""

import importlib
import pkgutil
import sys
from pathlib import Path


def main(arguments):
    """Run a command by name."""
    here = Path(__file__).parent
    names = sorted(m.name for m in pkgutil.iter_modules([str(here)]) if m.name[0] != "_")
    name = arguments[0].replace("-", "_") if arguments else ""
    if name not in names:
        print(f"expected one of {', '.join(names)}: python -m tests.long {names[0]} --help")
        return 2
    return importlib.import_module(f"tests.long.{name}").main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
