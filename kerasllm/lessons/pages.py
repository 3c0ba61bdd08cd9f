"""Lessons as web pages: one file each, without network, light and dark.

- Mathematics becomes MathML, which browsers draw themselves.
- nbconvert renders cells and outputs; how they look is here, the frame is that of all pages.
"""

import html
import os
import re

from kerasllm.lessons.editions import LessonError
from kerasllm.lessons.execution import needed, read_source
from kerasllm.utils import pages
from kerasllm.utils.pages import element

_WORDS = {"en": ("Lessons", "minutes", "code of the figure"), "zh": ("课程", "分钟", "作图代码")}
# Code spans and blocks are matched first, so that a dollar sign in them stays one.
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]+`)|\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<inline>(?:[^$\n]|\n(?!\n))+?)\$",
    re.DOTALL,
)


def write_pages(lessons, folder, listed):
    """Write one page a lesson and `index.html`, for each of their languages; return their paths.

    Args:
        lessons: whose pages to write.
        folder: where to; Chinese pages to `zh` inside.
        listed: a function from a language to the lessons that its index lists.

    Raises:
        LessonError: a notebook is missing, or is not the one of its source.
    """
    texts = {_place(folder, lesson): page(lesson) for lesson in lessons}
    for language in sorted({lesson.language for lesson in lessons}):
        home = folder / "zh" if language == "zh" else folder
        texts[home / "index.html"] = _index(listed(language), home, folder)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(texts)


def _place(folder, lesson):
    home = folder / "zh" if lesson.language == "zh" else folder
    return home / f"{lesson.source.stem}.html"


def _index(lessons, home, folder):
    language = "en" if home == folder else "zh"
    title, minutes, _ = _WORDS[language]
    items = []
    for lesson in lessons:
        href = os.path.relpath(_place(folder, lesson), home)
        link = element("a", f"{lesson.number} · {lesson.title}", href=href)
        items.append(element("li", link, f" ({lesson.minutes} {minutes})"))
    return pages.page(title, element("h1", title), element("ul", *items), language=language)


def page(lesson):
    """Return the page of one edition of a lesson: its notebook, rendered."""
    nbformat, nbconvert = needed("nbformat"), needed("nbconvert")
    if not lesson.notebook.is_file():
        raise LessonError(f"{lesson.notebook.name} is not there: build {lesson.number} first.")
    notebook = nbformat.read(lesson.notebook, as_version=4)
    if sources(notebook) != sources(read_source(lesson)):
        raise LessonError(
            f"{lesson.notebook.name} is older than its source: build {lesson.number} first."
        )
    formulas = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = set_aside(cell.source, formulas)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.update({k: set_aside(data[k], formulas) for k in data if k == "text/html"})
    exporter = nbconvert.HTMLExporter(template_name="basic")
    exporter.raw_template = _FOLDING % _WORDS[lesson.language][2]
    body, _ = exporter.from_notebook_node(notebook)
    # A heading's address is made from its text, formulas and all.
    body = re.sub(r' (id|href)="([^"]*)"', lambda a: re.sub(_token(r"\d+"), "", a[0]), body)
    for number, formula in enumerate(formulas):
        body = body.replace(_token(number), formula)
    body = re.sub(r'href="((?:zh/|\.\./)?\d\d_\w+)\.ipynb"', r'href="\1.html"', body)
    body = re.sub(r'<a class="anchor-link".*?</a>', "", body)
    title, style = f"{lesson.number} · {lesson.title}", _style()
    return pages.page(title, pages.Markup(body), style=style, language=lesson.language)


def sources(notebook):
    """Return (kind, text) of every cell: what source and notebook must share."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def set_aside(markdown, formulas):
    """Put a token in the place of each formula, and its MathML into `formulas`."""
    convert = needed("latex2mathml.converter").convert

    def replaced(found):
        if found["code"]:
            return found["code"]
        display = "block" if found["block"] else "inline"
        latex = html.unescape(found["block"] or found["inline"]).strip()
        latex = re.sub(r"\\\\\[\w+\]", r"\\\\", latex.replace("{aligned}", "{align*}"))
        formulas.append(convert(latex, display=display))
        return _token(len(formulas) - 1)

    return _MATH.sub(replaced, markdown)


def _token(number):
    return f"formulanumber{number}x"


def _style():
    """Return the look of what nbconvert and Pygments write, light and dark."""
    from pygments.formatters import HtmlFormatter

    light = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    dark = HtmlFormatter(style="monokai").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{_CELLS}"


_FOLDING = """{%%- extends "basic/index.html.j2" -%%}
{%% block input_group -%%}
{%% if cell.metadata.get("jupyter", {}).get("source_hidden") -%%}
<details class="folded"><summary>%s</summary>{{ super() }}</details>
{%%- else -%%}{{ super() }}{%%- endif %%}
{%% endblock input_group %%}
"""
# In the dark a figure has its colours turned around: white paper is dark, and blue is still blue.
_CELLS = """
h1 code, h2 code, h3 code { font-size: .85em; }
:not(pre) > code { background: var(--card); padding: .1em .3em; border-radius: 3px; }
.jp-CodeCell, .code_cell { margin: 1.1em 0; }
.prompt, .jp-InputPrompt, .jp-OutputPrompt { display: none; }
.highlight { border-left: 3px solid var(--line); background: var(--card); overflow-x: auto; }
.highlight pre { white-space: pre; background: none; }
.highlight .err { border: 0; }
.output_area, .jp-OutputArea-child { padding: .5em .9em; overflow-x: auto; }
:is(.output_area, .jp-OutputArea-child) pre { padding: 0; background: none; }
:is(.output_area, .jp-OutputArea-child) :is(th, td:not(:last-child)) { white-space: nowrap; }
details.folded > summary { color: var(--soft); font-size: .85rem; margin: .4em 0; }
details:not(.folded) { border: 1px solid var(--line); border-radius: 6px; padding: 0 1em; }
details:not(.folded) > summary { font-weight: 600; margin: .6em 0; }
img[src^="data:image/svg"] { background: none; }
@media (prefers-color-scheme: dark) {
  img[src^="data:image/png"] { filter: invert(.9) hue-rotate(180deg); border-radius: 0; } }
blockquote { margin: 1em 0; padding: .1em 1em; border-left: 3px solid var(--line); }
"""
