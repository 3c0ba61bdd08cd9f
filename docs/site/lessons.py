"""The course: notebooks as pages, its contents, and the map of which lesson needs which.

What a lesson needs is read from its own text: the lessons that the paragraph *What you need* links
to. A sentence with "helps" names one that helps and is not required.
"""

import re
from base64 import b64decode
from html import escape
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import nbformat
from matplotlib.image import imread

from docs.site import formulas

_FRAME = re.compile(  # of `kerasllm.explorer.show`
    r'<iframe src="pages/([^"]+)".*?</iframe><noscript>(.*?)</noscript><p>.*?</p>', re.DOTALL
)
PAPER = 0.97, 0.62  # how bright paper is, and the least share of it around lines and bars
LANGUAGES = {"en": "notebooks", "zh": "notebooks/zh"}
IN_ENGLISH = "（英文）"  # said of a lesson that has no Chinese edition
WORDS = {
    "en": {
        "title": "The course", "lesson": "lesson", "minutes": "minutes", "needs": "needs",
        "helps": "helped by", "notebook": "notebook", "source": "text source", "other": "中文",
        "map": "What needs what", "nothing": "Python",
        "lead": "Each lesson goes from equation to NumPy to Keras to picture, and asserts what it "
        "says. The pages show the notebooks as they ran; `kerasllm lessons copy FOLDER` copies "
        "them to be worked in, `kerasllm lessons open 00` starts JupyterLab.",
        "how": "An arrow leads from a lesson to one that needs it, a dashed one to one it helps.",
    },
    "zh": {
        "title": "课程", "lesson": "课", "minutes": "分钟", "needs": "先修", "helps": "有帮助",
        "notebook": "笔记本", "source": "文本源文件", "other": "English",
        "map": "先修关系", "nothing": "Python",
        "lead": "每一课都从公式到 NumPy，再到 Keras 和图，并验证文中的每个说法。"
        "网页展示的是运行过的笔记本；`kerasllm lessons copy FOLDER` 把它们复制出来供你修改，"
        "`kerasllm lessons open 00` 打开 JupyterLab。",
        "how": "箭头从一课指向需要它的课；虚线表示有帮助但不是必需。",
    },
}  # fmt: skip


class Page(NamedTuple):
    """A lesson in one language."""

    number: str
    title: str
    minutes: int
    stem: str
    path: Path
    needs: tuple  # numbers of lessons
    helps: tuple
    place: str = ""  # "../" where a lesson has no Chinese edition and the English one is listed

    @property
    def link(self):
        """The page as the contents link to it, without the end of its name."""
        return f"{self.place}{self.stem}"


