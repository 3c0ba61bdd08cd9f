"""The lessons: each has the form, is in step with its notebook, and shows no machine."""

import configparser
import re
import subprocess
import sys
import warnings
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest

from kerasllm import lessons
from kerasllm.lessons import catalogue
from kerasllm.lessons.editions import FOLDED

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupytext")
ALL = lessons.all_lessons()
CHINESE = [lesson for lesson in lessons.all_lessons(language="zh") if lesson.language == "zh"]
each = pytest.mark.parametrize("lesson", ALL, ids=lambda lesson: lesson.source.stem)
each_edition = pytest.mark.parametrize(
    "lesson", [*ALL, *CHINESE], ids=lambda lesson: f"{lesson.source.stem}-{lesson.language}"
)

FORM = {
    "en": {
        "opening": ("**What you will do.**", "**What you will learn.**", "**What you need.**"),
        "closing": ["Exercises", "What this lesson claims", "Where to go next"],
    },
    "zh": {
        "opening": ("**做什么。**", "**学什么。**", "**要有什么准备。**"),
        "closing": ["练习", "本课的结论", "接下来学什么"],
    },
}

TINY = """# %% [markdown]
# # 03 · Tiny
# 5 minutes

# %%
{code}
"""


def tiny(folder, code):
    (folder / "src").mkdir()
    (folder / "src" / "03_tiny.py").write_text(TINY.format(code=code), "utf-8")
    return folder


def committed(lesson):
    return nbformat.read(lesson.notebook, as_version=4)


def pairs(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@each_edition
def test_notebook_is_in_step_with_its_source(lesson):
    cure = f"run: python -m kerasllm.lessons build {lesson.number}"
    assert pairs(committed(lesson)) == pairs(lessons.read_source(lesson)), cure


@each_edition
def test_notebook_was_executed_to_the_end_and_is_small(lesson):
    codes = [cell for cell in committed(lesson).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in codes] == list(range(1, len(codes) + 1))
    kinds = {output.output_type for cell in codes for output in cell.outputs}
    assert kinds <= {"stream", "display_data", "execute_result"}
    assert lesson.notebook.stat().st_size < 1_000_000


@each_edition
def test_notebook_shows_no_machine_and_keeps_no_changing_metadata(lesson):
    notebook = committed(lesson)
    for cell in notebook.cells:
        assert cell.metadata in ({}, FOLDED)
        assert lessons.machine_traces(cell.get("outputs", [])) == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}


@each_edition
def test_notebook_is_valid(lesson):
    nbformat.validate(committed(lesson))


@each_edition
def test_lesson_has_the_form(lesson):
    cells = lessons.read_source(lesson).cells
    opening, form = cells[0].source, FORM[lesson.language]
    assert opening.startswith(f"# {lesson.number} · {lesson.title}")
    assert all(part in opening for part in form["opening"])
    assert lesson.minutes > 0
    assert "lessons.start()" in cells[1].source

    headings = [
        heading
        for cell in cells
        if cell.cell_type == "markdown"
        for heading in re.findall(r"^## (.+)$", cell.source, re.MULTILINE)
    ]
    assert headings[-3:] == form["closing"]
    claims = next(
        after.source
        for before, after in pairwise(cells)
        if f"## {form['closing'][1]}" in before.source
    )
    assert claims.count("assert ") >= 3
    assert any("exercises.check(" in cell.source for cell in cells)
    assert cells[-1].source.startswith(f"## {form['closing'][2]}")


@each_edition
def test_links_between_lessons_lead_somewhere(lesson):
    text = "\n".join(cell.source for cell in lessons.read_source(lesson).cells)
    linked = re.findall(r"\]:? ?\(?((?:zh/|\.\./)?\d\d_\w+\.ipynb)\b", text)
    assert linked and all((lesson.notebook.parent / name).is_file() for name in linked)


@each
def test_lesson_defines_nothing_that_the_library_has(lesson):
    from kerasllm import layers, models, reference, text

    defined = re.findall(r"^(?:def|class) (\w+)", lesson.source.read_text("utf-8"), re.MULTILINE)
    assert not {name for name in defined for part in (layers, models, reference, text)
                if hasattr(part, name)}  # fmt: skip


def test_numbers_find_lessons_and_unknown_ones_are_named():
    assert lessons.find(5) == lessons.find("05") == lessons.find("05_lstm_by_hand")
    with pytest.raises(ValueError, match="received 98: there are 0"):
        lessons.find(98)


def test_no_lessons_says_where_they_come_from(tmp_path):
    with pytest.raises(FileNotFoundError, match="clone the repository"):
        lessons.all_lessons(tmp_path)


@pytest.mark.parametrize(
    ("version", "message"),
    [(None, "not installed: pip install"), ("2.15.0", "needs keras 3.8 or newer, 2.15.0")],
)
def test_first_cell_says_what_is_missing(monkeypatch, version, message):
    def found(_name):
        if version is None:
            raise metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(metadata, "version", found)
    with pytest.raises(ImportError, match=message):
        lessons.start()


def test_first_cell_says_that_figures_lack_a_font_and_the_figures_are_drawn(monkeypatch, capsys):
    from kerasllm.plots import attention_map, fonts

    monkeypatch.setattr("kerasllm.plots.chinese_font", lambda: None)
    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    fonts._glyphs.cache_clear()
    fonts._warn_once.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as when a lesson is checked
        lessons.start()
        attention_map(["语", "言"], [[1.0, 0.0], [0.5, 0.5]])
    fonts._glyphs.cache_clear()
    fonts._warn_once.cache_clear()
    assert "boxes in the place of Chinese. Cure: install a font" in capsys.readouterr().out


