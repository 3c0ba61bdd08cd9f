"""Docstrings of this project as MyST Markdown.

They are nearly Markdown already. What has to be done:

- Sections (`Args:` and so on) become headings with lists; a list of names becomes definitions.
- An indented block is an equation, an example, code, or a table of words.
- `name` in backticks becomes a link where it is a public name.
- Signs that Markdown would take for its own are escaped.
"""

import ast
import re
import textwrap

from docs.site import equations

_SECTION = re.compile(r"^(?P<head>[A-Z][\w ,]*):(?P<text> .*)?$")
_ITEM = re.compile(r"^(?P<names>(?:[*]{0,2}[\w.]+(?:, )?)+): (?P<text>.*)$")
WITH_TEXT = (
    "Source", "Weights", "Inputs", "Outputs", "Raw input", "Call", "Targets",
    "Differences from the paper", "Differences from the papers",
)  # fmt: skip
LISTS = ("Args", "Call arguments", "Attributes", "Raises")


def markdown(text, link=lambda _name: None):
    """Return a docstring, without its indent, as MyST Markdown.

    Args:
        text: the docstring, as `inspect.getdoc` returns it.
        link: name in backticks -> the full name that it links to, or None.
    """
    return "\n\n".join(_block(block, link) for block in _blocks(text.splitlines()))


def first_line(text, link=lambda _name: None):
    """Return the first sentence of a docstring as one line of Markdown, fit for a table."""
    paragraph = " ".join((text or "").split("\n\n")[0].split())
    return prose(paragraph, link).replace("|", r"\|") if "|" not in paragraph else paragraph


def _blocks(lines):
    """Return the blocks of a docstring, each a list of lines: paragraphs, indented, sections."""
    blocks = []
    for line in lines:
        indented = line.startswith("    ")
        before = blocks[-1] if blocks else None
        if not line.strip():
            if before and before[-1] != "":
                before.append("")
        elif before is None or _begins(line, indented, before):
            blocks.append([line])
        else:
            before.append(line)
    return [_stripped(block) for block in blocks]


def _begins(line, indented, before):
    """Whether a line begins a block of its own after the block `before`."""
    found = _heading(before[0])
    in_section = _is_section(before) and not found["text"]  # the text ends at the next gap
    after_gap = before[-1] == ""
    if indented:
        return after_gap and not in_section and not before[0].startswith("    ")
    return after_gap or before[0].startswith("    ") or bool(_heading(line))


def _heading(line):
    found = _SECTION.match(line)
    return found if found and (not found["text"] or found["head"] in WITH_TEXT) else None


def _is_section(block):
    found = _heading(block[0])
    if not found:
        return False
    return bool(found["text"]) or len(block) == 1 or block[1].startswith("    ")


def _stripped(block):
    while block and block[-1] == "":
        block = block[:-1]
    return block


def _block(block, link):
    if _is_section(block) and (len(block) > 1 or _heading(block[0])["text"]):
        return _section(block, link)
    if block[0].startswith("    "):
        return indented(textwrap.dedent("\n".join(block)), link)
    return _paragraph(block, link)


def _paragraph(lines, link):
    return prose("\n".join(lines), link)


def _section(block, link):
    found = _heading(block[0])
    head, said = found["head"], (found["text"] or "").strip()
    body = textwrap.dedent("\n".join(block[1:]))
    title = f":::{{rubric}} {head}\n:::"
    if said:
        return f"{title}\n\n{prose(chr(10).join([said, body]).strip(), link)}"
    if head in LISTS or (_ITEM.match(body.splitlines()[0]) and head not in ("Returns", "Yields")):
        return f"{title}\n\n{_definitions(body, link)}"
    return f"{title}\n\n{markdown(_free(body), link)}"


def _free(body):
    """Return the body of a section with its examples indented, as those of a docstring are."""
    parts = [textwrap.indent(part, "    ") if part.startswith(">>>") else part
             for part in body.split("\n\n")]  # fmt: skip
    return "\n\n".join(parts)


def _definitions(body, link):
    """Return lines `name: what it is`, continued where indented, as a list of definitions."""
    items = []
    for line in body.splitlines():
        found = _ITEM.match(line)
        if found:
            items.append((found["names"], [found["text"]]))
        elif items:
            items[-1][1].append(line)
        else:
            return markdown(body, link)
    texts = []
    for names, lines in items:
        first, *others = lines
        rest = textwrap.dedent("\n".join(others))
        said = prose(f"{first}\n{rest}".strip(), link)
        texts.append(f"`{names}`\n: " + textwrap.indent(said, "  ").strip())
    return "\n\n".join(texts)


def indented(text, _link=None):
    """Return an indented block: an example, equations, code, or words in their places."""
    if ">>>" in text:
        return f"```pycon\n{text}\n```"
    if equations.is_equations(text):
        return equations.block(text)
    return f"```{'python' if _is_python(text) else 'text'}\n{text}\n```"


def _is_python(text):
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return bool(re.search(r"[(=]", text))


def prose(text, link=lambda _name: None):
    r"""Return running text as Markdown: signs escaped, names in backticks linked.

    Example:
        >>> prose("a * b of `lstm`", {"lstm": "kerasllm.reference.lstm"}.get)
        'a \\* b of {py:obj}`lstm <kerasllm.reference.lstm>`'
    """
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(_code(p[1:-1], link) if n % 2 else escaped(p) for n, p in enumerate(parts))


def _code(name, link):
    target = link(name)
    return f"{{py:obj}}`{name} <{target}>`" if target else f"`{name}`"


def escaped(text):
    """Return text in which Markdown finds nothing to format; bullets stay bullets."""
    text = re.sub(r"([\\*_<>$\[\]{}~#`])", r"\\\1", text)
    return re.sub(r"^(\s*)(\d+)\. ", r"\1\2\\. ", text, flags=re.MULTILINE)
