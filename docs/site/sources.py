"""Which file of the repository is which page, and the folder from which Sphinx makes them all.

Pages lie as their files do, so that links between files are links between pages. Only the READMEs
have other names: `index.md`, `zh.md`.
"""

import re
import shutil
from pathlib import Path

import nbformat

from docs.site import api, commands, lessons

ROOT = Path(__file__).resolve().parents[2]
LISTINGS = "notebooks/listings/index.md"
RENAMED = {
    "README.md": "index.md",
    "README.zh.md": "zh.md",
    "notebooks": "notebooks/index.md",
    "notebooks/zh": "notebooks/zh/index.md",
    "notebooks/listings": LISTINGS,
}
MEASURED = ("docs/results.md", "benchmarks/README.md", "benchmarks/defaults.md", "docs/proof.md",
            "docs/trust.md")  # fmt: skip
GUIDES = ("docs/documents.md", "docs/glossary.md", "docs/scale.md", "docs/teaching.md",
          "data/README.md", "CONTRIBUTING.md", "CHANGELOG.md")  # fmt: skip
HOMES = {"en": "README.md", "zh": "README.zh.md"}
MENU = {
    "en": ("Course", "Reference", "Measured", "Guides"),
    "zh": ("课程", "参考（英文）", "实测（英文）", "指南"),
}  # fmt: skip
CHINESE = {
    "api/index": "函数与层", "docs/results": "结果", "benchmarks/README": "速度对比",
    "benchmarks/defaults": "默认设置的实测",
    "docs/proof": "证明", "docs/trust": "可靠性测试", "docs/documents": "五篇文章导读（英文）",
    "docs/glossary": "术语表", "docs/scale": "多机训练（英文）", "docs/teaching": "教学（英文）",
    "data/README": "自带数据（英文）",
    "CONTRIBUTING": "参与开发（英文）", "CHANGELOG": "更新记录（英文）",
    "notebooks/listings/index": "改正后的代码清单（英文）",
}  # fmt: skip


def stage(folder, root=ROOT):
    """Write all pages, as Sphinx reads them, into an empty folder."""
    link = api.linker()
    for name in (*HOMES.values(), *MEASURED, *GUIDES):
        text = page_of_file(root / name, root, link)
        language = {name: language for language, name in HOMES.items()}.get(name)
        _write(folder / RENAMED.get(name, name), text + (menu(root, language) if language else ""))
    for name, text in api.pages().items():
        _write(folder / f"{name}.md", text)
    _write(folder / "api/commands.md", commands.page())
    _write(folder / LISTINGS, listings(folder, root))
    for language in lessons.LANGUAGES:
        stage_course(folder, root, language, link)


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


# Files in Markdown ------------------------------------------------------------


def page_of_file(path, root, link):
    """Return a Markdown file as a page: links as the pages lie, public names linked."""
    return with_names(moved_links(path.read_text("utf-8"), path.parent, root), link)


def moved_links(text, folder, root):
    """Return text whose links to files that are pages under other names lead to these."""

    def moved(found):
        target, _, anchor = found[1].partition("#")
        if not target or "://" in target:
            return found[0]
        whole = (folder / target).resolve()
        name = whole.relative_to(root.resolve()).as_posix() if whole.exists() else ""
        if name.startswith("notebooks/listings/"):
            return f"]({_upwards(folder, root)}{LISTINGS}#{heading(Path(name).name)})"
        if name in RENAMED:
            return f"]({_upwards(folder, root)}{RENAMED[name]}{'#' + anchor if anchor else ''})"
        return found[0]

    return re.sub(r"\]\(([^)\s]+)\)", moved, text)


def _upwards(folder, root):
    return "../" * len(folder.resolve().relative_to(root.resolve()).parts)


def heading(name):
    """Return the anchor of the heading of a script."""
    return re.sub(r"[^\w-]", "", name.lower())


def with_names(text, link):
    """Return Markdown in which public names in backticks, `layers.LSTM`, are links; not in code."""
    parts = re.split(r"(^```[\s\S]*?^```$|^ {4,}.*$|\[[^\]]*\]\([^)]*\))", text, flags=re.MULTILINE)
    return "".join(part if n % 2 else _linked(part, link) for n, part in enumerate(parts))


def _linked(text, link):
    def linked(found):
        target = link(found[1])
        return f"{{py:obj}}`{found[1]} <{target}>`" if target else found[0]

    return re.sub(r"(?<!`)`([\w.]+(?:\(\))?)`(?!`)", linked, text)


def menu(root, language):
    """Return the hidden tables of contents of a home page, by which menu and order are made."""
    words, zh = MENU[language], language == "zh"

    def tree(caption, entries):
        return "\n".join(
            ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```", ""]
        )

    def named(names):
        pages = [name.removesuffix(".md") for name in names]
        return [f"{CHINESE[page]} <{page}>" if zh else page for page in pages]

    course = [f"{lessons.LANGUAGES[language]}/index"] if lessons.pages(root, language) else []
    parts = [
        tree(words[0], course) if course else "",
        tree(words[1], named(["api/index"])),
        tree(words[2], named(MEASURED)),
        tree(words[3], named([*GUIDES[:1], LISTINGS, *GUIDES[1:]])),
    ]
    return "".join(parts) + ("" if zh else "\n```{toctree}\n:hidden:\n\nzh\n```\n")


def listings(folder, root):
    """Return the page of the corrected scripts, and copy them beside it."""
    scripts = sorted((root / "notebooks/listings").glob("*.py"))
    texts = [f"## {path.name}\n\n```{{literalinclude}} {path.name}\n:language: python\n```"
             for path in scripts]  # fmt: skip
    for path in scripts:
        _write(folder / "notebooks/listings" / path.name, path.read_text("utf-8"))
    lead = ("Each listing of [the five documents](../../docs/documents.md), corrected: about as "
            "long as it was, and running in seconds without network.")  # fmt: skip
    return "\n\n".join(["# Corrected listings", lead, *texts]) + "\n"


# The course -------------------------------------------------------------------


def stage_course(folder, root, language, link):
    """Write the contents and the notebooks of one language, the originals beside them."""
    listed = lessons.pages(root, language)
    place = folder / lessons.LANGUAGES[language]
    if not listed:
        return
    _write(place / "index.md", lessons.contents(root, language))
    others = {page.number: page for page in lessons.pages(root, "zh" if language == "en" else "en")}
    for page in listed:
        source = root / "notebooks/src" / f"{page.stem}.py"
        if source.is_file():
            _copy(source, place / "src" / source.name)
        _copy(page.path, place / "originals" / page.path.name)
        other = others.get(page.number)
        towards = ("zh/" if language == "en" else "../") + f"{other.stem}.ipynb" if other else None
        inside = f"src/{source.name}" if source.is_file() else None
        notebook = lessons.staged(page, language, towards, inside)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = with_names(moved_links(cell.source, page.path.parent, root), link)
        nbformat.write(notebook, place / f"{page.stem}.ipynb")
    for made in lessons.beside(listed[0].path):
        _copy(made, place / "pages" / made.name)


def _copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
