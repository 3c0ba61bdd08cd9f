"""The Chinese edition has the code and the outputs of the English one, and prose of its own."""

import re

import pytest

from kerasllm import lessons
from kerasllm.lessons import editions
from kerasllm.lessons.editions import FOLDED, prose_path, with_outputs
from kerasllm.lessons.glossary import terms

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupytext")
CHINESE = [lesson for lesson in lessons.all_lessons(language="zh") if lesson.language == "zh"]
each = pytest.mark.parametrize("lesson", CHINESE, ids=lambda lesson: lesson.source.stem)

ENGLISH_SOURCE = """# %% [markdown]
# # 03 · Tiny
# 5 minutes

# %%
6 * 7

# %% [markdown]
# ## More

# %% tags=["figure"]
"drawn"
"""
CHINESE_PROSE = """# 03 · 小课
6 分钟

+++

## 更多
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "src" / "zh").mkdir(parents=True)
    (tmp_path / "src" / "03_tiny.py").write_text(ENGLISH_SOURCE, "utf-8")
    (tmp_path / "src" / "zh" / "03_tiny.md").write_text(CHINESE_PROSE, "utf-8")
    return tmp_path


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_both_are_built_of_one_execution_and_name_each_other(folder, monkeypatch):
    pytest.importorskip("nbclient")
    monkeypatch.setenv("KERASLLM_LANGUAGE", "zh")  # building does not hang on it
    written = lessons.build(3, folder)
    assert [path.relative_to(folder).as_posix() for path in written] == [
        "03_tiny.ipynb", "zh/03_tiny.ipynb",
    ]  # fmt: skip
    english, chinese = map(read, written)
    assert code(english) == code(chinese)
    assert code(chinese)[0].outputs[0].data["text/plain"] == "42"
    assert english.cells[0].source == "# 03 · Tiny\n\n[中文版](zh/03_tiny.ipynb)\n5 minutes"
    assert chinese.cells[0].source == "# 03 · 小课\n\n[English](../03_tiny.ipynb)\n6 分钟"
    assert [cell.metadata for cell in code(english)] == [{}, FOLDED]


def test_lines_of_chinese_are_joined_without_a_space(tmp_path):
    path = tmp_path / "x.md"
    path.write_text("一行，\n二行“引”\n—三 LSTM\n四\n\n五\n- 六\n- 七\n", "utf-8")
    assert editions.prose(path) == ["一行，二行“引”—三 LSTM\n四\n\n五\n- 六\n- 七"]


def test_the_chinese_one_alone_executes_nothing(folder, monkeypatch):
    pytest.importorskip("nbclient")
    lessons.build(3, folder)
    path = folder / "src" / "zh" / "03_tiny.md"
    path.write_text(CHINESE_PROSE.replace("更多", "还有"), "utf-8")
    monkeypatch.setattr("kerasllm.lessons.catalogue.execute", None)
    (written,) = lessons.build("03", folder, language="zh")
    assert read(written).cells[2].source == "## 还有"
    assert code(read(written)) == code(read(folder / "03_tiny.ipynb"))


def test_outputs_of_other_code_are_refused(folder):
    with pytest.raises(lessons.LessonError, match=r"03_tiny\.ipynb is not there: build 03 first"):
        lessons.build(3, folder, language="zh")
    notebook = lessons.read_source(lessons.find(3, folder))
    older = lessons.read_source(lessons.find(3, folder))
    older.cells[1].source = "6 * 8"
    with pytest.raises(lessons.LessonError, match=r"x\.ipynb was executed from an older source"):
        with_outputs(notebook, older, "x.ipynb")


@pytest.mark.parametrize(
    ("prose", "message"),
    [
        ("# 03 · 小课\n6 分钟\n", "expected 2 parts, as many as .*received 1"),
        (CHINESE_PROSE + "\n+++\n\n多了\n", "expected 2 parts, .*received 3"),
        (
            "# 03 · 小课\n\n+++\n\n字\n\n+++\n\n## 更多\n",
            r"part 2 begins '字' and has headings \[\]",
        ),
        ("# 03 · 小课\n\n### 深\n\n+++\n\n## 更多\n", "part 1 begins '# 03"),
    ],
)
def test_prose_out_of_step_says_where(folder, prose, message):
    (folder / "src" / "zh" / "03_tiny.md").write_text(prose, "utf-8")
    with pytest.raises(lessons.LessonError, match=message):
        lessons.read_source(lessons.find(3, folder, "zh"))


def test_titles_and_minutes_are_those_of_the_language(folder, monkeypatch):
    (folder / "src" / "04_other.py").write_text("# %% [markdown]\n# # 04 · Other\n", "utf-8")
    told = [
        [(one.title, one.minutes, one.language) for one in lessons.all_lessons(folder, language)]
        for language in ("en", "zh")
    ]
    assert told[0] == [("Tiny", 5, "en"), ("Other", 0, "en")]
    assert told[1] == [("小课", 6, "zh"), ("Other", 0, "en")]
    monkeypatch.setenv("KERASLLM_LANGUAGE", "zh")
    assert lessons.find(3, folder, None).title == "小课" and lessons.find(3, folder).title == "Tiny"
    with pytest.raises(ValueError, match="a Chinese edition, received 4: those that have one: 03"):
        lessons.build(4, folder, language="zh")
    with pytest.raises(ValueError, match=r"expected language to be one of .*received 'de'"):
        lessons.build(3, folder, language="de")


def test_a_lesson_in_english_alone_names_no_other(folder):
    prose_path(folder / "src" / "03_tiny.py").unlink()
    cells = lessons.read_source(lessons.find(3, folder, "zh")).cells
    assert cells[0].source == "# 03 · Tiny\n5 minutes"


@each
def test_code_and_outputs_are_those_of_the_english_edition(lesson):
    english = lessons.find(lesson.number)
    assert code(read(lesson.notebook)) == code(read(english.notebook))


@each
def test_prose_has_the_formulas_and_the_links_of_the_english_edition(lesson):
    editions_ = (lessons.find(lesson.number), lesson)
    for one, two in zip(*(lessons.read_source(e).cells for e in editions_), strict=True):
        if one.cell_type == "markdown":
            counts = [
                (text.count("$$"), text.count("<details>"), text.count("](")) for text in
                (one.source, two.source)
            ]  # fmt: skip
            assert counts[0] == counts[1], two.source


@each
def test_prose_keeps_to_the_glossary(lesson):
    text = editions.prose_path(lesson.source).read_text("utf-8")
    text = re.sub("（[^）]*）", "", text)  # where another word is named, it stands in brackets
    found = {word: term.chinese for term in terms() for word in term.avoid if word in text}
    assert not found
