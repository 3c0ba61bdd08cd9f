"""The checks of the finished pages see what they are there for: one fault in a whole site each."""

import pytest

pytest.importorskip("sphinx")
from docs.site.checks import failures

PAGE = """<!doctype html><html lang="en"><head><title>a</title><link href="a.css"></head><body>
<h1 id="top">A</h1><p id="k.f">Costs $5 and $6. <a href="b/c.html#there">c</a>
<a href="https://example.org/x">x</a></p>
<pre>$x$ :ref:`a` $$</pre><math><mi>x</mi></math>PLANT</body></html>"""


def site(folder, plant="", css="body { color: red }"):
    (folder / "b").mkdir()
    (folder / "a.css").write_text(css)
    (folder / "a.html").write_text(PAGE.replace("PLANT", plant))
    (folder / "b/c.html").write_text('<html lang="zh-CN"><h1 id="there">C</h1></html>')
    return failures(folder, [("a", "k.f")])


def test_a_whole_site_has_no_failures(tmp_path):
    assert site(tmp_path) == []


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        ('<a href="b/d.html">d</a>', "links to b/d.html"),
        ('<a href="b/c.html#elsewhere">c</a>', "links to b/c.html#elsewhere"),
        ('<a href="#nowhere">c</a>', "links to #nowhere"),
        ('<a href="b">c</a>', "links to b,"),
        ('<a href="javascript:x()">c</a>', "links to javascript:x()"),
        ('<script src="https://cdn.example/m.js"></script>', "loads https://cdn.example/m.js"),
        ('<img src="//cdn.example/a.png">', "loads //cdn.example/a.png"),
        ('<img src="gone.png">', "loads gone.png, which is not there"),
        ('<link rel="stylesheet" href="http://fonts.example/f">', "loads http://fonts.example/f"),
        ("<iframe src='https://example.org'></iframe>", "loads https://example.org"),
        ("<p>the weight $w_1$ of</p>", "shows latex as it is written: '$w_1$ of'"),
        ("<p>$$</p>", "shows latex"),
        (r"<p>a \frac b</p>", "shows latex"),
        ("<p>see :class:`Dense`</p>", "shows role as it is written: ':class:`Dense`'"),
        ("<p>see {py:obj}`Dense`</p>", "shows role"),
        ("<p>:::{note}</p>", "shows directive"),
        ("<p>.. math::</p>", "shows directive"),
        (r"<math><mi>\unknown</mi></math>", "holds a formula that was not set"),
        ("<math></math>", "holds a formula that was not set"),
    ],
)
def test_a_planted_fault_is_seen(tmp_path, plant, said):
    (found,) = site(tmp_path, plant)
    assert found.startswith("a.html: ") and said in found


def test_style_sheets_may_not_load_and_names_must_have_their_place(tmp_path):
    assert site(tmp_path, css="@import 'https://x.example/y.css';") == [
        "a.css: loads https://x.example/y.css"
    ]
    assert failures(tmp_path, [("a", "k.g"), ("z", "k.f")])[1:] == [
        "k.g: expected its place on a.html, found none",
        "k.f: expected its place on z.html, found none",
    ]


def test_pages_have_a_heading_and_a_language(tmp_path):
    (tmp_path / "a.html").write_text("<html><p>x</p></html>")
    assert failures(tmp_path) == ["a.html: has no heading", "a.html: does not say its language"]
