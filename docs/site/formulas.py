"""LaTeX as MathML, which browsers draw themselves: no script, no font, no network.

Also an extension of Sphinx: the renderer `mathml` of its formulas.
"""

import html
import re

from latex2mathml.converter import convert

# Code is matched first, so that a dollar sign in it stays one.
_MATH = re.compile(
    r"(?P<code><(pre|code|script|style)\b.*?</\2>|`[^`\n]+`)"
    r"|\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<inline>(?:[^$\n]|\n(?!\n))+?)\$",
    re.DOTALL,
)


def mathml(latex, display):
    """Return a formula as MathML.

    Args:
        latex: the formula, without dollar signs.
        display: "block" or "inline".

    Example:
        >>> mathml("x", "inline").count("<mi>x</mi>")
        1
    """
    latex = re.sub(r"\\\\\[\w+\]", r"\\\\", latex.strip().replace("{aligned}", "{align*}"))
    return convert(latex, display=display)


def set_formulas(markup):
    """Return HTML, such as the output of a cell, with its formulas set; code keeps its dollars."""

    def replaced(found):
        if found["code"]:
            return found["code"]
        latex = html.unescape(found["block"] or found["inline"])
        return mathml(latex, "block" if found["block"] else "inline")

    return _MATH.sub(replaced, markup)


def _visit(translator, node, display):
    from docutils import nodes

    formula = mathml(node.astext(), display)
    translator.body.append(f'<div class="math">{formula}</div>' if display == "block" else formula)
    raise nodes.SkipNode


def setup(app):
    """Make the renderer known to Sphinx."""
    inline = (lambda self, node: _visit(self, node, "inline"), None)
    block = (lambda self, node: _visit(self, node, "block"), None)
    app.add_html_math_renderer("mathml", inline, block)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
