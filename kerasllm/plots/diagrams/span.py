"""Two pointers over a text: where an answer begins, and where it ends."""

import numpy as np

from kerasllm.plots.diagrams.canvas import Canvas, number
from kerasllm.plots.diagrams.checks import cut

ROW, TOP, LEFT, LONG = 22, 86, 130, 190  # height of a token, above them, beside them, of a bar
MOST_TOKENS = 40
SHUT = -1e4  # a score as low as this is outside of what may be pointed at


def draw_span(parts, language):
    """Draw the probability of each position to be the start, and the end, and the best span.

    `parts`: {"tokens": T texts, "start": (T,) scores, "end": (T,) scores, "best": (first, last)};
    -inf, or a score below -10,000, where no answer may stand.
    """
    tokens, scores, (first, last) = _read(parts)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    T = len(tokens)
    canvas = Canvas(LEFT + 2 * (LONG + 66) + 20, TOP + ROW * T + 40, language)
    lefts = LEFT, LEFT + LONG + 66
    for left, name in zip(lefts, ("start", "end"), strict=True):
        canvas.text(left + LONG / 2, TOP - 32, canvas.word(name), "small")
    for t, token in enumerate(tokens):
        middle, shut = TOP + ROW * (t + 0.5), scores[0, t] <= SHUT
        canvas.text(LEFT - 10, middle, cut(token, 16), f"{'soft' if shut else 'small'} right")
        for left, shares, kind in zip(lefts, p, ("plus", "minus"), strict=True):
            if shut:
                canvas.text(left + 8, middle, "−∞", "soft left")
                continue
            canvas.add("rect", x=left, y=float(middle - 7), width=float(LONG * shares[t]),
                       height=14, class_=kind)  # fmt: skip
            canvas.text(left + LONG * float(shares[t]) + 6, middle, number(shares[t]), "cell left")
    wide = canvas.width - 20
    canvas.chosen(10, TOP + ROW * first, wide, ROW * (last - first + 1))
    canvas.text(18, TOP + ROW * T + 22, canvas.word("span_legend"), "soft left")
    answer = " ".join(tokens[first : last + 1])
    return canvas.diagram(f"{canvas.word('span')} · {cut(answer, 30)}")


def _read(parts):
    missing = [name for name in ("tokens", "start", "end", "best") if name not in parts]
    if missing:
        raise ValueError(
            f"expected a dict with tokens, start, end, best, received one without "
            f"{', '.join(missing)}"
        )
    tokens = [str(token) for token in parts["tokens"]]
    pair = [np.asarray(parts[name], float) for name in ("start", "end")]
    scores = np.array(pair) if pair[0].shape == pair[1].shape else pair[1]
    if scores.shape != (2, len(tokens)) or not tokens:
        raise ValueError(
            f"expected a start and an end score for each token, received shape {scores.shape} and "
            f"{len(tokens)} tokens"
        )
    if len(tokens) > MOST_TOKENS:
        raise ValueError(
            f"expected at most {MOST_TOKENS} tokens, received {len(tokens)}: draw a shorter text"
        )
    first, last = (int(place) for place in parts["best"])
    if not 0 <= first <= last < len(tokens):
        raise ValueError(
            f"expected best as a first and a last position from 0 to {len(tokens) - 1}, received "
            f"{(first, last)}"
        )
    return tokens, scores, (first, last)
