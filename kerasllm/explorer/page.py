"""One HTML file in which a model can be seen, changed and asked: `kerasllm explore RUN`.

- The file needs no network, and forbids itself any: only the page's own script may run.
- Its JavaScript is that of `javascript/`, one file behind the other. It computes the model by
  itself, and says how far its numbers are from NumPy's.
"""

import base64
import json
from pathlib import Path

from kerasllm.explorer.description import describe
from kerasllm.training import Run, load_run
from kerasllm.utils.files import whole_file
from kerasllm.utils.pages import Markup, element, page

_HERE = Path(__file__).parent / "javascript"
_FILES = ("arithmetic", "recurrent", "transformer", "model", "crf", "tokenizers", "equations",
          "sampling", "drawing", "explorer")  # fmt: skip
LARGEST = 12_000_000  # bytes of a page
_TEXTS = ("The cat sat on the mat.", "这部电影真的很好看。")


def explore(run, texts=(), output=None, tokenizer=None):
    """Write a page in which a model can be seen, changed and asked.

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
            finite, a page of more than 12 MB.
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
    description, numbers = describe(model, list(texts) or _TEXTS[:1], tokenizer)
    data = {"description": description, "blob": base64.b64encode(numbers.tobytes()).decode("ascii")}
    made = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    if len(made) > LARGEST:
        raise ValueError(
            f"the page would have {len(made) / 1e6:.0f} MB, {LARGEST / 1e6:.0f} are the most that "
            "opens at once: explore a smaller model (size tiny or small), see single numbers with "
            "kerasllm trace, and change them with kerasllm.intervene."
        )
    script = "\n".join((_HERE / f"{name}.js").read_text("utf-8") for name in _FILES)
    style = (_HERE / "explorer.css").read_text("utf-8")
    data = element("script", Markup(made), id="data", type="application/json")
    return page("Explorer", *_body(), data, style=style, script=script)


# What a reader may want to know, and how to find it out here.
_TASKS = (
    ("Which unit carries the number of the subject?",
     "Read “The cats near the tree”, and choose the layer lstm_0 and its symbol c. Units that vary "
     "most stand on top. Below “What if”, type the same sentence with “cat”: all units of the cell "
     "are then as in that text. If the answer turned, undo it, and set single units, until one "
     "alone turns it. A unit that only goes along with the subject turns nothing."),
    ("Which head copies?",
     "Read a text in which a name stands twice, and choose the weights of an attention. A head "
     "that copies looks from the second name at the token behind the first. Cut that edge: if the "
     "probability of the token falls, the answer went through it. Then silence another head, "
     "which is the control."),
    ("Why was this review called negative?",
     "Silence single heads, or put 0 into all units at one token after the other, and see what "
     "changes the probabilities. What changes them was used; how large a number is says nothing."),
)  # fmt: skip
_WITHOUT = "This page computes the model by a script, which does not run here."


def _how_to():
    parts = [part for ask, do in _TASKS for part in (element("h3", ask), element("p", do))]
    return element(
        "details", element("summary", "Three questions, and how to answer them here"), *parts
    )


def _body():
    """Return the places that the script fills."""
    box = element("textarea", id="text", rows="2", **{"aria-label": "text"})
    sections = (("Answer", "answer"), ("Symbols", "picture"), ("One number", "number"),
                ("What if", "changes"))  # fmt: skip
    return [
        element("h1", "Explorer"),
        element("p", _WITHOUT, id="proof", role="status"),
        element("p", box, element("button", "Read", id="read"), class_="row"),
        element("p", id="stored", class_="row"),
        element("p", id="note", role="status"),
        element("p", id="tokens", class_="row"),
        element("p", id="choose", class_="row"),
        _how_to(),
        *(
            element("section", element("h2", title), element("div", id=name, class_="scroll"))
            for title, name in sections
        ),
    ]
