"""The contents of the course and its map, from what the lessons say of themselves."""

import re
from xml.dom import minidom

import pytest

pytest.importorskip("sphinx")
from docs.site import lessons
from docs.site.lessons import Page
from docs.site.sources import ROOT


def page(number, needs=(), helps=(), title="A title"):
    return Page(number, title, 10, f"{number}_name", None, tuple(needs), tuple(helps))


def ways(listed):
    return re.findall(r'class="way (\w+)"', lessons.drawn(listed))


def test_what_a_lesson_needs_is_read_from_its_text():
    found = {one.number: one for one in lessons.pages(ROOT, "en")}
    assert found["00"].needs == found["00"].helps == ()
    assert set(found["21"].needs) == {n for n in found if "LSTM" in found[n].title or (n != "21" and
                                      found[n].title == "Attention")}  # fmt: skip
    assert all(one.minutes > 0 for one in found.values())
    linked = {n for one in found.values() for n in (*one.needs, *one.helps)}
    assert linked <= set(found)


def test_a_lesson_stands_below_all_that_it_needs():
    listed = [page("00"), page("01", ["00"]), page("02", ["00"]), page("03", ["01"], ["02"])]
    places, width = lessons._places(listed)
    assert [places[n][1] for n in ("00", "01", "02", "03")] == [1, 97, 97, 193]
    assert places["01"][0] < places["02"][0] < width - lessons.WIDTH
    assert ways(listed) == ["needs", "needs", "needs", "helps"]


def test_a_need_that_follows_from_others_is_not_drawn():
    listed = [page("00"), page("01", ["00"]), page("02", ["01"]), page("03", ["02", "00"], ["01"])]
    assert ways(listed) == ["needs"] * 3


def test_the_map_is_well_formed_and_leads_to_the_lessons():
    drawn = lessons.drawn(
        [page("00", title="A & <b>"), page("01", ["00"], title="长短期记忆网络与门控循环单元 LSTM")]
    )
    minidom.parseString(drawn)
    assert 'href="01_name.html"' in drawn and "LSTM" in drawn and "A &amp; &lt;b&gt;" in drawn


def test_titles_are_cut_between_words():
    assert lessons._wrapped("LSTM and GRU by hand") == ["LSTM and GRU by", "hand"]
    assert lessons._wrapped("Attention") == ["Attention"]
    assert lessons._wrapped("注意力") == ["注意力"]


def test_the_contents_say_minutes_and_needs():
    text = lessons.contents(ROOT, "en")
    assert "| [00 · Start here](00_start_here.ipynb) | 10 | Python |" in text
    assert re.search(r"The errata\]\(21_the_errata.ipynb\) \| 45 \| \[\d\d\]\(", text)
