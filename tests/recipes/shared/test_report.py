import base64
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from kerasllm.plots import length_histogram
from kerasllm.recipes.shared.report import Code, Link, Picture, write_report
from kerasllm.utils.tables import Table

NASTY = '<script>alert("&")</script> \' 天气'


class Outline(HTMLParser):
    """The tags that were opened, and all text outside the style sheet."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.attributes = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def read(folder, blocks, title="A run"):
    return write_report(folder, title, [("Section", blocks)]).read_text(encoding="utf-8")


def test_a_link_leads_to_a_page_beside_the_report(tmp_path):
    text = read(tmp_path, [Link("explorer.html", NASTY)])
    assert ("href", "explorer.html") in Outline(text).attributes and "<script>" not in text


def test_everything_is_escaped(tmp_path):
    blocks = [NASTY, Table([NASTY], [[NASTY]], NASTY), Code(NASTY, NASTY)]
    blocks.append(Picture(length_histogram([1, 2]), NASTY))
    path = write_report(tmp_path, NASTY, [(NASTY, blocks)])
    outline = Outline(path.read_text(encoding="utf-8"))
    assert "script" not in outline.tags
    assert sum(text.count(NASTY) for text in outline.texts) == 10
    assert ("alt", NASTY) in outline.attributes


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    page = read(tmp_path, ["text", Picture(length_histogram([1, 2]))])
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"base64,[^\"]+", "", page))
    assert "default-src 'none'" in page


def test_pictures_are_embedded_from_figures_and_files(tmp_path):
    figure = length_histogram([1, 2, 3])
    figure.savefig(tmp_path / "lengths.png")
    page = read(tmp_path, [Picture(figure), Picture(tmp_path / "lengths.png", "Lengths")])
    images = re.findall(r"base64,([^\"]+)", page)
    assert len(images) == 2
    assert base64.b64decode(images[1]) == (tmp_path / "lengths.png").read_bytes()
    assert base64.b64decode(images[0]).startswith(b"\x89PNG")


def test_numbers_are_set_to_the_right_and_rounded(tmp_path):
    rows = [["a", 1234, np.float32(0.12345)], ["b", np.int64(7), None]]
    page = read(tmp_path, [Table(["name", "rows", "score"], rows)])
    assert '<td class="number">1,234.50</td>' in read(tmp_path, [Table(["s"], [[1234.5], [0.25]])])
    assert '<td class="number">1,234</td><td class="number">0.1235</td>' in page
    assert '<td>b</td><td class="number">7</td><td class="number">–</td>' in page


def test_light_and_dark_and_small_screens(tmp_path):
    page = read(tmp_path, [])
    assert "prefers-color-scheme: dark" in page
    assert "width=device-width" in page


def test_a_new_report_replaces_the_old_one_and_leaves_no_other_file(tmp_path):
    folder = tmp_path / "run" / "deep"
    read(folder, ["first"])
    assert "second" in read(folder, ["second"])
    assert [path.name for path in folder.iterdir()] == ["report.html"]


def test_a_lone_paragraph_is_not_taken_apart(tmp_path):
    assert "<p>hello</p>" in read(tmp_path, "hello")


def test_refuses_other_blocks(tmp_path):
    with pytest.raises(TypeError, match=r"received Figure; wrap a figure as Picture"):
        read(tmp_path, [length_histogram([1])])


def test_refuses_a_ragged_table(tmp_path):
    with pytest.raises(ValueError, match="rows of 2 cells"):
        read(tmp_path, [Table(["a", "b"], [[1]])])


def test_refuses_a_picture_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="draw it before"):
        read(tmp_path, [Picture(tmp_path / "none.png")])


def test_refuses_a_picture_of_another_format(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(ValueError, match="expected a PNG"):
        read(tmp_path, [Picture(tmp_path / "a.jpg")])


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PermissionError, match="choose another folder"):
        read(tmp_path / "file", ["text"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="choose another folder"):
        read(tmp_path, ["text"])
