"""The contents of the course and its map, from what the lessons say of themselves."""

import re
from io import BytesIO
from xml.dom import minidom

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

pytest.importorskip("sphinx")
from docs.site import lessons
from docs.site.lessons import Page
from docs.site.sources import ROOT
from kerasllm.explorer.showing import Shown
from kerasllm.utils.pages import Markup


def page(number, needs=(), helps=(), title="A title"):
    return Page(number, title, 10, f"{number}_name", None, tuple(needs), tuple(helps))


def ways(listed):
    return re.findall(r'class="way (\w+)"', lessons.drawn(listed))


HEAD = """# 07 · Go on

**What you need.** Python; [lesson 00](00_a.ipynb) and
[lesson 03](03_b.ipynb). 40 minutes. [Lesson 05](05_c.ipynb) helps.

[Lesson 09](09_d.ipynb) goes on."""


def write(root, name, text):
    path = root / f"notebooks/{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)]), path)


def test_what_a_lesson_needs_is_read_from_its_text(tmp_path):
    write(tmp_path, "07_go_on", HEAD)
    (found,) = lessons.pages(tmp_path, "en")
    assert found[:4] == ("07", "Go on", 40, "07_go_on")
    assert (found.needs, found.helps) == (("00", "03"), ("05",))


def test_the_lessons_of_this_repository_need_lessons_that_are_there():
    found = {one.number: one for one in lessons.pages(ROOT, "en")}
    assert all(one.minutes > 0 for one in found.values())
    assert {n for one in found.values() for n in (*one.needs, *one.helps)} <= set(found)
    assert found["21"].needs and not found["00"].needs


def test_a_diagram_stands_in_the_page_itself(tmp_path):
    svg = '<svg xmlns="http://www.w3.org/2000/svg" class="kd"><text>f = 0.95</text></svg>'
    data = {"image/svg+xml": svg, "text/plain": "<Diagram>"}
    cells = [nbformat.v4.new_markdown_cell(HEAD), nbformat.v4.new_code_cell("diagram")]
    cells[1].outputs = [nbformat.v4.new_output("execute_result", data)]
    path = tmp_path / "notebooks" / "07_go_on.ipynb"
    path.parent.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    (found,) = lessons.pages(tmp_path, "en")
    (output,) = lessons.staged(found, "en", None, None).cells[1].outputs
    assert output.data["text/html"] == svg and "image/svg+xml" not in output.data


def test_a_lesson_stands_below_all_that_it_needs():
    listed = [page("00"), page("01", ["00"]), page("02", ["00"]), page("03", ["01"], ["02"])]
    places, width = lessons._places(listed)
    assert [places[n][1] for n in ("00", "01", "02", "03")] == [1, 97, 97, 193]
    assert places["01"][0] < places["02"][0] < width - lessons.WIDTH
    assert ways(listed) == ["needs", "needs", "needs", "helps"]


def test_a_need_that_follows_from_others_is_not_drawn():
    listed = [page("00"), page("01", ["00"]), page("02", ["01"]), page("03", ["02", "00"], ["01"])]
    assert ways(listed) == ["needs"] * 3


def test_a_way_passes_between_the_boxes_of_other_rows():
    listed = [
        page("00"),
        page("05"),
        page("09", ["00"]),
        page("10", ["00"]),
        page("21", ["09", "05"]),
    ]
    places, _ = lessons._places(listed)
    (long,) = (way for way in re.findall(r'class="way needs" d="([^"]+)"', lessons.drawn(listed))
               if "V" in way)  # fmt: skip
    passed = float(re.search(r" ([\d.]+) [\d.]+V", long)[1])
    boxes = [places["09"][0], places["10"][0]]
    assert all(not left <= passed <= left + lessons.WIDTH for left in boxes)
    assert 0 < passed < max(boxes) + lessons.WIDTH + lessons.GAP


def test_the_map_is_well_formed_and_leads_to_the_lessons():
    drawn = lessons.drawn(
        [page("00", title="A & <b>"), page("01", ["00"], title="长短期记忆网络与门控循环单元 LSTM")]
    )
    minidom.parseString(drawn)
    assert (
        'href="01_name.html"' in drawn and "控循环单元…" in drawn and "A &amp; &lt;b&gt;" in drawn
    )


def test_titles_are_cut_between_words():
    assert lessons._wrapped("LSTM and GRU by hand") == ["LSTM and GRU by", "hand"]
    assert lessons._wrapped("Attention") == ["Attention"]
    assert lessons._wrapped("注意力") == ["注意力"]
    assert lessons._wrapped("LSTM 与 GRU 手算") == ["LSTM 与", "GRU 手算"]


def test_the_contents_say_minutes_and_needs(tmp_path):
    write(tmp_path, "00_a", "# 00 · Begin\n\n10 minutes")
    write(tmp_path, "07_go_on", HEAD)
    write(tmp_path, "zh/07_go_on", "# 07 · 继续\n\n45 分钟")
    english, chinese = (lessons.contents(tmp_path, language) for language in ("en", "zh"))
    assert "| [00 · Begin](00_a.ipynb) | 10 | Python |" in english
    assert "| [07 · Go on](07_go_on.ipynb) | 40 | [00](00_a.ipynb) |" in english
    assert "| [00 · Begin（英文）](../00_a.ipynb) | 10 | Python |" in chinese
    assert "| [07 · 继续](07_go_on.ipynb) | 45 | [00](../00_a.ipynb) |" in chinese
    assert 'href="../00_a.html"' in chinese and "../00_a\n07_go_on\n```" in chinese


def test_only_lines_on_paper_are_turned_in_the_dark():
    """A heat map that was turned would show as dark what the text calls bright."""
    paper = np.ones((40, 40, 3))
    paper[10:12] = 0.2
    painted = np.ones((40, 40, 3))
    painted[5:35, 5:30] = 0.5
    for pixels, expected in ((paper, False), (painted, True)):
        png = BytesIO()
        plt.imsave(png, pixels, format="png")
        assert lessons.is_painted(png.getvalue()) is expected


def test_a_page_of_a_model_is_framed_where_it_was_made_and_else_a_picture(tmp_path):
    made = tmp_path / "pages" / "07_boats.html"
    made.parent.mkdir()
    made.write_text("<h1>Explorer</h1>")
    shown = Shown(made, "pages/07_boats.html", Markup("<figure>drawn</figure>"), 321)
    html = shown._repr_html_()
    for notebook in (tmp_path / "07_boats.ipynb", tmp_path / "zh" / "07_boats.ipynb"):
        assert lessons.beside(notebook) == [made]
        assert lessons.framed(html, notebook) == html
    alone = lessons.framed(html, tmp_path / "elsewhere" / "07_boats.ipynb")
    assert alone == '<div class="explorer"><figure>drawn</figure></div>'
