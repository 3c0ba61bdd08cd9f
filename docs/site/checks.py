"""What the finished pages must hold, page by page: each failure is a sentence.

- Every link leads somewhere inside, its anchor too.
- Nothing is loaded from a network: no script, style, picture, font or frame.
- No LaTeX, Markdown or reStructuredText is left in what is read; every formula became MathML.
- Every public name has its place.
"""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src",
         "audio": "src", "embed": "src", "object": "data", "link": "href", "use": "href",
         "image": "href"}  # fmt: skip
_RAW = re.compile(
    r"(?P<latex>\$\$|(?<![\w$`])\$[^$\s`][^$\n`]{0,80}[^$\s`]\$(?![\w$])|\\(?:frac|text|sigma|begin)\b)"
    r"|(?P<role>\{[\w:+-]+\}`|:\w+:`)|(?P<directive>^:{3,}|^\.\. \w+::)",
    re.MULTILINE,
)
_QUIET = {"pre", "code", "script", "style", "math", "title", "svg"}


class Page(HTMLParser):
    """What a page holds: anchors, links, what it loads, the text that is read, its formulas."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loads = set(), [], []
        self.texts, self.formulas, self.open = [], [], []
        self.headings, self.language = 0, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note what a tag brings."""
        given = dict(attrs)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        self.headings += tag == "h1"
        if tag == "html":
            self.language = given.get("lang")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif given.get(LOADS.get(tag)):
            self.loads.append(given[LOADS[tag]])
        if tag in _QUIET:
            self.open.append(tag)
            if tag == "math":
                self.formulas.append("")

    def handle_endtag(self, tag):
        """Note that a quiet element ends."""
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        """Keep text that is read, and what formulas show."""
        if "math" in self.open:
            self.formulas[-1] += data
        elif not self.open:
            self.texts.append(data)


def failures(site, names=()):
    """Return what is wrong with the pages of a folder, a sentence each.

    Args:
        site: the folder.
        names: (page, anchor) of every public name.
    """
    site = Path(site).resolve()
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    files = {path for path in site.rglob("*") if path.is_file()}
    found = [f"{path.relative_to(site)}: {said}" for path, page in pages.items()
             for said in _of_page(path, page, pages, files)]  # fmt: skip
    for path in sorted(site.rglob("*.css")):
        loads = re.findall(
            r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", path.read_text()
        )
        found += [f"{path.relative_to(site)}: loads {address}" for address in loads]
    for place, anchor in names:
        page = pages.get(site / f"{place}.html")
        if page is None or anchor not in page.anchors:
            found.append(f"{anchor}: expected its place on {place}.html, found none")
    return found


def _of_page(path, page, pages, files):
    for address in page.loads:
        if urlsplit(address).scheme not in ("", "data") or address.startswith("//"):
            yield f"loads {address}"
        elif not _leads_somewhere(path, address, pages, files):
            yield f"loads {address}, which is not there"
    for address in page.links:
        if not _leads_somewhere(path, address, pages, files):
            yield f"links to {address}, which is not there"
    for formula in page.formulas:
        if "\\" in formula or not formula.strip():
            yield f"holds a formula that was not set: {formula[:60]!r}"
    for text in page.texts:
        raw = _RAW.search(text)
        if raw:
            yield f"shows {raw.lastgroup} as it is written: {text[raw.start() :][:60]!r}"
    if not page.headings and path.name != "search.html":
        yield "has no heading"
    if not page.language:
        yield "does not say its language"


def _leads_somewhere(path, address, pages, files):
    parts = urlsplit(address)
    if parts.scheme or address.startswith("//"):
        return parts.scheme in ("http", "https", "mailto", "data")
    target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
    if parts.fragment and target in pages:
        return unquote(parts.fragment) in pages[target].anchors
    return target in files
