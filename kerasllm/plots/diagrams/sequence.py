"""A conditional random field as a lattice: every path through it is a sequence of tags."""

import numpy as np

from kerasllm.plots.diagrams.canvas import Canvas, number
from kerasllm.plots.diagrams.checks import cut, index, needed, tokens_of
from kerasllm.reference.sequence.crf import crf_backward, crf_viterbi

STEP, ROW, LEFT, TOP = 152, 78, 150, 100
BOX = 74, 46
FORBIDDEN = -1e3  # a transition as low as this is not drawn
MOST_STEPS, MOST_TAGS = 8, 7


def draw_crf(trace, language, *, text=0, tokens=None, names=None):
    """Draw emissions, transitions, the probability of each tag, and the best path.

    `names`: of the L tags; `tokens`: of the T steps.
    """
    emissions, transitions, start, end, mask, _, _ = needed(
        trace, ("emissions", "transitions", "start", "end", "mask", "log_z", "tags"),
        "reference.crf",
    )  # fmt: skip
    text = index("text", text, len(emissions))
    T, L = int(mask[text].sum()), len(transitions)
    if T > MOST_STEPS or L > MOST_TAGS:
        raise ValueError(
            f"expected at most {MOST_STEPS} steps and {MOST_TAGS} tags, received {T} and {L}: draw "
            "a shorter text"
        )
    names = tokens_of(names, L, "names")
    one = emissions[text : text + 1, :T]  # padding is on the right
    best = crf_viterbi(one, transitions, start, end)[0][0]
    width = max(LEFT + STEP * (T - 1) + 70, 640)  # or the line below does not fit
    canvas = Canvas(width, TOP + ROW * (L - 1) + 66, language)
    _edges(canvas, transitions, best, T, L)
    _nodes(canvas, one[0], _marginals(trace, text, T), best, names)
    for t, token in enumerate(tokens_of(tokens, T)):
        canvas.text(LEFT + STEP * t, TOP - 46, token)
    canvas.text(18, TOP + ROW * (L - 1) + 48, canvas.word("lattice"), "soft left")
    return canvas.diagram(f"CRF · log Z = {number(trace.log_z[text])}")


def _marginals(trace, text, T):
    """Return p (T, L), the probability of each tag: its share of the gradient."""
    L = trace.emissions.shape[-1]
    observed = np.eye(L)[trace.tags[text, :T]]
    return observed - crf_backward(np.ones(len(trace.tags)), trace).d_emissions[text, :T]


def _place(t, tag):
    return LEFT + STEP * t, TOP + ROW * tag


def _edges(canvas, transitions, best, T, L):
    half = BOX[0] / 2
    for t in range(1, T):
        for i, j in np.ndindex(L, L):
            if transitions[i, j] <= FORBIDDEN:
                continue
            (x, y), (a, b) = _place(t - 1, i), _place(t, j)
            chosen = (i, j) == (best[t - 1], best[t])
            look = {"kind": "plus", "width": 3} if chosen else {"width": 0.5, "head": False}
            canvas.arrow((x + half, y), (a - half, b), **look)
            if chosen:
                aside = 22 * np.sign(b - y)  # beside a line that falls or rises
                canvas.text((x + a) / 2 + aside, (y + b) / 2 - 9, number(transitions[i, j]), "cell")


def _nodes(canvas, emissions, marginals, best, names):
    wide, high = BOX
    for (t, tag), emission in np.ndenumerate(emissions):
        x, y = _place(t, tag)
        canvas.box(x, y, wide, high, (number(emission), "value"),
                   (f"p = {marginals[t, tag]:.2f}", "soft"), kind="gate")  # fmt: skip
        if best[t] == tag:
            canvas.chosen(x - wide / 2, y - high / 2, wide, high)
        if not t:
            canvas.text(x - wide / 2 - 12, y, cut(names[tag]), "small right")
