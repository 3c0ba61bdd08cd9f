"""The sections of a run's page: each is made from what was found, or "" where it has nothing."""

import os

from kerasllm import plots
from kerasllm.metrics import reliability
from kerasllm.models import CausalLM
from kerasllm.plots.fonts import FONT_CURE
from kerasllm.reports.blocks import case, legend, looks, picture, section, word_map
from kerasllm.reports.embeddings import common_words, embedding_table, laid_out, neighbours
from kerasllm.reports.scores import notes, scores_table, verdict
from kerasllm.reports.story import lead, lesson, made
from kerasllm.training.run_folder.history import curves, read_history
from kerasllm.utils.pages import Markup, element, embedded
from kerasllm.utils.tables import Table, readable

EXAMPLES = 5
LISTED = 12  # words whose neighbours are listed
DRAWN = {"learning_curves", "confusion_matrix"}  # figures of a run that the page draws itself


def _lead(found, words):
    blocks = [element("p", lead(found.run, words))]
    if found.why:
        blocks.append(element("p", words("page.not_scored", why=found.why)))
    if (there := found.run.path / "explorer.html").is_file():
        href = os.path.relpath(there, found.folder)
        blocks.append(element("p", element("a", words("page.explorer"), href=href)))
    if words.language != words.figures_in:
        blocks.append(element("p", words("page.no_font", cure=FONT_CURE), class_="soft"))
    return Markup("".join(blocks))


def _scores_section(found, words):
    if not found.scores:
        return ""
    task, shown = found.run.model.data_task, found.run.model.shown
    counted = words(f"counted.{found.run.model.counted}")
    told = {name: found.scores[name] for name in ("data", "split")}
    text = words("scores.text", rows=f"{found.scores['rows']:,}", counted=counted, **told)
    return section(
        words("scores.heading"),
        element("p", element("strong", verdict(found.scores, shown, words))),
        text,
        scores_table(found.scores, shown, task, words),
        lesson("evaluation", words, found.folder),
        *notes(found.scores, words),
    )


def _curves(found, words):
    rows = read_history(found.run.path / "history.csv")
    drawn = curves(rows, found.run.shape.curves) if rows else {}
    if not set(drawn) - {"step"}:
        return ""
    figure = words.figure(plots.learning_curves(drawn, ""))
    text = words("curves.text")
    link = lesson("fine_tuning", words, found.folder)
    return section(
        words("curves.heading"), text, picture(figure, words("curves.heading"), shown=False), link
    )


def _classes(found, words):
    review = found.review
    if review is None or (review.classes is None and review.confusion is None):
        return ""
    blocks = [words("classes.text")]
    if review.classes is not None:
        blocks.append(Table(words("classes.columns"), review.classes[1]))
    if review.confusion is not None:
        figure = plots.confusion_matrix(*review.confusion, title="")
        blocks.append(picture(words.figure(figure), words("classes.confusion")))
    return section(words("classes.heading"), *blocks)


def _confidence(found, words):
    if found.review is None or found.review.confidence is None:
        return ""
    p, right = found.review.confidence
    bins = reliability(p, right)
    figure = plots.reliability_diagram(*bins[:3], title="")
    text = words("confidence.text", error=f"{bins.error:.3f}", rows=f"{len(p):,}")
    drawn = picture(words.figure(figure), words("confidence.heading"), shown=False)
    return section(words("confidence.heading"), text, drawn)


def _worst(found, words):
    review = found.review
    if review is None or not review.cases:
        return ""
    heading, rows = words("worst.heading"), f"{len(review.cases):,}"
    if not (worst := review.worst()):
        return section(heading, words("worst.none", rows=rows))
    wrong = sum(not one.right for one in review.cases)
    rest = "" if review.wrong_by in ("surprise", "hidden") else words(
        "worst.text", wrong=f"{wrong:,}", rows=rows)  # fmt: skip
    told = words(f"worst.{review.wrong_by}")
    return section(heading, rest, told, _legend(worst, words), *(case(c, words) for c in worst))


def _examples(found, words):
    review = found.review
    if review is None or review.wrong_by in ("surprise", "hidden"):
        return ""
    some = review.cases[:EXAMPLES]
    shown = (case(one, words, wrong=False) for one in some)
    text = words("examples.text")
    return section(words("examples.heading"), text, _legend(some, words), *shown)


def _legend(cases, words):
    return legend(words) if any(piece.mark for one in cases for piece in one.pieces) else None


def _attention(found, words):
    if found.review is None or not found.review.attention:
        return ""
    maps = (looks(*map_) for map_ in found.review.attention)
    text, link = words("attention.text"), lesson("attention", words, found.folder)
    return section(words("attention.heading"), text, *maps, link)


def _sample(found, words):
    if not isinstance(found.run.model, CausalLM):
        return ""
    text = found.run.generate("", max_new_tokens=80, temperature=0.8, seed=0)
    shown = element("pre", text or "–", tabindex="0")
    return section(words("sample.heading"), words("sample.text"), shown)


def _embeddings(found, words):
    table, tokenizer = embedding_table(found.run.model), found.run.tokenizer
    texts = found.texts or [" ".join(map(str, tokenizer.vocabulary))]
    ids = common_words(tokenizer, texts)
    if table is None or len(ids) < 4 or len(table) < tokenizer.vocabulary_size:
        return ""
    table = table[: tokenizer.vocabulary_size]
    near = neighbours(table, ids)
    tokens = [tokenizer.decode([i]).strip() for i in ids]
    tips = [", ".join(readable(tokenizer.id_to_token(int(i))) for i in row) for row in near]
    places = dict(zip(tokens, laid_out(table[ids]).tolist(), strict=True))
    text = words("embedding.text", vocabulary=f"{len(table):,}")
    listed = list(zip(tokens, tips, strict=True))[:: max(1, len(ids) // LISTED)]
    return section(
        words("embedding.heading"),
        text,
        word_map(places, dict(zip(tokens, tips, strict=True))),
        Table(words("embedding.columns"), listed),
        lesson("embedding", words, found.folder),
    )


def _others(found, words):
    paths = sorted((found.run.path / "figures").glob("*.png"))
    paths = [path for path in paths if path.stem not in DRAWN]
    if not paths:
        return ""
    return section(
        words("others.heading"),
        *(embedded(path.read_bytes(), path.stem.replace("_", " ")) for path in paths),
    )


def _made(found, words):
    return made(found.run, words)


SECTIONS = (
    _lead, _scores_section, _curves, _classes, _confidence, _worst, _examples, _attention,
    _sample, _embeddings, _others, _made,
)  # fmt: skip
