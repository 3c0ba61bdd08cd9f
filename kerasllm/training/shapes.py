"""The shapes of task that bring a training, scores and answers of their own."""

from kerasllm import training

SHAPES = ("tagger", "seq2seq", "span")  # the kinds of their runs


def function(verb, kind):
    """Return the function that does `verb` ("train", "evaluate" or "predict") for a kind of run.

    Example:
        >>> function("evaluate", "seq2seq").__name__
        'evaluate_seq2seq'
    """
    return getattr(training, f"{verb}_{kind}")
