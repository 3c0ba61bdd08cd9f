"""`python -m docs.site`: build the site and check it."""

import argparse
import shutil
import sys
import time
from pathlib import Path

try:
    from sphinx.cmd.build import main as sphinx

    from docs.site import api, checks, sources
except ModuleNotFoundError as error:
    sys.exit(
        f"error: the site needs {error.name}, which is not installed: pip install -e '.[site]'"
    )

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "_build"


def build(folder=BUILT, stage=sources.stage, names=None):
    """Build all pages anew and return the folder of the site; a warning is an error.

    Args:
        folder: made anew; the pages go to `site` inside.
        stage: function that writes what Sphinx reads into a folder.
        names: the public names that must have their place; left out, all of them.

    Raises:
        SystemExit: Sphinx warned, or a page does not hold what it must.
    """
    shutil.rmtree(folder, ignore_errors=True)
    source, site, read = (folder / name for name in ("source", "site", "read"))
    stage(source)
    options = ["-b", "html", "-q", "-W", "--keep-going", "-c", str(HERE), "-d", str(read)]
    if sphinx([*options, str(source), str(site)]):
        sys.exit("error: the site was not built, see above")
    for page in source.rglob("pages/*.html"):  # of models, shown in frames
        target = site / page.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, target)
    names = api.names() if names is None else names
    wrong = checks.failures(site, [(one.page, one.target) for one in names])
    if wrong:
        sys.exit("\n".join([*wrong, f"error: {len(wrong)} failures on the pages of {site}"]))
    return site


def main():
    """Build, check, and say where the pages are."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description=__doc__)
    parser.add_argument("--output", type=Path, default=BUILT, help="folder, made anew")
    began = time.perf_counter()
    site = build(parser.parse_args().output)
    pages = len(list(site.rglob("*.html")))
    print(f"{site / 'index.html'}: {pages} pages in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
