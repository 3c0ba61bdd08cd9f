"""Questions on paragraphs as SQuAD writes them: JSON of articles, paragraphs, questions."""

import reprlib
from collections import Counter

from kerasllm.datasets.examples import Span
from kerasllm.datasets.files.tables import read_text
from kerasllm.datasets.options import option_to_pass
from kerasllm.utils.errors import check_choice
from kerasllm.utils.json_text import parsed_json

UNFOUND = ("error", "drop")
_SHAPE = (
    '{"data": [{"paragraphs": [{"context": "...", "qas": [{"id": "...", "question": "...", '
    '"answers": [{"text": "...", "answer_start": 0}]}]}]}]}'
)


def is_squad(path, encoding=None):
    """Return whether a JSON file is one object with "data", as SQuAD's are."""
    try:
        content = parsed_json(read_text(path, encoding), path)
    except ValueError:
        return False
    return isinstance(content, dict) and "data" in content


def read_squad(path, encoding=None, unfound="error"):
    """Read a file in the form of SQuAD 1.1 or 2.0.

    An answer that does not stand at its `answer_start` is looked for in the context, and the place
    nearest to the stated one is taken. A question without answers stays, as one that the context
    does not answer; so does one that says `is_impossible`, whatever answers it lists.

    Args:
        path: JSON file.
        encoding: of the file; left out: UTF-8.
        unfound: "error" refuses an answer that stands nowhere in its context; "drop" leaves it out,
            and its question if no other answer is left.

    Returns:
        A pair: list of `Span`, and a dict of facts: "groups" (the article of each question),
        "answers_moved", "answers_dropped", "questions_dropped".

    Raises:
        ValueError: for JSON of another shape, or an answer that is not in its context.
    """
    check_choice("unfound", unfound, UNFOUND)
    examples, articles, counts = [], [], Counter()
    for article, context, question, given in _questions(path, encoding):
        answers = tuple(_answers(path, context, question, given, unfound, counts))
        if answers or not given:
            examples.append(Span(context, question["question"].strip(), answers))
            articles.append(article)
        else:
            counts["questions_dropped"] += 1
    return examples, {"groups": articles, **counts}


def _questions(path, encoding):
    """Yield (number of the article, context, question, answers) for each question of a file."""
    content = parsed_json(read_text(path, encoding), path)
    for number, article in enumerate(_field(path, content, "data", list, "")):
        where = f"data[{number}]"
        for i, paragraph in enumerate(_field(path, article, "paragraphs", list, where)):
            inner = f"{where}.paragraphs[{i}]"
            context = _field(path, paragraph, "context", str, inner)
            for k, question in enumerate(_field(path, paragraph, "qas", list, inner)):
                _field(path, question, "question", str, f"{inner}.qas[{k}]")
                yield number, context, question, _given(path, question, f"{inner}.qas[{k}]")


def _given(path, question, where):
    """Return the answers that a question states: none where it says that it has none."""
    impossible = question.get("is_impossible")
    if impossible is not None and _field(path, question, "is_impossible", bool, where):
        return []
    answers = _field(path, question, "answers", list, where)
    if impossible is False and not answers:
        raise ValueError(
            f"{path}: {where} has no answers, and says that it is not impossible to answer: add "
            "an answer, or set is_impossible to true."
        )
    return answers


def _field(path, owner, name, kind, where):
    """Return a field, or say where the file is not shaped as expected."""
    value = owner.get(name) if isinstance(owner, dict) else None
    if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    found = (
        f"the keys {reprlib.repr(sorted(owner))}"
        if isinstance(owner, dict)
        else type(owner).__name__
    )
    kinds = {list: "a list", str: "a text", int: "a whole number", bool: "true or false"}
    problem = f"{name!r} is {type(value).__name__}" if value is not None else f"received {found}"
    raise ValueError(
        f"{path}: expected {name!r} with {kinds[kind]} in {where or 'the file'}, {problem}. The "
        f"form of SQuAD is {_SHAPE}"
    )


def _answers(path, context, question, given, unfound, counts):
    """Yield the answers that stand in the context, each once, with their places."""
    for answer in given:
        name = f"the answers of question {question.get('id', question['question'])!r:.80}"
        text = _field(path, answer, "text", str, name)
        start = _field(path, answer, "answer_start", int, name)
        found = _place(context, text, start)
        if found is None:
            if unfound == "error":
                raise ValueError(_unfound(path, question, text))
            counts["answers_dropped"] += 1
        else:
            counts["answers_moved"] += found != start
            yield text, found


def _place(context, text, start):
    """Return the place of a text in a context that is nearest to `start`, or None."""
    if not text.strip():
        return None
    if start >= 0 and context.startswith(text, start):
        return start
    start = max(start, 0)  # str.find would count a negative one from the end
    before, after = context.rfind(text, 0, start + len(text)), context.find(text, start)
    places = [place for place in (before, after) if place >= 0]
    return min(places, key=lambda place: abs(place - start)) if places else None


def _unfound(path, question, text):
    return (
        f"{path}: the answer {text!r:.80} to question {question.get('id', '(without id)')!r:.80} "
        f"({question['question']!r:.80}) does not stand in its context. Correct it, or pass "
        f"{option_to_pass(path, 'unfound', 'drop')} to leave such answers out."
    )
