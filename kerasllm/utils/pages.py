"""HTML: elements whose text is escaped, and the frame and look of every page that is written.

- A page needs no network, and forbids itself any.
- It is light or dark as the reader's system is. A wide table scrolls inside of its page.
- A notebook has MathJax set what stands between dollar signs, or behind a backslash, on the page as
  it is shown, where a sign that was escaped is a sign again. So what a notebook shows of texts has
  the class `AS_WRITTEN`.
"""

import base64
import hashlib
import html

AS_WRITTEN = "mathjax_ignore tex2jax_ignore"  # no formulas inside: the words of MathJax 3 and 2


class Markup(str):
    """Finished HTML: `element` takes it in as it is, and escapes every other text."""


def element(tag, *content, **attributes):
    """Return an HTML element; this is the one place where text is escaped.

    Args:
        tag: its name.
        *content: texts, which are escaped, and `Markup`, which is not.
        **attributes: those that are empty are left out; `class_` stands for class.

    Example:
        >>> element("td", "a < b", element("b", "!"), class_="number")
        '<td class="number">a &lt; b<b>!</b></td>'
    """
    given = {name.rstrip("_"): escaped(v) for name, v in attributes.items() if v}
    start = " ".join([tag, *(f'{name}="{value}"' for name, value in given.items())])
    inner = (part if isinstance(part, Markup) else escaped(part) for part in content)
    return Markup(f"<{start}>{''.join(inner)}" + ("" if tag == "img" else f"</{tag}>"))


def escaped(text):
    """Return a text as HTML shows it; its dollar signs begin no formula in Markdown around it."""
    return html.escape(str(text)).replace("$", "&#36;")


def scrolling(*content):
    """Return content that scrolls sideways where it is too wide, from the keyboard too."""
    return element("div", *content, class_="scroll", tabindex="0")


def embedded(png, caption, shown=True):
    """Return the bytes of a PNG file as a figure, its caption to be read out, or shown as well."""
    data = base64.b64encode(png).decode("ascii")
    image = element("img", alt=caption, src=f"data:image/png;base64,{data}")
    return element("figure", image, *([element("figcaption", caption)] if shown else []))


def page(title, *content, style="", script="", language="en"):
    """Return a whole page.

    Args:
        title: its title, for the browser.
        *content: `Markup`; texts are escaped.
        style: a further style sheet.
        script: JavaScript, the only one that the page lets run.
        language: that the page is written in.
    """
    style = element("style", Markup(f"{_STYLE}{style}"))
    may = Markup(_HEAD.replace("SCRIPTS", _only(script)))
    head = element("head", may, element("title", title), style, Markup("\n"))
    scripts = [element("script", Markup(script))] if script else []
    body = element("body", element("main", *content), *scripts)
    return "<!doctype html>\n" + element("html", head, body, lang=language) + "\n"


def _only(script):
    """Return the rule that lets one script run, known by its hash, and no other."""
    if not script:
        return ""
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"; script-src 'sha256-{known}'"


_HEAD = """<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'SCRIPTS">
"""
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --soft: #5b6168;
  --line: #d8dce0; --card: #f4f6f8; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181c; --ink: #e6e8ea; --soft: #a3abb3; --line: #3a4149; --card: #1f242a;
    --link: #7db7f0; }
  [style*="#2e7d32"] { color: #81c784 !important; }
  [style*="#b26a00"] { color: #ffb74d !important; }
  [style*="#c62828"] { color: #ff8a80 !important; }
  /* Figures on white paper become figures on dark paper, and blue is still blue. */
  img { filter: invert(.9) hue-rotate(180deg); } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.6 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
    "Microsoft YaHei", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.5rem 6rem; }
a { color: var(--link); }
h1, h2, h3 { line-height: 1.25; margin: 2.2em 0 .6em; }
h1 { margin-top: .5em; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
p { overflow-wrap: anywhere; }
pre, code { font: 14px/1.45 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono",
  "Noto Sans Mono CJK SC", monospace; }
pre { margin: 0; padding: .8rem 1rem; background: var(--card); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; margin: .8em 0; font-size: 14px; }
caption, figcaption { color: var(--soft); font-size: .9rem; text-align: left; padding: .3rem 0; }
th, td { padding: .25em 1.2em .25em 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 1.2rem 0; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
figure img { padding: .5rem; border: 1px solid var(--line); }
summary { cursor: pointer; margin: 1rem 0; }
/* A font made for mathematics, or signs do not grow and letters come from several fonts. */
math { font-family: "STIX Two Math", "Latin Modern Math", "Cambria Math", "DejaVu Math TeX Gyre",
  "Noto Sans Math", math; }
math[display="block"] { margin: .8em 0; font-size: 1.08em; }
mtable mtd:first-child:not(:last-child) { text-align: -webkit-right; text-align: right; }
mtable mtd:last-child:not(:first-child) { text-align: -webkit-left; text-align: left; }
"""
