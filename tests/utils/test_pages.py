"""Elements escape what they are given, and a page stands alone in light and dark."""

from html.parser import HTMLParser

from kerasllm.utils.pages import Markup, element, page, scrolling

NASTY = "<script>alert('&\"')</script>"


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.opened, self.closed, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.opened.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        self.closed.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_text_and_attributes_are_escaped_and_markup_is_not():
    made = element("p", NASTY, element("b", "x"), title=NASTY, class_="a", empty="")
    tags = Tags(made)
    assert tags.opened == [("p", {"title": NASTY, "class": "a"}), ("b", {})]
    assert "".join(tags.texts) == NASTY + "x"
    assert isinstance(made, Markup) and element("img", src="x") == '<img src="x">'
    assert scrolling(7) == '<div class="scroll" tabindex="0">7</div>'


def test_a_page_is_whole_and_needs_nothing():
    text = page(NASTY, element("h1", NASTY), style="i { color: red }")
    tags = Tags(text)
    assert text.startswith("<!doctype html>") and "://" not in text and "url(" not in text
    assert "prefers-color-scheme: dark" in text and "default-src 'none'" in text
    assert "i { color: red }" in text and "script" not in [tag for tag, _ in tags.opened]
    paired = [tag for tag, _ in tags.opened if tag != "meta"]
    assert sorted(paired) == sorted(tags.closed)
