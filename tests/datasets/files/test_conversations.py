"""Conversations in files: four forms, one example, and errors that say the line."""

import json

import pytest

from kerasllm.cli import library
from kerasllm.datasets import Conversation, duplicates, load, split, task_of
from kerasllm.datasets.examples import Dataset
from kerasllm.datasets.show import describe

TALK = Conversation(
    (("system", "Be kind."), ("user", "Hi\n\nyou"), ("assistant", "Hello!"))
)  # fmt: skip
ROWS = {
    "messages": {"messages": TALK.messages},
    "parts": {"messages": [*TALK.messages[:2], {"role": "assistant", "content": [
        {"type": "text", "text": "Hel"}, {"type": "text", "text": "lo!"}]}]},
    "conversations": {"id": 7, "conversations": [
        {"from": "system", "value": "Be kind."}, {"from": "human", "value": "Hi\n\nyou"},
        {"from": "gpt", "value": "Hello!"}, {"from": "human", "value": "Bye"}]},
    "prompt": {"system": "Be kind.", "prompt": "Hi\n\nyou", "completion": "Hello!"},
    "lists": {"prompt": TALK.messages[:2], "completion": TALK.messages[2:]},
    "instruction": {"system": "Be kind.", "instruction": "Hi", "input": "you", "output": "Hello!",
                    "text": "### Instruction: Hi"},
    "no input": {"system": "Be kind.", "instruction": "Hi\n\nyou", "input": "", "output": "Hello!"},
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    def write(*rows, name="chats.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("form", ROWS)
def test_each_form_gives_the_same_conversation(form, written):
    data = load(written(ROWS[form]), split="all")
    assert (data.task, data.examples) == ("chat", (TALK,))
    assert data.texts == ["Hi\n\nyou"]
    assert data.info["unanswered_cut"] == (form == "conversations")


def test_a_table_may_hold_them_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('instruction,input,output\nAdd.,"1, 2",3\n', encoding="utf-8")
    (example,) = load(path, split="all")
    assert example.turns == (("user", "Add.\n\n1, 2"), ("assistant", "3"))
    quoted = json.dumps(TALK.messages).replace('"', '""')
    path.write_text(f'messages\n"{quoted}"\n', encoding="utf-8")
    assert load(path, split="all").examples == (TALK,)
    assert task_of(f"{path}?text=messages") == "language_model"


def test_named_columns_are_pairs_or_labels_as_before(written):
    path = written({"instruction": "a", "output": "b"}, {"instruction": "c", "output": "d"})
    assert load(path, split="all", source="instruction", target="output").task == "seq2seq"
    assert load(path, split="all", text="instruction", label="output").task == "classification"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"messages": []}, r"in 1 of 2 conversations there is no .* in line 2\. .*drop_empty"),
        ({"messages": TALK.messages[:2]}, "there is no answer: no message is the assistant's"),
        ({"messages": TALK.messages[2:]}, "the first message is an answer: nothing was asked"),
        ({"messages": [*TALK.messages[:2], {"role": "assistant", "content": " "}]}, "is empty"),
        ({"messages": [{"role": "user", "content": None}, TALK.messages[2]]}, "a message is empty"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "line 2: expected a role among system, "
         "user, human, assistant, gpt, received 'tool'"),
        ({"messages": [{"content": "x"}]}, "received None"),
        ({"messages": "Hi"}, "line 2: expected a list of messages such as"),
        ({"messages": ["Hi"]}, "line 2: expected a list of messages such as"),
        ({"messages": [{"role": "user", "content": 3}]}, "line 2: expected text, received 3"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "more than text"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [1]}]}, "calls of func"),
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_refused_with_its_line(row, told, written):
    with pytest.raises(ValueError, match=told):
        load(written(ROWS["messages"], row), split="all")


def test_what_cannot_be_learned_from_is_dropped_on_request(written):
    path = written(ROWS["messages"], {"messages": []}, {"messages": TALK.messages[:2]})
    data = load(f"{path}?drop_empty=true", split="all")
    assert data.examples == (TALK,)
    assert data.info["conversations_dropped"] == 2


def talks(*pairs):
    made = [Conversation((("system", "S"), ("user", q), ("assistant", a))) for q, a in pairs]
    return Dataset(made, name="talks", split="all", task="chat")


def test_a_question_stays_on_one_side_and_repeats_go():
    pairs = [(f"q{n % 10}", f"a{n % 15}") for n in range(40)]
    parts = split(talks(*pairs), seed=3)
    assert sum(map(len, parts)) == 30  # of lcm(10, 15) pairs each comes once
    asked = [{example.asked[1] for example in part} for part in parts]
    assert [len(part) for part in asked] == [8, 1, 1]
    assert not (asked[0] & asked[1] or asked[0] & asked[2] or asked[1] & asked[2])


def test_duplicates_know_that_answers_differ():
    found = duplicates(talks(("q", "a"), ("r", "b")), talks(("q ", "a"), ("r", "c"), ("s", "d")))
    assert (found.exact, found.conflicts) == (((0, 0), (1, 1)), ((1, 1),))


def test_they_are_shown(written, capsys):
    rows = [{"prompt": f"question {n}", "completion": n * "x" + "y"} for n in range(20)]
    path = written(*rows, {"messages": TALK.messages})
    shown = describe(path)
    assert "train: 17 examples" in shown
    assert "1 conversations begin with what the system says" in shown
    assert "| assistant: " in shown
    library.data_show(str(path))
    assert "17 answers" in capsys.readouterr().out
