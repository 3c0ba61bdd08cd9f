"""Docstrings become Markdown that shows what they say."""

import pytest

pytest.importorskip("sphinx")
from docs.site.docstrings import escaped, first_line, markdown, prose

DOCSTRING = """Do one thing.

Then `other` with a*b and <unk>, for $5.

    y = x W + b

Args:
    x: (B, T), or
        two of `other`.
    *rest: more.

Returns:
    The answer.

Raises:
    ValueError: shapes.

Differences from the paper: none
of them.

Example:
    All is 0.

    >>> f(0)
    0

Source: Somebody 2001."""


def test_a_docstring_as_markdown():
    text = markdown(DOCSTRING, {"other": "kerasllm.other"}.get)
    assert text.startswith("Do one thing.\n\nThen {py:obj}`other <kerasllm.other>` with a\\*b")
    assert "\\<unk\\>, for \\$5" in text
    assert '<div class="equations"' in text and "y = x W" not in text
    assert ":::{rubric} Args\n:::\n\n`x`\n: (B, T), or\n  two of {py:obj}" in text
    assert "\n\n`*rest`\n: more." in text
    assert ":::{rubric} Returns\n:::\n\nThe answer." in text
    assert ":::{rubric} Raises\n:::\n\n`ValueError`\n: shapes." in text
    assert ":::{rubric} Differences from the paper\n:::\n\nnone\nof them." in text
    assert ":::{rubric} Example\n:::\n\nAll is 0.\n\n```pycon\n>>> f(0)\n0\n```" in text
    assert text.endswith(":::{rubric} Source\n:::\n\nSomebody 2001.")


def test_indented_blocks_are_code_or_words():
    assert "```python\nmodel.fit(x)\n```" in markdown("Do.\n\n    model.fit(x)")
    assert "```text\nB  batch: texts\n```" in markdown("Shapes:\n\n    B  batch: texts")


def test_an_example_after_a_sentence_with_a_heading_is_code():
    text = markdown("Do.\n\nSource: Somebody 2001,\nsection 5.\n\n    >>> f(0)\n    0")
    assert text.endswith("Somebody 2001,\nsection 5.\n\n```pycon\n>>> f(0)\n0\n```")


def test_bullets_stay_bullets_and_other_signs_are_escaped():
    assert escaped("- a_b {c}\n  [d] 1. x") == "- a\\_b \\{c\\}\n  \\[d\\] 1. x"
    assert escaped("> `` x") == "\\> \\`\\` x"
    assert escaped("1. x") == "1\\. x"
    assert prose("`a_b*c`") == "`a_b*c`"


def test_the_first_line_fits_a_table():
    assert first_line("Say\nit `f`.\n\nMore.", {"f": "k.f"}.get) == "Say it {py:obj}`f <k.f>`."
    assert first_line(None) == ""
