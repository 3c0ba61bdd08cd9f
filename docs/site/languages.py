"""English and Chinese side by side in one site: menus, words of the frame, search.

An extension of Sphinx, which by itself knows one language a site. A page whose name begins with
`zh` or `notebooks/zh/` is Chinese: its menu is that of the Chinese home, its frame speaks Chinese.
Both are found by one search, for which Chinese is cut into pairs of characters.
"""

import html
import re

import snowballstemmer
from sphinx import addnodes
from sphinx.search.en import SearchEnglish

HOMES = {"en": "index", "zh": "zh"}
COURSES = {"en": "notebooks/", "zh": "notebooks/zh/"}
CHINESE_WORDS = {
    "Next": "下一页", "Previous": "上一页", "Home": "首页", "On this page": "本页内容",
    "Search": "搜索", "Back to top": "回到顶部", "Skip to content": "跳到正文", "Contents": "目录",
    "View this page": "查看源文件", "Index": "索引", "Show the code": "显示代码",
    "Hide the code": "收起代码",
}  # fmt: skip


def language_of(page):
    """Return "zh" or "en", the language that a page is written in.

    Example:
        >>> language_of("notebooks/zh/07_attention"), language_of("docs/results")
        ('zh', 'en')
    """
    return "zh" if page == HOMES["zh"] or page.startswith(COURSES["zh"]) else "en"


def frame(app, page, _template, context, _doctree):
    """Give a page the menu, the words and the neighbours of its language."""
    language = language_of(page)
    context["toctree"] = lambda **_options: menu(app, page, language)
    context["languages"] = _links(app, page, language)
    if language == "zh":
        context["language"] = "zh-CN"
        for said in ("Show the code", "Hide the code"):
            context["body"] = context.get("body", "").replace(said, CHINESE_WORDS[said])
        context["_"] = context["gettext"] = lambda text: CHINESE_WORDS.get(text.strip(), text)
    for side in ("next", "prev"):
        neighbour = context.get(side)
        if neighbour and _other_language(app, page, neighbour["link"], language):
            context[side] = None
    if page.startswith(("api/", "notebooks/", "genindex")):
        context["has_source"] = False  # such a page leads to its source itself


def _other_language(app, page, link, language):
    return any(app.builder.get_relative_uri(page, home) == link
               for other, home in HOMES.items() if other != language)  # fmt: skip


def _links(app, page, language):
    """Return [(name, address, whether it is this one)] of the page in both languages."""
    found = app.env.found_docs
    pages = {language: page}
    other = "zh" if language == "en" else "en"
    number = re.match(r"notebooks/(?:zh/)?(\d\d_|index)", page)
    same = [name for name in found if number and language_of(name) == other
            and name.startswith(COURSES[other] + number[1])]  # fmt: skip
    pages[other] = (same or [HOMES[other]])[0]
    return [(words, app.builder.get_relative_uri(page, pages[one]), one == language)
            for one, words in (("en", "English"), ("zh", "中文"))]  # fmt: skip


# The menu ---------------------------------------------------------------------


def menu(app, page, language):
    """Return the menu of a page as HTML: only the branch that the page is on is unfolded."""
    home = app.env.get_doctree(HOMES[language])
    parts = []
    for tree in home.findall(addnodes.toctree):
        entries = [(title, name) for title, name in tree["entries"] if name not in HOMES.values()]
        if entries:
            caption = html.escape(tree.get("caption") or "")
            parts.append(f'<p class="caption" role="heading"><span class="caption-text">{caption}'
                         f"</span></p>{_branch(app, page, entries, 1)}")  # fmt: skip
    return "".join(parts)


def _branch(app, page, entries, level):
    items = []
    for title, name in entries:
        children = [(None, child) for child in app.env.toctree_includes.get(name, [])]
        course = page in HOMES.values() and name.startswith("notebooks/") and level == 1
        inside = page == name or course or _holds(app, name, page)
        title = title or app.env.titles[name].astext()
        current = " current" if inside else ""
        here = " current" if page == name else ""
        items.append(
            f'<li class="toctree-l{level}{current}"><a class="reference internal{here}" '
            f'href="{app.builder.get_relative_uri(page, name)}">{html.escape(title)}</a>'
            f"{_branch(app, page, children, level + 1) if inside and children else ''}</li>"
        )
    return f'<ul class="{"current" if "current" in "".join(items) else ""}">{"".join(items)}</ul>'


def _holds(app, name, page):
    """Whether a page stands anywhere below another in the menu."""
    children = app.env.toctree_includes.get(name, [])
    return page in children or any(_holds(app, child, page) for child in children)


# Search -----------------------------------------------------------------------

_CUT = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")


class Search(SearchEnglish):
    """Words of English by their stems, and pairs of neighbouring Chinese characters."""

    lang = "en"
    language_name = "English"  # of the stemmer, which gets its name in JavaScript from it
    js_splitter_code = """
function splitQuery(query) {
  const parts = query.match(/[\\u3400-\\u9fff]+|[^\\s\\u3400-\\u9fff]+/g) || [];
  return parts.flatMap((part) => {
    if (!/^[\\u3400-\\u9fff]{2,}$/.test(part)) {
      return part.split(/[^\\p{Letter}\\p{Number}_]+/gu).filter((word) => word);
    }
    return [...part.slice(1)].map((_, place) => part.slice(place, place + 2));
  });
}
"""

    def __init__(self, options):
        super().__init__(options)
        self.stemmer = snowballstemmer.stemmer("english")

    def split(self, text):
        """Return the words of a text: what is searched for is cut in the same way."""
        return [word for part in _CUT.findall(text) for word in _pairs(part)]


def _pairs(part):
    if not "\u3400" <= part[0] <= "\u9fff" or len(part) == 1:
        return [part]
    return [part[place : place + 2] for place in range(len(part) - 1)]


def setup(app):
    """Make both known to Sphinx."""
    app.add_search_language(Search)
    app.connect("html-page-context", frame, priority=400)  # before the theme asks for the menu
    return {"parallel_read_safe": True, "parallel_write_safe": True}
