import json
import sys

import pytest

from kerasllm.recipes.shared.record import record

RESULT = {
    "data": "letters",
    "split": "test",
    "rows": 1234,
    "model": {"accuracy": 0.875, "loss": 1.5},
    "interval": {"accuracy": (0.85, 0.9)},
    "baselines": {"majority": {"accuracy": 0.5}, "other": {"f1": 0.1}},
}


@pytest.fixture(autouse=True)
def called(monkeypatch):
    monkeypatch.setattr(
        sys,
        "argv",
        ["kerasllm/recipes/topics.py", "ag", "--output", "my/runs/x", "--from", "a/minilm"],
    )


def test_the_command_is_the_one_that_ran_without_folders_of_this_machine(tmp_path):
    row = record(tmp_path, "topics", RESULT, "accuracy", 87.5, percent=True)
    assert row["command"] == "python -m kerasllm.recipes.topics ag --from minilm"


def test_a_share_becomes_a_per_cent_beside_the_baselines_that_have_the_measure(tmp_path):
    row = record(tmp_path, "topics", RESULT, "accuracy", 87.5, percent=True)
    assert row["figure"] == 87.5
    assert row["interval"] == [85.0, 90.0]
    assert row["baselines"] == {"majority": 50.0}
    assert row["reached"]
    assert json.loads((tmp_path / "result.json").read_text()) == row


@pytest.mark.parametrize(
    ("target", "lower", "reached"), [(1.4, True, False), (1.6, True, True), (1.6, False, False)]
)
def test_a_loss_reaches_its_target_from_above(tmp_path, target, lower, reached):
    row = record(tmp_path, "letters", RESULT, "loss", target, lower=lower)
    assert row["reached"] == reached


def test_minutes_are_those_of_all_stages(tmp_path):
    rows = ["stage,step,seconds", "head,10,30.0", "head,20,60.0", "all,10,120.0"]
    (tmp_path / "history.csv").write_text("\n".join(rows))
    assert record(tmp_path, "topics", RESULT, "accuracy", 87)["minutes"] == 3.0
    (tmp_path / "nowhere").mkdir()
    assert record(tmp_path / "nowhere", "topics", RESULT, "accuracy", 87)["minutes"] is None


def test_the_row_that_is_printed_sets_what_is_reached_in_bold(tmp_path, capsys):
    record(tmp_path, "topics", RESULT, "accuracy", 87, percent=True)
    assert "| **87.5** [85, 90] | majority 50 | ≥ 87 |" in capsys.readouterr().out
    record(tmp_path, "letters", RESULT, "loss", 1.4, lower=True, note="half the steps")
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed.startswith("| letters (half the steps) | letters, test (1,234) |")
    assert "| 1.5 |" in printed
    assert "≤ 1.4" in printed
