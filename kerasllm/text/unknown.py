"""Unknown tokens: how many there are, and what has to be said of them."""

import numpy as np

SHOWN = 3  # unknown pieces that are named


def unknown_share(ids, tokenizer):
    """Return the share of ids that are `<unk>`.

    Example:
        >>> from kerasllm.text import train_tokenizer
        >>> tokenizer = train_tokenizer(["ab"], "character")
        >>> unknown_share(tokenizer.encode("abxb"), tokenizer)
        0.25
    """
    return float(np.mean(np.asarray(ids) == tokenizer.unk_id)) if len(ids) else 0.0


def unknown_warning(text, tokenizer, what="the answer"):
    """Return what has to be said of the unknown tokens of a text, None where there are none.

    Args:
        text: as the model reads it.
        tokenizer: that reads it.
        what: rests on the known ones.

    Example:
        >>> from kerasllm.text import train_tokenizer
        >>> tokenizer = train_tokenizer(["ab"], "character")
        >>> unknown_warning("abxb", tokenizer)
        "1 of 4 tokens is unknown to the tokenizer ('x'): the answer rests on the others"
        >>> unknown_warning("xyz", tokenizer)
        'every token is unknown to the tokenizer: the answer says nothing about this text'
    """
    ids, spans = tokenizer.encode(text), tokenizer.offsets(text)
    pieces = [text[a:b] for i, (a, b) in zip(ids, spans, strict=True) if i == tokenizer.unk_id]
    return warning_of(pieces, len(ids), what)


def warning_of(pieces, tokens, what, unit="token"):
    """Return what has to be said of unknown pieces of text among so many tokens, or None."""
    if not pieces:
        return None
    if len(pieces) == tokens:
        return f"every {unit} is unknown to the tokenizer: {what} says nothing about this text"
    named = list(dict.fromkeys(pieces))
    shown = ", ".join(map(repr, named[:SHOWN])) + (", …" if len(named) > SHOWN else "")
    verb = "is" if len(pieces) == 1 else "are"
    return (
        f"{len(pieces):,} of {tokens:,} {unit}s {verb} unknown to the tokenizer ({shown}): {what} "
        "rests on the others"
    )


def incomparable(unknown, tokenizer, what="these scores"):
    """Return why the scores of a model that predicts tokens do not compare with those of others.

    Args:
        unknown: share of the tokens that are.
        tokenizer: of the model.
        what: does not compare.

    Example:
        >>> from kerasllm.text import train_tokenizer
        >>> incomparable(0.0, train_tokenizer(["ab"], "character"))
        []
    """
    found = []
    if unknown:
        found.append(
            f"{unknown:.1%} of the tokens are unknown to the tokenizer: <unk> is easier to predict "
            f"than what stands there, so {what} compare with those of the same tokenizer only"
        )
    keeps_space = tokenizer.kind == "character" or hasattr(tokenizer, "_bytes")
    forgets = ["capitals"] * bool(tokenizer.lowercase) + ["white space"] * (not keeps_space)
    if forgets:
        found.append(
            f"the tokenizer forgets {' and '.join(forgets)}, which need not be predicted: bits per "
            "character compare with those of tokenizers that forget the same"
        )
    return found
