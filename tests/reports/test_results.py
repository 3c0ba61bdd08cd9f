"""The table of results: rows from run folders, seeds put together, and the page itself."""

import json
import statistics
from pathlib import Path

import pytest

from kerasllm.reports.results import page_of, read_rows, results, row_of
from kerasllm.training.run_folder.history import has_flattened, read_history, training_minutes

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCORES = {2: 0.8, 3: 0.9, 5: 0.7}  # by seed


def write_run(folder, seed, score, values=(2.0, 1.0, 0.5, 0.41, 0.4, 0.4), data="sst2", **settings):
    """Write what training and evaluation leave of a run, but for its weights."""
    folder.mkdir(parents=True)
    config = {
        "task": "classification",
        "seed": seed,
        "settings": {"backbone": "recurrent", "size": "tiny", "seed": seed, **settings},
        "data": {"name": "sst2", "source": data},
        "monitor": "val_loss",
        "made": {"command": "kerasllm train sst2", "date": "2026-01-02", "machine": "x, 2 cores"},
        "versions": {"keras": "3"},
    }
    metrics = {
        "data": "sst2", "split": "validation", "rows": 7,
        "model": {"accuracy": score, "per_class": []},
        "interval": {"accuracy": [score - 0.1, score + 0.1]},
        "baselines": {"linear": {"accuracy": 0.75}},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    lines = [f"stage 0,{i + 1},{30 * (i + 1)},{value}" for i, value in enumerate(values)]
    (folder / "history.csv").write_text("\n".join(["stage,step,seconds,val_loss", *lines]) + "\n")
    return folder


@pytest.fixture
def runs(tmp_path):
    for seed, score in SCORES.items():
        write_run(tmp_path / "runs" / f"seed{seed}", seed, score)
    return tmp_path / "runs"


def cells(page, data="sst2"):
    (line,) = (line for line in page.splitlines() if f"| {data}" in line)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_committed_page_is_that_of_the_committed_files():
    if not DOCS.is_dir():
        pytest.skip("needs the repository's docs/ folder")
    page, rows = (DOCS / "results.md").read_text("utf-8"), read_rows(DOCS / "results")
    assert page == page_of(rows) and len(rows) > 5
    for row in rows:
        assert f"{row['score']:.4g}" in page and (row["command"] or "") in page


def test_a_row_holds_what_the_run_wrote(runs):
    row = row_of(runs / "seed3")
    assert (row["task"], row["data"], row["split"], row["rows"]) == (
        "classification", "sst2", "validation", 7)  # fmt: skip
    assert (row["measure"], row["score"], row["seed"]) == ("accuracy", 0.9, 3)
    assert row["interval"] == pytest.approx([0.8, 1.0]) and row["baselines"] == {"linear": 0.75}
    assert (row["minutes"], row["schedule"], row["curve"][0]) == (3.0, "whole", 2.0)
    assert (row["command"], row["date"]) == ("kerasllm train sst2", "2026-01-02")


def test_seeds_share_a_row_and_settings_do_not(runs, tmp_path):
    page = results([runs], tmp_path / "docs").read_text("utf-8")
    row = cells(page)
    assert (row[2], row[3]) == ("recurrent, tiny", "3")
    assert row[5] == f"**0.8** ± {statistics.stdev(SCORES.values()):.2g}"
    assert row[6] == "linear 0.75" and row[8].startswith("whole █") and row[9] == "3.0"
    assert "0.935 BERT-base, on the test set (Devlin et al. 2019, table 1)" in row[7]
    write_run(runs / "wider", 2, 0.7, units=5)
    page = results([runs / "wider"], tmp_path / "docs").read_text("utf-8")
    assert page.count("| sst2") == 2 and "| 0.7 [0.6, 0.8] |" in page  # not bold: below linear


def test_folders_of_this_machine_stay_out(tmp_path):
    run = write_run(tmp_path / "run", 0, 0.5, data="/home/me/mail.csv?label=stars")
    assert row_of(run)["data"] == "mail.csv?label=stars"
    assert "/home" not in results([run], tmp_path / "docs").read_text("utf-8")


def test_a_curve_that_still_falls_is_a_part(tmp_path):
    run = write_run(tmp_path / "run", 0, 0.5, values=(5.0, 4.0, 3.0, 2.0, 1.0))
    assert row_of(run)["schedule"] == "part"
    assert (
        row_of(write_run(tmp_path / "b", 0, 0.5, values=(2.0, 1.0)))["schedule"] == "not recorded"
    )


def test_what_cannot_be_used_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected run folders that were evaluated"):
        results([tmp_path], tmp_path / "docs")
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "docs" / "results" / "a.json").write_text('{"task": "span"}')
    with pytest.raises(ValueError, match=r"a\.json lacks \['data', 'split'"):
        results((), tmp_path / "docs")
    (tmp_path / "docs" / "results" / "a.json").write_text('{"task": ')
    with pytest.raises(ValueError, match=r"a\.json, line 1: not valid JSON"):
        results((), tmp_path / "docs")


def test_history_of_stages(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("stage,step,seconds,val_f1\na,1,60,0.1\na,2,120,\nb,3,60,0.2\n")
    rows = read_history(path)
    assert training_minutes(rows) == 3.0 and rows[1]["val_f1"] != rows[1]["val_f1"]
    assert read_history(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("values", "monitor", "flat"),
    [
        ([0.0, 0.5, 0.8, 0.9, 0.9], "val_f1", True),
        ([0.0, 0.5, 0.8, 0.9, 0.99], "val_f1", False),
        ([0.0, 0.5, 0.8, 0.9, 0.3], "val_f1", True),  # worse at the end is no gain
        ([3.0, 2.0, 1.0, 1.0, 0.9], "val_loss", False),
        ([1.0, 1.0, 1.0, 1.0], "val_loss", None),
        ([1.0, 1.0, 1.0, 1.0, 1.0], "val_loss", True),
    ],
)
def test_flat_is_where_the_last_fifth_brings_nothing(values, monitor, flat):
    assert has_flattened([{monitor: value} for value in values], monitor) is flat
