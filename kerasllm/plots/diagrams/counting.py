"""An n-gram model after one context: what each count keeps, and what the shorter context gives."""

from kerasllm.plots.diagrams.canvas import Canvas, number
from kerasllm.plots.diagrams.checks import cut, needed
from kerasllm.reference.sequence.ngram import ngram_kneser_ney

ROW, TOP, LEFT, LONG = 30, 96, 170, 420  # height of a row, first row, left end and length of P = 1
MOST_WORDS = 8


def draw_ngram(model, language, *, context=(), discount=0.75):
    """Draw the likeliest words after a context, each probability in its two parts.

    `context`: the n-1 words before; `discount`: what is taken from each count.
    """
    order, vocabulary, counts, _ = needed(
        model, ("order", "vocabulary", "counts", "continuations"), "reference.ngram_fit"
    )
    context = tuple(context)
    seen = counts.get(context)
    if len(context) != order - 1 or not seen:
        raise ValueError(
            f"expected as context {order - 1} words that were seen in a row, received "
            f"{' '.join(map(str, context))!r}: choose another, or fit a model of another order"
        )
    p = {word: ngram_kneser_ney(word, context, model, discount) for word in vocabulary}
    shown = sorted(p, key=p.get, reverse=True)[:MOST_WORDS]
    total, bottom = seen.total(), TOP + ROW * len(shown)
    canvas = Canvas(760, bottom + 72, language)
    for x, name, kind in ((LEFT - 60, "count", ""), (LEFT, "probability", "left")):
        canvas.text(x, TOP - 26, canvas.word(name), f"soft {kind}".strip())
    for place, word in enumerate(shown):
        _row(canvas, TOP + ROW * place, word, seen[word], max(seen[word] - discount, 0) / total,
             p[word])  # fmt: skip
    gamma = discount * len(seen) / total
    for x, name, kind, share in ((LEFT, "kept", "plus", 1 - gamma), (420, "given", "minus", gamma)):
        canvas.add("rect", x=float(x), y=float(bottom + 26), width=12, height=12, class_=kind)
        canvas.text(x + 20, bottom + 32, f"{canvas.word(name)}: {number(share)}", "soft left")
    return canvas.diagram(f"Kneser-Ney · {' '.join(map(str, context))} …")


def _row(canvas, y, word, count, kept, p):
    """Draw a word: its count, and a bar of what the count keeps and what is given to it."""
    canvas.text(LEFT - 84, y, cut(str(word)), "small right")
    canvas.text(LEFT - 60, y, f"{count}", "value")
    canvas.add("rect", x=float(LEFT), y=float(y - 9), width=LONG * kept, height=18, class_="plus")
    given = LONG * (p - kept)
    canvas.add("rect", x=LEFT + LONG * kept, y=float(y - 9), width=given, height=18,
               class_="minus")  # fmt: skip
    canvas.text(LEFT + LONG * p + 8, y, f"{number(kept)} + {number(p - kept)} = {number(p)}",
                "value left")  # fmt: skip
