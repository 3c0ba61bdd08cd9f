"""The two editions of a lesson, which share their code and its outputs: they are executed once.

    notebooks/src/03_name.py         the code of both, the prose in English
    notebooks/src/zh/03_name.md      the prose in Chinese
    notebooks/03_name.ipynb          both executed
    notebooks/zh/03_name.ipynb

- The Chinese prose is plain Markdown. A line `+++` divides it into parts, which stand in the place
  of the English Markdown cells, one for one: where an English cell ends, code follows.
- Each edition names the other under its title.
- A cell that only draws a figure is tagged so, `# %% tags=["figure"]`: its code is folded away.
"""

import re

from kerasllm.utils.languages import LANGUAGES

FOLDED = {"jupyter": {"source_hidden": True}}
_BREAK = re.compile(r"^\+\+\+$", re.MULTILINE)
_SIGN = "[\u2014-\u2026\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"  # a Chinese character or mark
_WRAPPED = re.compile(rf"(?<={_SIGN})\n(?={_SIGN})")
_NAMES = {"en": "English", "zh": "中文版"}


class LessonError(RuntimeError):
    """A lesson that does not run, shows what differs by machine, or has an edition out of step."""


def prose_path(source):
    """Return where the Chinese prose of a source lies, if it has any."""
    return source.parent / "zh" / f"{source.stem}.md"


def prose(path):
    """Return the parts of a Chinese prose; a line that goes on in the next is joined to it.

    A browser would show the end of the line as a space, which Chinese does not have.
    """
    return [_WRAPPED.sub("", p.strip("\n")) for p in _BREAK.split(path.read_text("utf-8"))]


def in_edition(notebook, lesson):
    """Give a notebook, as its source says it, the prose of its edition, and a link to the other.

    Raises:
        LessonError: the Chinese prose has not a part for each English cell of prose.
    """
    if lesson.language == "zh":
        _replace_prose(notebook, prose_path(lesson.source))
    if prose_path(lesson.source).is_file():
        title, rest = notebook.cells[0].source.split("\n", 1)
        notebook.cells[0].source = f"{title}\n\n{_link(lesson)}\n{rest}"
    return notebook


def _link(lesson):
    (other,) = (language for language in LANGUAGES if language != lesson.language)
    place = "zh" if other == "zh" else ".."
    return f"[{_NAMES[other]}]({place}/{lesson.source.stem}.ipynb)"


def _replace_prose(notebook, path):
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    parts = prose(path)
    headings = [_headings(cell.source) for cell in cells], [_headings(part) for part in parts]
    for place, (english, chinese) in enumerate(zip(*headings, strict=False), 1):
        if english != chinese:
            raise LessonError(
                f"{path.name}: part {place} begins {parts[place - 1][:30]!r} and has headings "
                f"{chinese}, but stands beside {cells[place - 1].source[:30]!r}, which has "
                f"{english}: a line +++ is missing, or is one too many."
            )
    if len(cells) != len(parts):
        raise LessonError(
            f"{path.name}: expected {len(cells)} parts, as many as the English edition has cells "
            f"of prose, received {len(parts)}: divide them by lines +++."
        )
    for cell, part in zip(cells, parts, strict=True):
        cell.source = part


def _headings(markdown):
    return re.findall(r"^#+(?= )", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL), re.M)


def with_outputs(notebook, executed, name):
    """Give a notebook the outputs of an executed one whose code is the same.

    Raises:
        LessonError: its code is another.
    """
    pairs = [
        [cell for cell in one.cells if cell.cell_type == "code"] for one in (notebook, executed)
    ]
    if [cell.source for cell in pairs[0]] != [cell.source for cell in pairs[1]]:
        raise LessonError(
            f"{name} was executed from an older source: build the lesson in both languages first."
        )
    for cell, done in zip(*pairs, strict=True):
        cell.outputs, cell.execution_count = done.outputs, done.execution_count
    return notebook
