"""What the commands verify and trace show, write and answer."""

import io
import json
import subprocess
import time
import types

import keras
import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from kerasllm import cli, verify
from kerasllm import reference as ref
from kerasllm.cli import flags
from kerasllm.models import RecurrentBackbone
from kerasllm.models.backbones import config
from kerasllm.utils.terminal import console as terminal_console
from kerasllm.verify.comparison.report import Report, compare_arrays
from kerasllm.verify.proofs import checks, equations, plan, proof, summary
from kerasllm.verify.proofs import command as proof_command
from kerasllm.verify.proofs import presets as proof_presets
from kerasllm.verify.proofs.checks import (
    check_forward,
    check_forward_and_gradients,
    check_gradients,
)
from kerasllm.verify.proofs.rendering import by_layer

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
FEW = {
    "elementary": [c for c in equations.CASES_OF["elementary"] if "dense" in c.covers],
    "recurrent": [c for c in equations.CASES_OF["recurrent"] if c.covers == ("lstm_step",)],
}


@pytest.fixture
def few(monkeypatch):
    """Leave only the cases of a dense layer and of one LSTM step."""
    monkeypatch.setattr(equations, "CASES_OF", FEW)
    monkeypatch.setattr(equations, "TRAJECTORIES", ())


@pytest.fixture
def broken(monkeypatch, few):
    """Let one case compute something else than Keras does."""
    case, *rest = FEW["elementary"]
    wrong = case.__class__(**{**vars(case), "keras": lambda **a: 1.01 * case.keras(**a)})
    monkeypatch.setattr(equations, "CASES_OF", {**FEW, "elementary": [wrong, *rest]})


@pytest.fixture
def screen():
    return Console(width=80, record=True, file=io.StringIO())


def row(name, quantity, error):
    ours = np.ones(3) + error
    return compare_arrays(name, quantity, ours, np.ones(3), bar=1e-6)


def test_every_case_and_trajectory_belongs_to_functions():
    covers = summary.covers()
    names = {(False, case.name) for case in equations.CASES}
    names |= {(True, one.name) for one in equations.TRAJECTORIES}
    assert set(covers) == names
    shown = {name for functions in covers.values() for _, name in functions}
    left = set(equations.public_functions()) - shown - set(equations.EXEMPT)
    assert all(name.endswith("_backward") for name in left)


def test_the_worst_figure_of_each_check_is_shown():
    case = FEW["recurrent"][0].name
    rows = [
        row(f"1 {case}", "d_x", 1e-9),
        row(f"2 {case}", "output 0 (float64)", 1e-13),
        row(f"2 {case}", "output 1 (float64)", 1e-11),
        row(f"2 {case}", "output 0 (float32)", 1e-7),
        row("4 Adam", "lstm/kernel after 300 steps (float64)", 1e-10),
    ]
    found = proof.Proof(Report(rows))
    step, adam = found.functions
    assert (step.name, step.topic, step.comparisons) == ("lstm_step", "recurrent", 4)
    assert [round(step.digits[k][0]) for k in ("1", "2 float64", "2 float32")] == [9, 11, 7]
    assert step.cells(["1", "2 float64", "4"]) == ["9.0/6", "11.0/6", ""]
    assert (adam.name, adam.topic, round(adam.digits["4"][0])) == ("adam", "optimizers", 10)
    assert found.checks == ["1", "2 float64", "2 float32", "4"]
    assert round(found.worst()["2 float64"][0]) == 11


def test_the_figure_with_the_least_to_spare_is_shown_beside_its_own_bound():
    near = row("1 x", "a", 1e-7)._replace(bar=1e-6)
    far = row("1 x", "b", 1e-4)._replace(bar=1e-2)
    assert [round(k) for k in summary.nearest_to_failing([far, near])] == [7, 6]
    exact = row("1 x", "c", 0.0)._replace(bar=0)
    assert summary.nearest_to_failing([exact]) == (16, 16)
    assert summary.beside(*summary.nearest_to_failing([near])) == "7.0/6"


def test_the_entry_with_the_least_to_spare_is_shown_in_ulps():
    case = FEW["recurrent"][0].name

    def counted(quantity, ulps, bar):
        return row(f"2 {case}", quantity, 0.0)._replace(ulps=ulps, ulps_bar=bar)

    rows = [
        counted("output 0 (float64)", 8.0, 2.0**24),
        counted("output 1 (float64)", 4.0, 2.0**10),
        counted("d_x (float32)", 0.0, 2.0**14),
        row(f"1 {case}", "d_x", 1e-9)._replace(ulps=1e9),  # which has no bound
    ]
    found = proof.Proof(Report(rows))
    (step,) = found.functions
    assert step.cells([], found.dtypes) == ["2^2.0/2^10", "0/2^14"]
    assert "| ulps f64 | ulps f32 |" in found.markdown()
    assert "| 2^2.0/2^10 | 0/2^14 |" in found.markdown()


