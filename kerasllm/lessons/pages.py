"""Lessons as web pages: one file each, without network, light and dark.

- Mathematics becomes MathML, which browsers draw themselves.
- nbconvert renders cells and outputs; the frame and its style sheet are here.
"""

import html
import re

from kerasllm.lessons.execution import LessonError, needed, read_source

# Code spans and blocks are matched first, so that a dollar sign in them stays one.
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]+`)|\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<inline>(?:[^$\n]|\n(?!\n))+?)\$",
    re.DOTALL,
)


def write_pages(lessons, folder):
    """Write one page a lesson and `index.html`; return their paths.

    Raises:
        LessonError: a notebook is missing, or is not the one of its source.
    """
    folder.mkdir(exist_ok=True)
    written = []
    for lesson in lessons:
        path = folder / f"{lesson.source.stem}.html"
        path.write_text(page(lesson), "utf-8")
        written.append(path)
    from kerasllm.lessons.catalogue import list as all_lessons

    items = "".join(
        f'<li><a href="{lesson.source.stem}.html">{lesson.number} · {html.escape(lesson.title)}</a>'
        f" ({lesson.minutes} minutes)</li>"
        for lesson in all_lessons(lessons[0].source.parents[1])
    )
    index = folder / "index.html"
    index.write_text(_frame("Lessons", f"<h1>Lessons</h1><ul>{items}</ul>"), "utf-8")
    return [*written, index]


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
            _set_aside_output(output.get("data", {}), formulas)
    exporter = nbconvert.HTMLExporter(template_name="basic")
    body, _ = exporter.from_notebook_node(notebook)
    # A heading's address is made from its text, formulas and all.
    body = re.sub(r' (id|href)="([^"]*)"', lambda a: re.sub(_token(r"\d+"), "", a[0]), body)
    for number, formula in enumerate(formulas):
        body = body.replace(_token(number), formula)
    body = re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', body)
    body = re.sub(r'<a class="anchor-link".*?</a>', "", body)
    return _frame(f"{lesson.number} · {lesson.title}", body)


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


def _set_aside_output(data, formulas):
    """Do the same to what a cell shows."""
    if "text/html" in data:
        data["text/html"] = set_aside(data["text/html"], formulas)


def _token(number):
    return f"formulanumber{number}x"


def _frame(title, body):
    from pygments.formatters import HtmlFormatter

    light = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    dark = HtmlFormatter(style="monokai").get_style_defs(".highlight")
    style = f"{_STYLE}\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{_LAST}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}\n</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #ffffff; --soft: #f4f5f7;
  --line: #d7dae0; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --paper: #16181c; --soft: #20242b; --line: #3a404a; --link: #7db7f0; }
  [style*="#c62828"] { color: #ff8a80 !important; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.6 system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei",
  sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.5rem 6rem; }
a { color: var(--link); }
h1, h2, h3 { line-height: 1.25; margin: 2.2em 0 0.6em; }
h1 { margin-top: 0.5em; }
pre, code { font-family: ui-monospace, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace;
  font-size: 14px; line-height: 1.45; }
h1 code, h2 code, h3 code { font-size: 0.85em; }
:not(pre) > code { background: var(--soft); padding: 0.1em 0.3em; border-radius: 3px; }
pre { margin: 0; overflow-x: auto; }
pre:has(> code) { background: var(--soft); padding: 0.7em 0.9em; border-radius: 3px; }
.jp-CodeCell, .code_cell { margin: 1.1em 0; }
.prompt, .jp-InputPrompt, .jp-OutputPrompt { display: none; }
.highlight { padding: 0.7em 0.9em; border-left: 3px solid var(--line); border-radius: 3px;
  overflow-x: auto; }
.output_area pre, .jp-OutputArea-child pre { white-space: pre-wrap; }
.output_area, .jp-OutputArea-child { padding: 0.5em 0.9em; overflow-x: auto; }
table { border-collapse: collapse; margin: 0.8em 0; font-size: 14px; }
.jp-OutputArea-child :is(th, td:not(:last-child)),
.output_area :is(th, td:not(:last-child)) { white-space: nowrap; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.4em; }
th, td { padding: 0.25em 0.8em; border-bottom: 1px solid var(--line); text-align: left; }
img { max-width: 100%; height: auto; background: #ffffff; border-radius: 3px; }
/* A font made for mathematics, or signs do not grow and letters come from several fonts. */
math { font-family: "STIX Two Math", "Latin Modern Math", "Cambria Math", "DejaVu Math TeX Gyre",
  "Noto Sans Math", math; }
math[display="block"] { margin: 0.8em 0; font-size: 1.08em; }
mtable mtd:first-child:not(:last-child) { text-align: -webkit-right; text-align: right; }
mtable mtd:last-child:not(:first-child) { text-align: -webkit-left; text-align: left; }
blockquote { margin: 1em 0; padding: 0.1em 1em; border-left: 3px solid var(--line); }
"""
_LAST = ".highlight { background: var(--soft); }\n.highlight .err { border: 0; }"
