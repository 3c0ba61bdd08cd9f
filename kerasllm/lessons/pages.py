"""Lessons as web pages: one file each, without network, light and dark.

- Mathematics becomes MathML, which browsers draw themselves.
- nbconvert renders cells and outputs; how they look is here, the frame is that of all pages.
"""

import html
import re

from kerasllm.lessons.execution import LessonError, needed, read_source
from kerasllm.utils import pages
from kerasllm.utils.pages import element

# Code spans and blocks are matched first, so that a dollar sign in them stays one.
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]+`)|\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<inline>(?:[^$\n]|\n(?!\n))+?)\$",
    re.DOTALL,
)


def write_pages(lessons, folder, listed):
    """Write one page a lesson and `index.html`; return their paths.

    Args:
        lessons: whose pages to write.
        folder: where to.
        listed: the lessons that the index lists.

    Raises:
        LessonError: a notebook is missing, or is not the one of its source.
    """
    folder.mkdir(exist_ok=True)
    texts = {lesson.source.stem: page(lesson) for lesson in lessons}
    index = element("ul", *(element("li", *_link(lesson)) for lesson in listed))
    texts["index"] = pages.page("Lessons", element("h1", "Lessons"), index)
    paths = [folder / f"{name}.html" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text, "utf-8")
    return paths


def _link(lesson):
    title = f"{lesson.number} · {lesson.title}"
    return element("a", title, href=f"{lesson.source.stem}.html"), f" ({lesson.minutes} minutes)"


def page(lesson):
    """Return the page of one lesson: its notebook, rendered."""
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
    body, _ = exporter.from_notebook_node(notebook)
    # A heading's address is made from its text, formulas and all.
    body = re.sub(r' (id|href)="([^"]*)"', lambda a: re.sub(_token(r"\d+"), "", a[0]), body)
    for number, formula in enumerate(formulas):
        body = body.replace(_token(number), formula)
    body = re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', body)
    body = re.sub(r'<a class="anchor-link".*?</a>', "", body)
    return pages.page(f"{lesson.number} · {lesson.title}", pages.Markup(body), style=_style())


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
blockquote { margin: 1em 0; padding: .1em 1em; border-left: 3px solid var(--line); }
"""