def test_checks_2_and_3_hold_each_entry_to_a_bound():
    for case in FEW["elementary"]:
        for dtype, most in checks.ULPS.items():
            for found in check_forward_and_gradients(case, dtype):
                assert all(row.ok and row.ulps_bar == most for row in found)


def test_checks_2_and_3_from_one_evaluation_are_the_same():
    for case in FEW["elementary"]:
        together = check_forward_and_gradients(case, "float32")
        assert [r.name for r in together[0]] == [r.name for r in check_forward(case, "float32")]
        assert together[0] == check_forward(case, "float32")
        assert together[1] == check_gradients(case, "float32")


def test_a_line_for_each_topic_and_a_row_for_each_function(few, screen):
    found = verify.prove_equations(console=screen)
    found.print(screen)
    text = screen.export_text()
    assert found.ok
    assert "✓ elementary" in text and "✓ recurrent" in text
    lines = text.splitlines()
    assert any(
        line.strip().startswith("lstm_step") and line.rstrip().endswith("✓") for line in lines
    )
    assert "all agree" in text and max(map(len, lines)) <= 80
    assert any(word.endswith("/12") for line in lines for word in line.split())
    assert "Not covered:" in text and "crf_viterbi: a maximum over paths" in text
    assert "a model that you trained: kerasllm verify --model RUN" in text


def test_quick_proves_one_case_of_every_function(few, screen, monkeypatch):
    found = verify.prove_equations(quick=True, console=screen)
    found.print(screen)
    text = screen.export_text()
    assert found.ok and [f.name for f in found.functions] == ["dense", "lstm_step"]
    dtype = equations.precisions()[0]
    assert all(dtype in r.quantity for r in found.report.rows if r.name[0] != "1")
    assert len({r.name[2:] for r in found.report.rows}) == 2  # cases
    assert "other cases (masks, directions, options), float32, training" in text
    with pytest.raises(ValueError, match="leave --model, --preset and --table out"):
        proof_command.verify_command(quick=True, preset="tiny")
    monkeypatch.undo()
    work = equations._work(trajectories=False, quick=True)
    chosen = {name for steps in work.values() for name, _ in steps}
    covered = {f for case in equations.CASES for f in case.covers}
    assert {f for c in equations.CASES if c.name in chosen for f in c.covers} == covered
    assert len(chosen) < len(equations.CASES) / 3


def test_what_is_proven_and_how_long_is_said_before_keras_is_loaded(monkeypatch, tmp_path):
    (tmp_path / "model.keras").write_bytes(bytes(40_000_000))

    def load():
        raise typer.Exit(7)

    monkeypatch.setattr(flags, "load_keras", load)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    for arguments, covers, long in (
        ([], "every equation in every case, in 10 topics", "Takes about"),
        (["--quick"], "one case of each equation", "Takes about 10 s"),
        (["--preset", "all"], "tiny, small, base: 300 optimizer steps", "minutes"),
        (["--model", "runs/x"], "runs/x: each layer's output", "Takes about 10 s"),
        (["--model", str(tmp_path)], "each layer's output", "Takes about 28 s"),
    ):
        result = CliRunner().invoke(cli.app, ["verify", *arguments])
        said = " ".join(result.output.split())
        assert result.exit_code == 7 and covers in said and long in said
    assert set(plan.SECONDS) == {*equations.TOPICS, "training"}
    assert set(plan.PRESET_SECONDS) == set(proof_presets.PRESETS)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_long_comparison_gives_signs_of_life(monkeypatch, terminal):
    monkeypatch.setattr(plan, "PRINTED_EVERY", 0.01)
    file = io.StringIO()
    console = terminal_console(width=80, file=file, force_terminal=terminal)
    progress = plan.Progress(console, {"a": 3, "b": 1})
    with progress.alive():
        progress.begin("a", 2)
        progress.advance("[first]")
        time.sleep(1.2 if terminal else 0.2)
        progress.end([])
    assert "✓ a" in file.getvalue() or "✓\x1b[0m a" in file.getvalue()
    assert "[green]" not in file.getvalue()
    assert "a 1 of 2: [first]" in file.getvalue() and "about 4 s left" in file.getvalue()


