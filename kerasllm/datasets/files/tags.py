"""Sentences with a tag for each token, a token a line: CoNLL's forms of all years, CoNLL-U too."""

import re
from collections import Counter
from functools import lru_cache

from kerasllm.datasets.examples import Tagged
from kerasllm.datasets.files.labels import canonical
from kerasllm.datasets.files.tables import read_text
from kerasllm.datasets.options import option_to_pass
from kerasllm.text.tag_schemes import BrokenTagsError, unified
from kerasllm.utils.errors import short

_BLANKS = " \t"  # not those that are tokens of a text, such as U+00A0 and U+3000
_NUMBER = re.compile(r"(\d+)([-.]\d+)?")
_UNIVERSAL = 10  # columns of CoNLL-U: the number of a word, the word, its lemma, its tag, …


def read_tags(path, encoding=None, token_column=None, tag_column=None, scheme="auto"):
    """Read a file of tagged sentences, with its tags in BIO or BIOES.

    Args:
        path: file path.
        encoding: of the file; left out: UTF-8.
        token_column: of the tokens, from 0; left out: the first that does not number them.
        tag_column: of the tags; left out: the last, in CoNLL-U the fourth.
        scheme: one of `tag_schemes.SCHEMES`, or "auto".

    Returns:
        A triple: "tagging", list of `Tagged`, dict of facts.

    Raises:
        ValueError: for a line of another form, or tags that break the scheme of the others.
    """
    sentences, facts = tagged_sentences(path, encoding, token_column, tag_column)
    written = [tags for _, _, tags in sentences]
    try:
        tags, how = unified(written, scheme)
    except BrokenTagsError as error:
        lines, tokens, _ = sentences[error.sentence]
        token = (*tokens, "end of the sentence")[error.position]
        line = (*lines, lines[-1] + 1)[error.position]
        raise ValueError(_broken(path, line, token, error.advice)) from None
    pairs = zip((tokens for _, tokens, _ in sentences), tags, strict=True)
    return "tagging", [Tagged(*pair) for pair in pairs], {**how, **facts}


def _broken(path, line, token, advice):
    as_they_are = f"{option_to_pass(path, 'scheme', 'none')} takes tags as they are"
    iob1 = f"{option_to_pass(path, 'scheme', 'iob1')} takes I- as the begin of a name, "
    return (
        f"{path}, line {line} ({token!r:.60}): {advice:.200}. Correct the tag, or name the scheme "
        f"in which the tags are written: {'' if 'is no tag' in advice else iob1}{as_they_are}."
    )


def tagged_sentences(path, encoding=None, token_column=None, tag_column=None):
    """Return the sentences of a CoNLL file.

    A token a line, columns separated by tabs or by blanks, an empty line between sentences. What
    CoNLL-U has beside tokens is left out: comments in front of a sentence, the lines of words that
    are written as one (`1-2`), and words that are not written (`8.1`).

    Returns:
        A pair: list of (line numbers, tokens, tags), and a dict of facts: which columns were read,
        and how many lines were left out.

    Raises:
        ValueError: for a line with a single column, or with another number than the lines before;
            a token or a tag that is empty.
    """
    rows = [(n, _columns(line)) for n, line in enumerate(read_text(path, encoding).split("\n"), 1)]
    rows, comments = _without_comments(rows, tag_column)
    width = _width(rows, path)
    numbered = width > 2 and _are_numbers(rows)
    universal = numbered and width == _UNIVERSAL
    token_column = int(numbered) if token_column is None else token_column
    tag_column = (3 if universal else -1) if tag_column is None else tag_column
    _check_columns(path, width, token_column=token_column, tag_column=tag_column)
    kept = [row for row in rows if not (numbered and row[1] and _NUMBER.fullmatch(row[1][0])[2])]
    sentences = list(_sentences(kept, path, token_column, tag_column))
    facts = {"comments_skipped": comments, "numbers_skipped": len(rows) - len(kept)}
    if numbered:
        facts["columns_read"] = f"tokens from column {token_column}, tags from column {tag_column}"
    return sentences, facts


def _columns(line):
    """Return the columns of a line, [] for one between sentences."""
    if "\t" in line:
        columns = [column.strip(_BLANKS) for column in line.split("\t")]
    else:
        columns = [column for column in line.split(" ") if column]
    return columns if columns and columns[0] != "-DOCSTART-" and line.strip() else []


def _without_comments(rows, tag_column):
    """Return the rows without comments, and how many there were.

    A line in front of a sentence that begins with # is one, unless it has the columns of the other
    lines, and a tag that is among theirs: # is a token too.
    """
    plain = [columns for _, columns in rows if columns and not columns[0].startswith("#")]
    width = Counter(map(len, plain)).most_common(1)[0][0] if plain else 0
    tag = -1 if tag_column is None else tag_column
    fits = -width <= tag < width
    tags = {"O"} | {columns[tag] for columns in plain if fits and len(columns) == width}
    kept, inside = [], False
    for number, columns in rows:
        if plain and columns and columns[0][:1] == "#" and not inside:
            fitting = len(columns) == width and (columns[0] != "#" or not fits)
            if not fitting and not (len(columns) == width and columns[tag] in tags):
                continue
        kept.append((number, columns))
        inside = bool(columns)
    return kept, len(rows) - len(kept)


def _width(rows, path):
    """Return how many columns the lines have, after a check that it is the same for all."""
    width = next((len(columns) for _, columns in rows if columns), 2)
    for number, columns in rows:
        if columns and (len(columns) < 2 or len(columns) != width):
            raise ValueError(
                f"{path}, line {number}: expected a token and its tag in {max(width, 2)} "
                f"columns (separated by tabs or blanks), received {len(columns)}: "
                f"{short(' '.join(columns))} Leave lines between sentences empty."
            )
    return width


def _are_numbers(rows):
    """Return whether the first column numbers the words of each sentence, from 0 or 1."""
    expected, seen = None, False
    for _, columns in rows:
        found = _NUMBER.fullmatch(columns[0]) if columns else None
        if columns and not found:
            return False
        if not columns:
            expected = None
        elif not found[2]:
            number = found[1] if len(found[1]) < 7 else "-1"
            if int(number) != expected and not (expected is None and number in ("0", "1")):
                return False
            expected, seen = int(number) + 1, True
    return seen


def _check_columns(path, width, **columns):
    for name, column in columns.items():
        if not -width <= column < width:
            raise ValueError(
                f"{path} has {width} columns, received {name}={column!r}; the first column is 0, "
                "the last one -1."
            )


_tag = lru_cache(4096)(canonical)  # there are few


def _sentences(rows, path, token_column, tag_column):
    """Yield (line numbers, tokens, tags) of each sentence."""
    lines, tokens, tags = [], [], []
    for number, columns in [*rows, (0, [])]:
        if columns:
            token, tag = columns[token_column], _tag(columns[tag_column])
            if not token or not tag:
                raise ValueError(
                    f"{path}, line {number}: the {'tag' if token else 'token'} is empty in "
                    f"{short(' '.join(columns))} Fill it in, or delete the line."
                )
            lines.append(number)
            tokens.append(token)
            tags.append(tag)
        elif tokens:
            yield tuple(lines), tuple(tokens), tuple(tags)
            lines, tokens, tags = [], [], []
