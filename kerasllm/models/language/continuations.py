"""New token ids as text: as it reads after its prompt, cut at stop texts, piece by piece."""

import numpy as np

BROKEN = "\N{REPLACEMENT CHARACTER}"  # what a character decodes to while bytes of it are missing


def continuation(tokenizer, prompt, new):
    """Decode new ids as they read after the prompt: between words goes a space.

    Args:
        tokenizer: a `Tokenizer`.
        prompt: ids before.
        new: ids to decode.
    """
    new = [i for i in new if i != tokenizer.eos_id]
    before, whole = tokenizer.decode(prompt), tokenizer.decode([*prompt, *new])
    return whole[len(before) :] if whole.startswith(before) else tokenizer.decode(new)


def cut(text, stops):
    r"""Return the text before the first of the stop texts.

    Example:
        >>> cut("yes.\nNo.", ["\n", "?"])
        'yes.'
    """
    return text[: min([len(text), *(i for stop in stops if (i := text.find(stop)) >= 0)])]


def stop_ids(tokenizer, stops):
    """Return the ids that end a text: <eos>, and the stop texts that are one token."""
    alone = [ids for ids in map(tokenizer.encode, stops) if len(ids) == 1]
    return (tokenizer.eos_id, *(i for (i,) in alone if i != tokenizer.unk_id))


def pieces(tokenizer, prompt, tokens, stops=()):
    """Yield the text of tokens as they come: `cut(continuation(…), stops)`, piece by piece.

    Held back until it is certain: the bytes of an unfinished character, a word that may grow, and
    what may be the beginning of a stop text.

    Args:
        tokenizer: a `Tokenizer`.
        prompt: ids before.
        tokens: an iterable of new ids.
        stops: texts that end the text.

    Yields:
        str: the next piece.
    """
    new, said = [], 0
    for token in tokens:
        new.append(token)
        text = continuation(tokenizer, prompt, _settled(tokenizer, new)).rstrip(BROKEN)
        whole = cut(text, stops)
        ready = len(whole) if len(whole) < len(text) else _certain(text, stops)
        if ready > said:
            yield whole[said:ready]
            said = ready
        if len(whole) < len(text):
            return
    rest = cut(continuation(tokenizer, prompt, new), stops)[said:]
    if rest:
        yield rest


def _settled(tokenizer, ids):
    """Return the ids without the last word, where a word's spelling depends on its end."""
    if tokenizer.kind not in ("word", "wordpiece"):
        return ids
    starts = np.flatnonzero(tokenizer.word_starts(ids))
    return ids[: starts[-1]] if len(starts) else []


def _certain(text, stops):
    """Return the length of the text without what may be the beginning of a stop text."""
    ends = [len(text)]
    for stop in stops:
        begun = [n for n in range(1, len(stop)) if text.endswith(stop[:n])]
        ends += [len(text) - n for n in begun]
    return min(ends)