def test_the_time_left_follows_what_was_seen(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(plan.time, "perf_counter", lambda: now[0])
    progress = plan.Progress(None, {"a": 30, "b": 10})
    progress.begin("a", 3)
    progress.advance("x")
    assert progress.text() == "a 1 of 3: x  0 s, about 40 s left"
    now[0] = 20.0  # twice as long as expected for a third of it
    progress.advance("y")
    assert progress.text() == "a 2 of 3: y  20 s, about 60 s left"
    progress.end([])
    now[0] = 30.0
    progress.begin("b", 1)
    progress.advance("z")
    assert progress.text() == "b 1 of 1: z  30 s, about 10 s left"


def test_markdown_and_page_name_command_and_functions(few):
    found = verify.prove_equations()
    text = found.markdown("kerasllm verify --table docs/proof.md")
    assert "`kerasllm verify --table docs/proof.md`" in text
    assert "| `dense` | " in text and "## Recurrent" in text and "`crf_viterbi`" in text
    assert "Mutants" not in text
    assert "; `kerasllm verify --model RUN` and `--preset all` prove it whole." in text
    assert "other backends: `kerasllm verify --backend jax`, and torch." in text
    page = found.html()
    assert page.startswith("<!doctype html>") and "<td>lstm_step</td>" in page
    assert "://" not in page  # needs nothing else


def test_the_table_in_the_sources_has_the_rate_of_mutants(few, screen, tmp_path):
    figures = {
        "command": "python -m tests.long mutants", "seed": 3, "tried": 7, "died": 5, "survived": 1,
        "equal": 1, "rate": 5 / 6, "minutes": 2, "survivors": ["a.py:3 f  [term] x + y → x"],
    }  # fmt: skip
    for folder in ("docs", "tests/long/figures"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tests/long/figures/mutants.json").write_text(json.dumps(figures))
    proof_command.verify_command(table=tmp_path / "docs" / "proof.md", console=screen)
    text = (tmp_path / "docs" / "proof.md").read_text()
    assert "1 change no value" in text and "Of the other 6 a test notices 5: **83.3 %**" in text
    assert "- `a.py:3 f  [term] x + y → x`" in text


def test_a_wrong_equation_is_seen_everywhere(broken, screen, tmp_path):
    found = verify.prove_equations(console=screen)
    found.print(screen)
    text = " ".join(screen.export_text().replace("│", "").split())
    assert not found.ok and "✗ elementary" in text and "DO NOT AGREE" in text
    wrong = {f.name for f in found.functions if not f.ok}
    assert wrong == {"dense"}
    assert "**FAIL**" in found.markdown() and "<tr style=" in found.html()
    agreed = proof_command.verify_command(json=tmp_path / "all.json", console=screen)
    assert agreed is False
    assert json.loads((tmp_path / "all.json").read_text())["ok"] is False


def test_files_are_written(few, screen, tmp_path):
    paths = {name: tmp_path / f"proof.{name}" for name in ("json", "html", "table")}
    assert proof_command.verify_command(rows=True, console=screen, **paths)
    assert all(path.stat().st_size > 500 for path in paths.values())
    assert "lstm_step" in screen.export_text()  # each comparison is a row


def test_a_file_in_no_folder_is_refused_before_the_work(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        proof_command.verify_command(json=tmp_path / "no" / "x.json")
    with pytest.raises(ValueError, match="table of the equations"):
        proof_command.verify_command(model="any", table=tmp_path / "x.md")


@pytest.mark.parametrize("name", ["lstm", "gpt", "bert", "contrast", "classifier"])
def test_a_trained_run_agrees_with_its_twin(make_run, name, screen):
    run = make_run(name)
    before = [w.copy() for w in run.model.get_weights()]
    report = verify.prove_run(run, steps=2, rows=3, length=9)
    assert report.ok, str(report)
    kinds = {row.quantity.split()[0] for row in report.rows}
    assert {"output", "loss", "gradient", "after"} <= kinds
    after = run.model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    layers = by_layer(report)
    owned = [row for row in report.rows if row.quantity == "gradient"]
    assert all(layers.get(row.name) is None for row in owned)  # each has found its layer


def test_the_summary_of_a_run_has_a_row_a_layer(make_run, screen):
    assert proof_command.verify_command(make_run("lstm").path, console=screen)
    text = screen.export_text()
    assert "stack/lstm_0" in text and "float64 has the 1e-9 bar" in text and "rows pass" in text


def test_a_run_without_data_or_without_texts(make_run, copy_run):
    run = copy_run(make_run("lstm"), data={"name": "texts", "source": None})
    with pytest.raises(ValueError, match="not kept: give the data"):
        verify.prove_run(run)
    texts = ["the cat sat", "a bird sang", "我很喜欢电影"]
    assert verify.prove_run(run, texts, steps=0).ok
    with pytest.raises(ValueError, match="at least 4 tokens"):
        verify.prove_run(run, ["ab", "cd", "e"])


@pytest.fixture
def copy_run(tmp_path):
    """Return a function that copies a run with another config."""
    import shutil

    from kerasllm.training import load_run

    def copy(run, **config):
        new = load_run(shutil.copytree(run.path, tmp_path / "copy"))
        new.write_json("config.json", {**run.config, **config})
        return new

    return copy


def test_backbones_of_a_preset_train_beside_their_twins(screen):
    """`kerasllm verify --preset all` does the same for 300 steps and every preset."""
    assert tuple(config._SIZES) == proof_presets.PRESETS
    report = verify.prove_presets(["tiny"], steps=5, console=screen)
    assert report.ok, str(report)
    assert keras.config.floatx() == "float32"
    names = {row.name.split(":")[0] for row in report.rows}
    assert names == {"tiny recurrent", "tiny transformer"}
    text = screen.export_text()
    assert "✓ tiny recurrent" in text and "39,168 weights" in text
    with pytest.raises(ValueError, match="Did you mean 'small'"):
        proof_command.verify_command(preset="smal")
    with pytest.raises(ValueError, match="received both"):
        proof_command.verify_command(model="any", preset="tiny")


def test_a_preset_whose_twin_forgets_the_weight_decay_is_red(screen, monkeypatch):
    monkeypatch.setattr(proof_presets, "BACKBONES", {"recurrent": RecurrentBackbone})
    step = ref.adamw
    monkeypatch.setattr(ref, "adamw", lambda *a, **k: step(*a, **{**k, "weight_decay": 0.0}))
    assert not verify.prove_presets(["tiny"], steps=2, console=screen).ok
    assert "✗ tiny recurrent" in screen.export_text()


def test_backend_is_chosen_in_a_new_python(monkeypatch):
    seen = {}

    def run(command, env):
        seen.update(command=command, backend=env["KERAS_BACKEND"])
        return types.SimpleNamespace(returncode=3)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(proof_command.importlib.util, "find_spec", lambda name: name)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    result = CliRunner().invoke(cli.app, ["verify", "--backend", "torch", "--rows"])
    assert result.exit_code == 3 and seen["backend"] == "torch"
    assert seen["command"][-4:] == ["verify", "--rows", "--backend", "torch"]
    monkeypatch.setattr(proof_command.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"pip install 'kerasllm\[jax\]'"):
        proof_command.on_backend("jax", [])
    with pytest.raises(ValueError, match="Did you mean 'torch'"):
        proof_command.on_backend("troch", [])


def test_exit_status(few, broken, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    monkeypatch.setattr(flags, "load_keras", lambda **_: None)
    assert CliRunner().invoke(cli.app, ["verify"]).exit_code == 1


def test_exit_status_of_agreement(few, monkeypatch):
    monkeypatch.setattr(flags, "load_keras", lambda **_: None)
    monkeypatch.setenv("COLUMNS", "80")
    arguments = ["verify", "--backend", keras.backend.backend()]
    monkeypatch.setenv("KERAS_BACKEND", arguments[-1])
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0 and "all agree" in result.output


def test_trace_prints_tables_and_draws(make_run, copy_run, monkeypatch):
    monkeypatch.setattr(flags, "load_keras", lambda **_: None)
    run = copy_run(make_run("lstm"))
    result = CliRunner().invoke(cli.app, ["trace", str(run.path), "the cat", "--step", "3"])
    assert result.exit_code == 0, result.output
    assert "Predictions" in result.output and "f · c_previous + i · g" in result.output
    assert "step 3 (␣)" in result.output
    assert "stack/lstm_0: gradient below 1/e after" in result.output
    drawn = {path.name for path in (run.path / "figures").iterdir()}
    assert drawn == {
        "trace_stack_lstm_0_f.png", "trace_stack_lstm_0_h.png", "trace_gradient_flow.png"
    }  # fmt: skip


def test_trace_of_one_symbol(make_run, copy_run, screen):
    run = copy_run(make_run("gpt"))
    paths = proof_command.show_trace(run.path, "cat", layer="attention", console=screen)
    assert [path.name for path in paths] == ["trace_block_0_attention_weights.png"]
    assert "head 2 looks at" in screen.export_text()
    with pytest.raises(ValueError, match="has no steps"):
        proof_command.show_trace(run.path, "cat", layer="attention", step=1)


def test_between_two_steps_no_step_is_named():
    progress = plan.Progress(None, {"a": 30, "b": 10})
    assert progress.text().startswith("…  0 s, about ")
