"""Every page in a real browser: hostile labels change no element of it, and run nothing.

Each page is made twice, with harmless and with hostile texts, and read by the browser in a frame:
the elements and the names of their attributes must be the same. Pages forbid themselves scripts;
here that rule is taken out, so that escaping alone has to hold.
"""

import re
from html.parser import HTMLParser

import pytest

from docs.site.formulas import set_formulas
from kerasllm.exercises.result import Result, Verdict
from kerasllm.recipes.shared.report import Code, Picture, write_report
from kerasllm.utils import pages
from kerasllm.utils.tables import Table
from kerasllm.verify.comparison.report import Report, compare_arrays
from kerasllm.verify.proofs.rendering import whole_page
from kerasllm.verify.traces.equations import Equation, Equations, Factor

SET = "top.owned = 1"
HOSTILE = [
    f"<script>{SET}</script>", f'"><img src=x onerror="{SET}">', f"' onmouseover='{SET}' x='",
    f"</title></style></textarea><script>{SET}</script>", "&lt;b&gt;", "&#60;b>", "\u2028<s>",
    f"</pre></td></table><svg onload='{SET}'>", f"<math><mtext><img src=x onerror={SET}>",
    "--><b>", "]]><i>", f"<iframe srcdoc='<script>{SET}</script>'>", "\x00<u\x00>", "<base href=x>",
    f"$\\text{{<script>{SET}</script>}}$", f"$$\\href{{javascript:{SET}}}{{x}}$$", "<!-- ",
]  # fmt: skip
LABELS = [" ".join(HOSTILE), " ".join(HOSTILE[::-1]), *HOSTILE[:2]]
HARMLESS = "a label"
HARNESS = """<!doctype html><meta charset="utf-8"><body><script>
const pages = PAGES, found = {};
function outline(page) {
  return [...page.querySelectorAll("*")].map(e => e.localName + " " +
    [...e.attributes].map(a => a.name).sort().join(",")).join(";");
}
const read = Object.entries(pages).map(([name, text]) => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.onload = () => { found[name] = outline(frame.contentDocument); done(); };
  frame.srcdoc = text;
  document.body.append(frame);
}));
Promise.all(read).then(() => setTimeout(() => {
  document.querySelectorAll("iframe").forEach(frame => frame.remove());
  document.body.dataset.found = encodeURIComponent(JSON.stringify([found, top.owned || 0]));
}, 300));
</script>"""


def writers(label, folder):
    """Return {name: HTML} of everything that is written as HTML, with a label wherever one fits."""
    row = compare_arrays(label, label, [1.0], [2.0], bar=0, note=label)
    report = Report([row], label, warnings=[label])
    table = Table((label, "n"), [(label, 1), (label, 2)], label, ["heading", "bad"])
    term = (Factor("x", "x", 1.0),)
    equations = Equations(label, [Equation("h", "h_t", "σ", (term,), 0.7)], note=label)
    result = Result(label, (Verdict(label, "wrong", 1.0, label),), {label: False, "b": True},
                    label, notes=(label,), printed=label)  # fmt: skip
    (folder / "dot.png").write_bytes(b"\x89PNG")
    blocks = [label, table, Code(label, label), Picture(folder / "dot.png", label)]
    write_report(folder, label, [(label, blocks)])
    return {
        "table": table._repr_html_(),
        "report": report._repr_html_(),
        "equations": equations._repr_html_(),
        "exercise": result._repr_html_(),
        "lesson": set_formulas(table._repr_html_()),
        "page": pages.page(label, label, pages.scrolling(label)),
        "proof": whole_page(label, label, report, label),
        "quickstart": (folder / "report.html").read_text("utf-8"),
    }


def without_rule(text):
    """Return a page that allows scripts."""
    return re.sub(r"<meta http-equiv=[^>]+>", "", text)


def test_hostile_labels_change_no_page_and_run_nothing(browser, tmp_path):
    texts = {f"{name} harmless": text for name, text in writers(HARMLESS, tmp_path).items()}
    for number, label in enumerate(LABELS):
        made = writers(label, tmp_path).items()
        texts |= {f"{name} {number}": without_rule(text) for name, text in made}
    texts |= {k: without_rule(v) for k, v in texts.items()}
    found, owned = browser(HARNESS, texts, tmp_path, budget=20_000)
    assert set(found) == set(texts) and not owned
    changed = [name for name in found if found[name] != found[f"{name.split()[0]} harmless"]]
    assert not changed


def test_the_browser_would_have_told(browser, tmp_path):
    """One text that nobody escaped is seen, and its script has run."""
    texts = {"good": pages.element("p", HOSTILE[0]), "bad": f"<p>{HOSTILE[0]}</p>"}
    found, owned = browser(HARNESS, texts, tmp_path, budget=20_000)
    assert owned == 1 and "script" in found["bad"] and "script" not in found["good"]


# Formulas --------------------------------------------------------------------

NOTEBOOK = ("table", "report", "equations", "exercise")  # what a notebook shows, and MathJax reads


class Typeset(HTMLParser):
    """Collects the texts in which MathJax looks for formulas: those in no element to be ignored."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append((tag, set(dict(attrs).get("class", "").split())))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if not any({"mathjax_ignore", "tex2jax_ignore"} <= classes for _, classes in self.open):
            self.texts.append(data)


@pytest.mark.parametrize("name", NOTEBOOK)
def test_no_text_is_a_formula_in_a_notebook(name, tmp_path):
    label = r"§ $\unicode{x}$ \(a\) $$ \begin{a}b\end{a} $$ <b>§</b>"
    made = writers(label, tmp_path)[name]
    assert made.count("§") > 2
    read = "".join(Typeset(made).texts)
    assert "§" not in read
    if name == "equations":  # whose formulas are meant
        assert read.count("$$") == 2 and "h_t" in read
    else:
        assert not re.search(r"[$\\]", read)
