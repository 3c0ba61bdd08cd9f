"""What a report shows of an answer, by hand: entities and answers in their places."""

from kerasllm.datasets import Span
from kerasllm.models.review import MISSED, RIGHT, WRONG
from kerasllm.models.span.review import _case as span_case
from kerasllm.models.span.scoring import Answer
from kerasllm.models.tagging.review import _entities, _tags


def shown(case):
    return [(piece.text, piece.mark, piece.name) for piece in case.pieces if piece.mark]


def test_entities_found_made_up_and_missed():
    words = ["Ann", "saw", "New", "York", "and", "Bob"]
    true = ["B-PER", "O", "B-LOC", "I-LOC", "O", "B-PER"]
    said = ["B-PER", "B-LOC", "O", "B-LOC", "O", "O"]
    case = _entities(words, true, said, " ")
    assert shown(case) == [
        ("Ann", RIGHT, "PER"), ("saw", WRONG, "LOC"), ("York", WRONG, "LOC"),
        ("Bob", MISSED, "PER"),
    ]  # fmt: skip
    assert "".join(piece.text for piece in case.pieces) == " ".join(words)
    assert (case.wrong, case.right) == (4, False)  # saw and York made up, New York and Bob missed
    assert case.truth == "PER: Ann, LOC: New York, PER: Bob"
    assert _entities(words, true, true, " ").right


def test_chinese_has_no_spaces_between_its_words():
    case = _entities(list("去北京"), ["O", "B-LOC", "I-LOC"], ["O", "B-LOC", "I-LOC"], "")
    assert "".join(piece.text for piece in case.pieces) == "去北京"
    assert shown(case) == [("北京", RIGHT, "LOC")] and case.truth == "LOC: 北京"


def test_tags_that_mark_no_entities():
    case = _tags(["a", "dog", "runs"], ["DT", "NN", "VB"], ["DT", "VB", "VB"], " ")
    assert shown(case) == [("dog", WRONG, "VB (NN)")]
    assert (case.wrong, case.right, case.truth) == (1, False, "DT NN VB")


def test_an_answer_beside_the_right_one():
    example = Span("Ann Lee came home", "who?", (("Ann Lee", 0),))
    case = span_case(example, Answer(1.0, 4, 7), "Lee", "en")
    assert shown(case) == [("Ann ", MISSED, ""), ("Lee", WRONG, "")]
    assert (case.question, case.truth, case.answer, case.right) == ("who?", "Ann Lee", "Lee", False)
    assert abs(case.wrong - 1 / 3) < 1e-9  # F1 of "Lee" is 2/3
    right = span_case(example, Answer(1.0, 0, 7), "Ann Lee", "en")
    assert shown(right) == [("Ann Lee", RIGHT, "")] and right.right and right.wrong == 0
    nothing = span_case(example, Answer(-1.0, 0, 0), "", "en")
    assert shown(nothing) == [("Ann Lee", MISSED, "")] and nothing.answer == "–"
