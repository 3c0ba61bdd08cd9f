"""Equations of docstrings become the MathML that says the same, and nothing else becomes one."""

import re
from xml.dom import minidom

import pytest

pytest.importorskip("sphinx")
from docs.site import api, equations
from docs.site.equations import Line, lines, math


def body(expression):
    """Return the MathML of an expression without its frame."""
    return re.fullmatch(r'<math displaystyle="true">(.*)</math>', math(expression))[1]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("h", "<mi>h</mi>"),
        ("12.5", "<mn>12.5</mn>"),
        ("x_t", "<msub><mi>x</mi><mi>t</mi></msub>"),
        ("h_previous", "<msub><mi>h</mi><mi>previous</mi></msub>"),
        ("d_w_q", "<msub><mi>d</mi><mrow><msub><mi>w</mi><mi>q</mi></msub></mrow></msub>"),
        ("learning_rate", "<mi>learning_rate</mi>"),
        ("token_t", "<msub><mi>token</mi><mi>t</mi></msub>"),
        ("beta_1", "<msub><mi>β</mi><mn>1</mn></msub>"),
        ("x²", "<msup><mi>x</mi><mn>2</mn></msup>"),
        ("wᵀ", "<msup><mi>w</mi><mi>T</mi></msup>"),
        ("xᵢ", "<msub><mi>x</mi><mi>i</mi></msub>"),
        ("beta_2ᵗ", "<msup><msub><mi>β</mi><mn>2</mn></msub><mi>t</mi></msup>"),
        ("h^l_t", "<msubsup><mi>h</mi><mi>t</mi><mi>l</mi></msubsup>"),
        ("√D", "<msqrt><mi>D</mi></msqrt>"),
        ("√(a + b)", "<msqrt><mi>a</mi><mo>+</mo><mi>b</mi></msqrt>"),
        ("a * b", "<mi>a</mi><mo>⊙</mo><mi>b</mi>"),
        ("s <= t", "<mi>s</mi><mo>≤</mo><mi>t</mi>"),
        ("-a", '<mo form="prefix">−</mo><mi>a</mi>'),
        ("h\u0303", '<mover accent="true"><mi>h</mi><mo>~</mo></mover>'),
    ],
)  # fmt: skip
def test_expressions(expression, expected):
    assert body(expression) == expected


def test_a_quotient_is_a_fraction_only_where_it_is_all_that_stands_there():
    assert body("1 / (1 + a)").startswith("<mfrac><mrow><mn>1</mn></mrow><mrow><mn>1</mn><mo>+")
    assert body("y = x / D").endswith(
        "<mfrac><mrow><mi>x</mi></mrow><mrow><mi>D</mi></mrow></mfrac>"
    )
    for other in ("a · b / c", "Σ x / D", "a b / c", "a / b / c", "f(a / b)", "n // N"):
        assert "mfrac" not in body(other), other


def test_a_norm_keeps_its_bars_under_a_fraction():
    """y / ‖y‖ is no y / y."""
    assert body("y_i / ‖y_i‖").count("‖") == 2
    assert body("a / |a|").count("|") == 2
    assert body("a / (b)").count("(") == 0


def test_a_matrix_product_is_a_gap_and_a_call_has_none():
    assert "mspace" in body("x W") and "mspace" in body("x @ W")
    assert "mspace" not in body("f(x)") and "mspace" not in body("E[id_t]")


def test_no_sign_of_an_expression_is_lost():
    """What is read from left to right has the same letters and digits as what was written."""
    for expression in ("p_t[v] = g_t softmax(logits_t)[v] + (1 - g_t) Σ_{s: id_s = v} α_ts",
                       "score = Σ_t log P(token_t | before) / ((5 + n) / 6)^length_penalty",
                       "x_{c+k-⌊(K-1)/2⌋} W_k + b"):  # fmt: skip
        written = re.sub(r"[^A-Za-z0-9α]", "", expression)
        assert re.sub(r"[^A-Za-z0-9α]", "", re.sub(r"<[^>]+>", "", math(expression))) == written


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "c = f · c_previous + i · g          cell",
            Line("", "c", "= f · c_previous + i · g", "cell"),
        ),
        ("d_x      = d_output @ kernelᵀ", Line("", "d_x", "= d_output @ kernelᵀ", "")),
        ("w ← w - m", Line("", "w", "← w - m", "")),
        ('norm="pre"    x = f(x)', Line('norm="pre"', "x", "= f(x)", "")),
        ("post:  h = f(x)", Line("post:", "h", "= f(x)", "")),
        ("dot      e_ts = q · m", Line("dot", "e_ts", "= q · m", "")),
        ("mask[t, s] = s <= t", Line("", "mask[t, s]", "= s <= t", "")),
        ("p(start = i | q) = f(i)", Line("", "p(start = i | q)", "= f(i)", "")),
        ("target · min(a, 1)", Line("", "", "target · min(a, 1)", "")),
        ("d = (a,  b), side by side", Line("", "d", "= (a,  b), side by side", "")),
    ],
)
def test_parts_of_a_line(line, expected):
    assert lines(line) == [expected]


def test_a_second_equation_of_a_line_is_mathematics_and_words_are_words():
    block = equations.block("a = b          d_w = c\ne = f      over `all` i = 1 < 2")
    assert block.count("<math") == 5
    assert '<div class="note">over <code>all</code> i = 1 &lt; 2</div>' in block


@pytest.mark.parametrize(
    "block",
    ["model.fit(texts, labels, epochs=3)", ">>> x = 1 / 2", "from kerasllm import report",
     "state = None\nfor x in batches:\n    w, state = f(w, state)", "y = f(x, length=3)",
     "BERT      causal=False, norm=post", "kerasllm verify = x", "output = f(x)    # weights"],
)  # fmt: skip
def test_code_and_tables_are_no_equations(block):
    assert not equations.is_equations(block)


def test_every_equation_of_the_reference_is_set_and_well_formed():
    blocks = [block for text in api.pages().values()
              for block in re.findall(r'<div class="equations".*?</div></div>', text)]  # fmt: skip
    assert len(blocks) > 130
    for block in blocks:
        minidom.parseString(block.replace("&emsp;", ""))
    shown = [
        page for page, text in api.pages().items() if "```text\n" in text and "reference/" in page
    ]
    assert not [page for page in shown if page != "api/reference/index"]
