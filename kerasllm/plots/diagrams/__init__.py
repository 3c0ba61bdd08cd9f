"""Diagrams with live numbers: a cell, an attention, a training step, as they are at this moment."""

from kerasllm.plots.diagrams.adaptation import draw_lora
from kerasllm.plots.diagrams.attention import draw_attention, draw_block
from kerasllm.plots.diagrams.audit import draw_cost, draw_private
from kerasllm.plots.diagrams.canvas import LANGUAGES_OF_DIAGRAMS, Diagram
from kerasllm.plots.diagrams.counting import draw_ngram
from kerasllm.plots.diagrams.elementary import draw_embedding, draw_neuron
from kerasllm.plots.diagrams.evaluation import draw_confusion
from kerasllm.plots.diagrams.recurrent import (
    draw_bidirectional,
    draw_gru,
    draw_lstm,
    draw_rnn,
)
from kerasllm.plots.diagrams.sequence import draw_crf
from kerasllm.plots.diagrams.span import draw_span
from kerasllm.plots.diagrams.training import draw_training, draw_tuning
from kerasllm.plots.diagrams.translation import draw_translation
from kerasllm.utils.errors import check_choice
from kerasllm.utils.languages import chosen_language

__all__ = ["DIAGRAMS", "Diagram", "diagram"]

DIAGRAMS = {
    "neuron": draw_neuron,
    "embedding": draw_embedding,
    "training": draw_training,
    "tuning": draw_tuning,
    "rnn": draw_rnn,
    "lstm": draw_lstm,
    "gru": draw_gru,
    "bidirectional": draw_bidirectional,
    "attention": draw_attention,
    "block": draw_block,
    "crf": draw_crf,
    "ngram": draw_ngram,
    "confusion": draw_confusion,
    "translation": draw_translation,
    "span": draw_span,
    "lora": draw_lora,
    "private": draw_private,
    "cost": draw_cost,
}


def diagram(name, trace, *, language=None, **options):
    """Draw what a function of `kerasllm.reference` computed, its numbers in their places.

    | name | trace of | options |
    |---|---|---|
    | neuron | `dense` | unit, text, activation, tokens: names of the inputs |
    | embedding | `embedding` | step, text, tokens: names of the rows |
    | rnn | `simple_rnn` | unit, text, tokens, grads: of `simple_rnn_backward` |
    | lstm | `lstm` | step, unit, text, tokens |
    | gru | `gru` | step, unit, text, tokens |
    | bidirectional | `bidirectional` | unit, text, tokens |
    | attention | `multi_head_attention`, or of one head | step, text, head, tokens |
    | block | `transformer_encoder` | text |
    | crf | `crf` | text, tokens, names: of the tags |
    | ngram | the model of `ngram_fit` | context: the n-1 words before, discount |
    | lora | `lora` | |
    | training | a dict, see below | |
    | tuning | a dict, see below | |
    | confusion | a dict, see below | label: number of the class that is scored |
    | translation | a dict, see below | step: the word of the target that looks |
    | span | a dict, see below | |
    | private | a dict, see below | |
    | cost | a dict, see below | |

    Args:
        name: of the diagram, as in the table.
        trace: what the function returned beside its output; for "training" a dict with arrays x
            and output, lists of arrays weights and gradients, numbers loss, learning_rate, step;
            for "tuning" one with groups, names from below, and moved, {way: a distance for each};
            for "confusion" one with confusion (C, C) and labels; for "translation" one with the
            tokens source and target, and weights (T, S): where each word of the target looks; for
            "span" one with tokens, scores start and end (T,), and best, the first and last position
            of the answer; for "private" one with norms
            (B,) of the examples' gradients, clip, noise (σ), and the lengths sum, of the clipped
            ones together, and step, of that with its noise; for "cost" one with names, weights
            and flops of the parts of a model.
        language: of its words, "en", "zh" or "both"; that of KERASLLM_LANGUAGE if left out.
        **options: step, unit, text and head choose what is drawn, from 0, negative ones from the
            end; tokens name the steps, for attention also keys: the tokens looked at.

    Returns:
        A `Diagram`: a notebook shows it, `save("NAME.svg")` writes it. It is light or dark as the
        reader's system is, and its text can be selected.

    Raises:
        ValueError: an unknown name or language, the trace of another function, a place outside, or
            more than can be drawn.
        TypeError: an option that the diagram does not have.

    Example:
        A trace of `reference.dense`: the bend cuts off what is below 0.

        >>> from kerasllm import reference
        >>> _, trace = reference.dense([[1.0, 2.0]], [[3.0], [-4.0]])
        >>> drawn = diagram("neuron", trace, activation="relu")
        >>> "-5.00" in drawn.svg
        True
    """
    check_choice("name", name, tuple(DIAGRAMS))
    if language is not None:
        check_choice("language", language, LANGUAGES_OF_DIAGRAMS)
    chosen = language if language == "both" else chosen_language(language)
    return DIAGRAMS[name](trace, chosen, **options)
