"""One HTML file in which a model can be seen, changed and asked: `kerasllm explore RUN`.

- The file needs no network, and forbids itself any: only the page's own script may run.
- Its JavaScript is that of `javascript/`, one file behind the other. It computes the model by
  itself, and says how far its numbers are from NumPy's.
"""

import base64
import json
from pathlib import Path

from kerasllm.explorer.description import LARGEST, describe
from kerasllm.explorer.tutorial import tutorial
from kerasllm.training import Run, load_run
from kerasllm.utils.files import whole_file
from kerasllm.utils.pages import Markup, element, page

_HERE = Path(__file__).parent / "javascript"
_FILES = ("arithmetic", "recurrent", "transformer", "model", "crf", "tokenizers", "equations",
          "equations_of_blocks", "sampling", "drawing", "saving", "state", "answer", "pictures",
          "number", "changes", "trials", "begin")  # fmt: skip
ROOM = 60_000  # bytes for what is not the model's: texts, styles, signs that are escaped
_TEXTS = ("The cat sat on the mat.", "这部电影真的很好看。")


def explore(run, texts=(), output=None, tokenizer=None):
    """Write a page in which a model can be seen, changed and asked.

    It has at most 12 MB. Of a model whose weights do not fit it shows what NumPy computed of the
    texts, and computes nothing itself.

    Args:
        run: a run folder, a `Run`, or a Keras model.
        texts: what the page begins with; more can be typed there.
        output: the file; `explorer.html` in the run folder if left out.
        tokenizer: that of a model given without a run.

    Returns:
        The path of the file.

    Raises:
        FileNotFoundError: no run folder.
        ValueError: a model that the page does not compute, an empty text, weights that are not
            finite.
    """
    run = load_run(run) if isinstance(run, str | Path) else run
    model = run.model if isinstance(run, Run) else run
    if output is None and not isinstance(run, Run):
        raise ValueError("a model without a run folder needs an output: explore(…, output=FILE).")
    path = Path(output or Path(run.path) / "explorer.html")
    text = page_of(model, [texts] if isinstance(texts, str) else texts, tokenizer)
    with whole_file(path) as file:
        file.write(text)
    return path


def page_of(model, texts=(), tokenizer=None):
    """Return the page of a model as a text; see `explore`."""
    script = "\n".join((_HERE / f"{name}.js").read_text("utf-8") for name in _FILES)
    style = (_HERE / "explorer.css").read_text("utf-8")
    room = LARGEST - len(script.encode()) - ROOM
    description, numbers = describe(model, list(texts) or _TEXTS[:1], tokenizer, room)
    data = {"description": description, "blob": base64.b64encode(numbers.tobytes()).decode("ascii")}
    made = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    data = element("script", Markup(made), id="data", type="application/json")
    return page("Explorer", *_body(), data, style=style, script=script)


_WITHOUT = "This page computes the model by a script, which does not run here."
_VIEWS = (("Answer", "answer"), ("Symbols", "picture"), ("One number", "number"),
          ("What if", "changes"), ("Try all", "trials"))  # fmt: skip


def _body():
    """Return the places that the script fills."""
    box = element("textarea", id="text", rows="2", **{"aria-label": "text"})
    beside = element("input", id="other", type="text", placeholder="a second text, to compare with",
                     **{"aria-label": "second text"})  # fmt: skip
    return [
        element("h1", "Explorer"),
        element("p", _WITHOUT, id="proof", role="status"),
        element("p", box, element("button", "Read", id="read"), class_="row"),
        element("p", beside, element("button", "Read beside", id="read-beside"), class_="row"),
        element("p", id="stored", class_="row"),
        element("p", id="note", role="status"),
        element("div", id="tokens"),
        tutorial(),
        element("p", id="choose", class_="row"),
        *(_view(*view) for view in _VIEWS),
    ]


def _view(title, name):
    button = element("button", "Save as SVG", class_="save",
                     **{"data-view": name, "data-title": title})  # fmt: skip
    return element(
        "section", element("h2", title, button), element("div", id=name, class_="scroll")
    )
