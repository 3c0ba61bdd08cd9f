"""A small site, built by the command's function: what is written, and what a browser shows."""

import re
import shutil
import subprocess

import nbformat
import pytest

pytest.importorskip("sphinx")
from docs.site import __main__ as command
from docs.site import api, lessons, sources

# myst-parser asks Sphinx in a way that Sphinx will take away.
pytestmark = pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx API modifications")

HOME = """# Home

A formula $\\sqrt{x_1}$, a name `reference.lstm`, a [lesson](notebooks/00_begin.ipynb).

$$\\begin{aligned}a &= b \\\\[4pt] c &= d\\end{aligned}$$
"""
TREE = "\n```{toctree}\n:hidden:\n:caption: CAPTION\n\nENTRIES\n```\n"
PAGE = "api/reference/recurrent/lstm"
TABLE = "<p>$y$ <code>$5 and $6</code></p>"


def cell(kind, text, **more):
    return getattr(nbformat.v4, f"new_{kind}_cell")(
        text, id=f"cell-{abs(hash(text)) % 10**8}", **more
    )


def write_lessons(root):
    """Write two lessons in English and one in Chinese."""
    shown = nbformat.v4.new_output("execute_result", {"text/html": TABLE, "text/plain": "y"})
    second = "# 01 · Go on\n\n**What you need.** [Lesson 00](00_begin.ipynb). 20 minutes."
    begin = "# 00 · Begin\n\n[中文版](zh/00_begin.ipynb)\n\n**What you need.** Python. 10 minutes."
    chinese = "# 00 · 开始\n\n[English](../00_begin.ipynb)\n\n10 分钟。遗忘门决定保留多少。"
    folded = {"jupyter": {"source_hidden": True}}
    written = {
        "00_begin": [cell("markdown", begin), cell("code", "1", outputs=[shown])],
        "01_go_on": [cell("markdown", second), cell("code", "figure", metadata=folded)],
        "zh/00_begin": [cell("markdown", chinese)],
    }
    for name, cells in written.items():
        path = root / f"notebooks/{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"language_info": {"name": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    (root / "notebooks/src").mkdir()
    (root / "notebooks/src/00_begin.py").write_text("1\n")


def stage(folder, root, home=HOME):
    """Write what Sphinx reads: two homes, the lessons, one page of names."""
    entries = "notebooks/index\napi/index"
    zh_entries = "notebooks/zh/index\n名字 <api/index>\nother"
    homes = {
        "index": sources.with_names(home, api.linker()) + tree("Course", entries) + tree("", "zh"),
        "zh": "# 首页\n" + tree("课程", zh_entries),
        "other": "# Other",
        "api/index": "# Names\n" + tree("", "reference/recurrent/lstm"),
        PAGE: api.pages()[PAGE],
    }
    for name, text in homes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(text, "utf-8")
    for language in lessons.LANGUAGES:
        sources.stage_course(folder, root, language, api.linker())


def tree(caption, entries):
    return TREE.replace(":caption: CAPTION\n", f":caption: {caption}\n" if caption else "").replace(
        "ENTRIES", entries
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    write_lessons(folder)
    return folder


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    names = [one for one in api.names() if one.page == PAGE]
    built = tmp_path_factory.mktemp("built") / "it"
    return command.build(built, lambda folder: stage(folder, root), names)


def read(site, name):
    return (site / f"{name}.html").read_text("utf-8")


def menu(html):
    (found,) = re.findall(r'<div class="sidebar-tree">(.*?)</div>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_formulas_of_pages_and_outputs_are_mathml(site):
    home, lesson = read(site, "index"), read(site, "notebooks/00_begin")
    assert home.count("<math") == 2 and "<msqrt>" in home and home.count("<mtr>") == 2
    assert "<math" in lesson and "$5 and $6" in lesson
    assert "4pt" not in home and "MathJax" not in home


def test_names_lead_to_their_place_and_to_their_source(site):
    assert f'href="{PAGE}.html#kerasllm.reference.lstm"' in read(site, "index")
    page = read(site, PAGE)
    (source,) = re.findall(
        r'href="([^"]+#kerasllm\.reference\.recurrent\.lstm\.lstm|[^"]+#lstm)"', page
    )
    assert "_modules/kerasllm/reference/recurrent/lstm.html" in source
    assert 'class="equations"' in page


def test_each_language_has_its_menu_its_words_and_its_neighbours(site):
    english, chinese = read(site, "notebooks/01_go_on"), read(site, "notebooks/zh/00_begin")
    assert menu(english) == "Course The course 00 · Begin 01 · Go on Names"
    assert menu(chinese) == "课程 课程 00 · 开始 01 · Go on 名字 Other"
    assert menu(read(site, PAGE)).startswith("Course The course Names")
    assert menu(read(site, "index")) == menu(english)
    assert 'lang="zh-CN"' in chinese and 'placeholder="搜索"' in chinese and "上一页" in chinese
    assert 'lang="en"' in english and "Previous" in english
    assert "01 · Go on（英文）" in read(site, "notebooks/zh/index")
    first = read(site, "notebooks/00_begin")
    assert 'href="zh/00_begin.html">中文</a>' in first and 'href="../00_begin.html"' in chinese
    assert "中文版" not in first and 'href="../zh.html"' in english


def test_a_lesson_leads_to_its_notebook_and_its_text(site, root):
    page = read(site, "notebooks/00_begin")
    assert "10 minutes" in page
    assert 'href="../_downloads' in page and "00_begin.ipynb" in page and "00_begin.py" in page
    downloads = site / "_downloads"
    assert {path.read_text() for path in downloads.rglob("00_begin.py")} == {"1\n"}
    original = (root / "notebooks/00_begin.ipynb").read_text("utf-8")
    assert original in {path.read_text("utf-8") for path in downloads.rglob("00_begin.ipynb")}
    assert "hide-input" in read(site, "notebooks/01_go_on")


def test_a_warning_fails_the_build(root, tmp_path, capfd):
    with pytest.raises(SystemExit, match="the site was not built"):
        command.build(
            tmp_path / "it", lambda folder: stage(folder, root, HOME + "[gone](gone.md)"), ()
        )
    assert "gone.md" in capfd.readouterr().err


def test_what_a_page_shows_raw_fails_the_build(root, tmp_path):
    with pytest.raises(SystemExit, match="shows role as it is written"):
        command.build(
            tmp_path / "it", lambda folder: stage(folder, root, HOME + "see :ref:\\`a\\`"), ()
        )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("遗忘门", "notebooks/zh/00_begin.html"), ("lstm_backward", f"{PAGE}.html"),
     ("formulas", "index.html")],
)  # fmt: skip
def test_search_finds_both_languages_without_a_server(site, asked, expected, tmp_path):
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs a browser: Chromium or Chrome, none was found")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
               "--virtual-time-budget=10000", f"--user-data-dir={tmp_path}"]  # fmt: skip
    address = f"{(site / 'search.html').as_uri()}?q={asked}"
    done = subprocess.run(
        [program, *options, "--dump-dom", address], capture_output=True, text=True, timeout=120
    )
    assert "Uncaught" not in done.stderr
    (results,) = re.findall(r'<ul[^>]*class="search"[^>]*>(.*?)</ul>', done.stdout, re.DOTALL)
    assert re.search(rf'href="{expected}[#?"]', results), results