def pages(root, language):
    """Return the lessons that have an edition in a language, in order."""
    folder = root / LANGUAGES[language]
    return [_page(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]


def listed(root, language):
    """Return all lessons, in order: in Chinese those without a Chinese edition come in English.

    What needs what is read from the English edition.
    """
    english = pages(root, "en")
    if language == "en":
        return english
    own = {page.number: page for page in pages(root, "zh")}
    return [own[page.number]._replace(needs=page.needs, helps=page.helps)
            if page.number in own else
            page._replace(title=f"{page.title}{IN_ENGLISH}", place="../")
            for page in english]  # fmt: skip


def _page(path):
    cells = nbformat.read(path, as_version=4).cells
    head = "\n\n".join(cell.source for cell in cells[:2] if cell.cell_type == "markdown")
    title = re.search(r"^# (?:\d+ · )?(.+)$", head, re.MULTILINE)[1].strip()
    minutes = re.search(r"(\d+) ?(?:minutes|分钟)", head)
    needed = re.search(r"\*\*What you need\.?\*\*(.+?)(?:\n\n|\Z)", head, re.DOTALL)
    needs, helps = [], []
    for sentence in re.split(r"(?<=\.)\s", needed[1].replace("\n", " ") if needed else ""):
        kind = helps if re.search(r"\bhelps?\b|not required", sentence) else needs
        kind += re.findall(r"\]\((\d\d)_\w+\.ipynb\)", sentence)
    return Page(path.name[:2], title, int(minutes[1]) if minutes else 0, path.stem, path,
                tuple(needs), tuple(helps))  # fmt: skip


def contents(root, language):
    """Return the page of contents as MyST Markdown: a table, the map, the order of the pages."""
    words, found = WORDS[language], listed(root, language)
    titles = {page.number: page for page in found}
    rows = [f"| [{page.number} · {page.title}]({page.link}.ipynb) | {page.minutes} | "
            f"{_needed(page, titles, words)} |" for page in found]  # fmt: skip
    return "\n".join([
        f"# {words['title']}", "", words["lead"], "",
        f"| {words['lesson']} | {words['minutes']} | {words['needs']} |", "|---|---:|---|", *rows,
        "", f"## {words['map']}", "", words["how"], "",
        drawn(found), "",
        "```{toctree}", ":hidden:", "", *(page.link for page in found), "```", "",
    ])  # fmt: skip


def _needed(page, titles, words):
    def linked(numbers):
        return ", ".join(f"[{n}]({titles[n].link}.ipynb)" for n in numbers if n in titles)

    helped = f"{words['helps']} {linked(page.helps)}" if linked(page.helps) else ""
    return ", ".join(filter(None, [linked(page.needs), helped])) or words["nothing"]


# The notebooks ----------------------------------------------------------------


def staged(page, language, other, source):
    """Return a notebook as the site shows it: its formulas set, a line of links below the title.

    Args:
        page: the lesson.
        language: "en" or "zh".
        other: the path of the page in the other language, or None.
        source: the path of the text source, or None.
    """
    notebook = nbformat.read(page.path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/svg+xml" in data:  # in the page itself its text can be selected
                data["text/html"] = data.pop("image/svg+xml")
            if "text/html" in data:
                data["text/html"] = formulas.set_formulas(framed(data["text/html"], page.path))
        _tag(cell)
    words, first = WORDS[language], notebook.cells[0]
    links = [f"{page.minutes} {words['minutes']}"]
    links.append(f"{{download}}`{words['notebook']} <originals/{page.stem}.ipynb>`")
    if source:
        links.append(f"{{download}}`{words['source']} <{source}>`")
    if other:
        links.append(f"[{words['other']}]({other})")
    # The line by which an edition names the other is taken in here.
    own = re.sub(r"^\[[^]]+\]\((?:zh|\.\.)/\d\d_\w+\.ipynb\)$\n?", "", first.source, flags=re.M)
    title, _, rest = own.partition("\n")
    first.source = f"{title}\n\n{' · '.join(links)}\n{rest}"
    return notebook


def beside(notebook):
    """Return the pages of models that running a lesson wrote: those of both editions are the same.

    Args:
        notebook: the path of a lesson, in English or in `zh`.
    """
    english = notebook.parent.parent if notebook.parent.name == "zh" else notebook.parent
    return sorted((english / "pages").glob("*.html"))


def framed(html, notebook):
    """Return an output as it is, or with a picture for a page that was not made here."""
    made = {path.name for path in beside(notebook)}

    def kept(frame):
        return frame[0] if frame[1] in made else frame[2]

    return _FRAME.sub(kept, html)


def _tag(cell):
    """Tag a cell whose code is folded away, and one whose picture keeps its colours in the dark."""
    pictures = [output.get("data", {}).get("image/png") for output in cell.get("outputs", [])]
    tags = [("hide-input", cell.metadata.get("jupyter", {}).get("source_hidden")),
            ("as-painted", any(is_painted(b64decode(png)) for png in pictures if png))]  # fmt: skip
    found = [tag for tag, given in tags if given]
    if found:
        cell.metadata["tags"] = found


def is_painted(png):
    """Whether a picture is more than lines on paper: where bright and dark mean something."""
    pixels = imread(BytesIO(png))[..., :3]
    return float((pixels.min(-1) > PAPER[0]).mean()) < PAPER[1]


# The map ----------------------------------------------------------------------

WIDTH, HEIGHT, GAP, RISE = 150, 50, 18, 46  # of a box, and between boxes


def drawn(shown):
    """Return the map as SVG: a lesson stands below all that it needs."""
    places, width = _places(shown)
    height = max(y for _, y in places.values()) + HEIGHT + 2
    known = {page.number for page in shown}
    edges = [(before, page.number, kind) for page in shown
             for kind, numbers in (("needs", page.needs), ("helps", page.helps))
             for before in numbers if before in known]  # fmt: skip
    needed = {(a, b) for a, b, kind in edges if kind == "needs"}
    arrows = [_arrow(places[a], places[b], kind, places.values()) for a, b, kind in edges
              if not _implied(a, b, needed)]  # fmt: skip
    boxes = [_box(page, *places[page.number]) for page in shown]
    head = (f'<svg class="lesson-map" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" xmlns="http://www.w3.org/2000/svg">')  # fmt: skip
    return f'<div class="scroll" tabindex="0">{head}{"".join([*arrows, *boxes])}</svg></div>'


def _implied(first, last, needed):
    """Whether another way of needs leads from one lesson to another."""
    seen, todo = set(), [b for a, b in needed if a == first and b != last]
    while todo:
        here = todo.pop()
        if here == last:
            return True
        if here not in seen:
            seen.add(here)
            todo += [b for a, b in needed if a == here]
    return False


def _places(shown):
    """Return {number: (x, y)} and the width: rows by the longest way of needs, with gaps around."""
    depth = {}
    for page in shown:
        before = [depth[n] for n in (*page.needs, *page.helps) if n in depth]
        depth[page.number] = max(before, default=-1) + 1
    rows = {}
    for number, row in depth.items():
        rows.setdefault(row, []).append(number)
    widest = max(map(len, rows.values()))
    width = widest * (WIDTH + GAP) + GAP
    places = {}
    for row, numbers in rows.items():
        left = (width - (len(numbers) * (WIDTH + GAP) - GAP)) / 2
        for column, number in enumerate(numbers):
            places[number] = (left + column * (WIDTH + GAP), 1 + row * (HEIGHT + RISE))
    return places, width


def _arrow(start, end, kind, places):
    """Return the way from a box to one below it, between the boxes of rows that it passes."""
    x, y, last = start[0] + WIDTH / 2, start[1] + HEIGHT, end[0] + WIDTH / 2
    way = f"M{x:g} {y:g}"
    for top in sorted({row for _, row in places if start[1] < row < end[1]}):
        straight = x + (last - x) * (top - y) / (end[1] - y)
        gap = min(_gaps(top, places), key=lambda one: abs(one - straight))
        way += f"{_bent(x, y, gap, top)}V{top + HEIGHT:g}"
        x, y = gap, top + HEIGHT
    way += _bent(x, y, last, end[1] - 6)
    tip = f"M{last - 4:g} {end[1] - 7:g}L{last:g} {end[1]:g}L{last + 4:g} {end[1] - 7:g}z"
    return f'<path class="way {kind}" d="{way}"/><path class="tip" d="{tip}"/>'


def _gaps(top, places):
    """Return where a way may pass a row: beside its boxes."""
    lefts = sorted(x for x, row in places if row == top)
    return [*(x - GAP / 2 for x in lefts), lefts[-1] + WIDTH + GAP / 2]


def _bent(x, y, to_x, to_y):
    """Return the rest of a curve that leaves and arrives upright."""
    middle = (y + to_y) / 2
    return f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"


def _box(page, x, y):
    lines = _wrapped(page.title.removesuffix(IN_ENGLISH))
    top = y + HEIGHT / 2 + 4 - 7 * (len(lines) - 1)
    texts = "".join(f'<text x="{x + 34:g}" y="{top + 14 * n:g}">{escape(line)}</text>'
                    for n, line in enumerate(lines))  # fmt: skip
    return (f'<a href="{page.link}.html"><rect x="{x:g}" y="{y:g}" width="{WIDTH}" '
            f'height="{HEIGHT}" rx="6"/><text class="number" x="{x + 9:g}" '
            f'y="{y + HEIGHT / 2 + 5:g}">{page.number}</text>{texts}</a>')  # fmt: skip


def _wrapped(title):
    """Return a title in at most two lines that fit a box."""
    chinese = re.search(r"[\u3400-\u9fff]", title)
    words = re.findall(r"[A-Za-z0-9-]+ ?|.", title) if chinese else title.split()
    joint, limit, lines = ("", 9, [""]) if chinese else (" ", 18, [""])
    for word in words:
        longer = f"{lines[-1]}{joint}{word}".lstrip()
        if len(longer.strip()) <= limit or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    lines = [line.strip() for line in lines]
    return lines if len(lines) <= 2 else [lines[0], f"{lines[1]}…"]