@each
def test_notebook_was_built_where_figures_have_chinese(lesson):
    outputs = [output for cell in committed(lesson).cells for output in cell.get("outputs", [])]
    cure = "install a font with Chinese, then build again"
    assert not any("boxes in the place" in output.get("text", "") for output in outputs), cure


def test_first_cell_says_that_nothing_can_be_written(monkeypatch, capsys):
    def refused():
        raise PermissionError

    monkeypatch.setattr("os.access", lambda *_: False)
    lessons.start()
    assert (
        "read-only: your changes will be lost. Cure: kerasllm lessons copy ~/"
        in capsys.readouterr().out
    )
    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    with pytest.raises(PermissionError, match="mkdir -p ~/tmp && export TMPDIR"):
        lessons.start()


def test_first_cell_needs_nothing_but_the_package():
    # Keras may be missing or too old: the cell has to run that far.
    for lesson in ALL:
        first = lessons.read_source(lesson).cells[1].source
        assert first == "from kerasllm import lessons\n\nlessons.start()"
    code = (
        "import sys, kerasllm.lessons; sys.exit({'keras', 'matplotlib'} & {*sys.modules} != set())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("browser", "language"), [(True, None), (False, "zh")])
def test_open_starts_jupyterlab_at_the_notebook(monkeypatch, browser, language):
    calls = []
    monkeypatch.setattr(catalogue, "needed", lambda _name: None)
    monkeypatch.setattr(
        catalogue.subprocess, "call", lambda command, env: calls.append((command, env)) or 0
    )
    monkeypatch.setattr(catalogue.os, "geteuid", lambda: 0 if browser else 1000, raising=False)
    assert lessons.start_jupyter(0, browser=browser, language=language) == 0
    ((command, env),) = calls
    assert ("--allow-root" in command) is browser  # root alone needs it, and is refused without
    assert command[1:3] == ["-m", "jupyterlab"] and ("--no-browser" in command) is not browser
    assert f"--ServerApp.root_dir={catalogue.FOLDER}" in command
    notebook = lessons.find(0, language=language or "en").notebook
    place = notebook.relative_to(catalogue.FOLDER).as_posix()
    assert f"--LabApp.default_url=/lab/tree/{place}" in command
    assert env["KERASLLM_LANGUAGE"] == (language or "en") and "PATH" in env


def test_open_says_what_is_missing(monkeypatch, tmp_path):
    tiny(tmp_path, "1 + 1")
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"jupyterlab, .* pip install -e '.\[notebooks\]'"
    ):
        lessons.start_jupyter(3, tmp_path)
    monkeypatch.setattr(catalogue, "needed", lambda _name: None)
    with pytest.raises(lessons.LessonError, match="is not there: build 03 first"):
        lessons.start_jupyter(3, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue.os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="build in a clone of your own"):
        lessons.build(3, tiny(tmp_path, "1 + 1"))


def test_building_twice_gives_the_same_notebook(tmp_path):
    pytest.importorskip("nbclient")
    tiny(tmp_path, "print('a', flush=True)\nprint('b')\n6 * 7")
    (path,) = lessons.build(3, tmp_path)
    first = path.read_bytes()
    lessons.build(3, tmp_path)
    assert path.read_bytes() == first
    (cell,) = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert [output.output_type for output in cell.outputs] == ["stream", "execute_result"]
    assert cell.outputs[0].text == "a\nb\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import warnings; warnings.warn('old')", "UserWarning"),
        ("import sys; print('oops', file=sys.stderr)", "wrote to stderr: oops"),
        ("import pathlib; print(pathlib.Path.cwd() / 'x', pathlib.Path.home())", "cell 1 holds"),
    ],
)
def test_a_lesson_that_is_not_fit_to_be_shown_is_refused(tmp_path, code, message):
    pytest.importorskip("nbclient")
    with pytest.raises(lessons.LessonError, match=message):
        lessons.build(3, tiny(tmp_path, code))
    assert not (tmp_path / "03_tiny.ipynb").exists()


def test_the_verb_list_names_every_lesson(capsys):
    lessons.main(["list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in lines] == [lesson.number for lesson in ALL]
    assert all(lesson.title in line for lesson, line in zip(ALL, lines, strict=True))


def test_copies_overwrite_nothing_that_was_changed(tmp_path, capsys):
    to = tmp_path / "mine"
    written = lessons.copy(to)
    expected = {path for part in (".", "zh") for path in (catalogue.FOLDER / part).glob("*.ipynb")}
    assert {to / path.relative_to(catalogue.FOLDER) for path in expected} == set(written)
    assert all(path.read_bytes() == (to / path.relative_to(catalogue.FOLDER)).read_bytes()
               for path in expected)  # fmt: skip
    missing, changed = written[1], written[0]
    missing.unlink()
    lessons.main(["copy", str(to)])
    assert capsys.readouterr().out == "1 notebooks copied\n" and missing.is_file()
    changed.write_text("{}", "utf-8")
    missing.unlink()
    with pytest.raises(FileExistsError, match="was changed: choose another folder"):
        lessons.copy(to)
    assert changed.read_text("utf-8") == "{}" and not missing.exists()


def test_a_wheel_holds_all_that_the_lessons_are_made_of():
    settings = configparser.ConfigParser()
    settings.read(catalogue.BESIDE.parent / "setup.cfg")
    listed = settings["options.data_files"]
    for part, ending in ((".", "ipynb"), ("zh", "ipynb"), ("src", "py"), ("src/zh", "md")):
        place = Path("notebooks") / part
        there = listed[f"share/kerasllm/{place.as_posix()}"].split()
        assert there == [f"{place.as_posix()}/*.{ending}"]
        assert list(catalogue.BESIDE.parent.glob(there[0]))
    assert catalogue.INSTALLED.parts[-3:] == ("share", "kerasllm", "notebooks")
