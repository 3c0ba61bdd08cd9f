"""The command: a flag for every setting, one message for an error, help that loads little."""

import dataclasses
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from kerasllm import cli, datasets, training
from kerasllm.cli import answers, flags, library
from kerasllm.diagnosis import report as diagnosis
from kerasllm.reports import page
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.settings.pretraining import PretrainSettings
from kerasllm.training.settings.seq2seq import Seq2SeqSettings
from kerasllm.training.settings.span import SpanSettings
from kerasllm.training.settings.tagging import TaggingSettings

VERBS = [
    "quickstart",
    "recipe",
    "pretrain",
    "train",
    "finetune",
    "import",
    "export",
    "evaluate",
    "predict",
    "report",
    "results",
    "generate",
    "payoff",
    "crossvalidate",
    "verify",
    "trace",
    "intervene",
    "explore",
    "doctor",
]
GROUPS = {
    "data": ("list", "show", "get", "mask", "clean"),
    "lessons": ("list", "open", "copy", "build"),
    "exercises": ("list", "progress", "kit", "rehearse"),
    "audit": ("bias", "plant", "canaries", "personal"),
}


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs a verb in this process, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    return lambda *args: CliRunner().invoke(cli.app, [str(a) for a in args])


def shell(*args, **options):
    command = [sys.executable, "-c", "from kerasllm.cli import main; main()", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    "verb", [[v] for v in VERBS] + [[group, v] for group, verbs in GROUPS.items() for v in verbs]
)
def test_help_of_every_verb_shows_an_example(run, verb):
    result = run(*verb, "--help")
    assert result.exit_code == 0
    assert f"Example: kerasllm {' '.join(verb)}" in result.output


def test_help_names_every_verb_and_loads_nothing_slow():
    code = (
        "import sys; sys.argv = ['kerasllm', '--help']\n"
        "from kerasllm.cli import main\n"
        "slow = {'keras', 'tensorflow', 'sklearn', 'matplotlib', 'numpy'}\n"
        "try: main()\n"
        "finally: assert not slow & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in [*VERBS, *GROUPS])


def test_keras_is_loaded_without_what_no_verb_uses():
    """They can be imported afterwards: baselines and figures need them."""
    code = (
        "import sys; from kerasllm.cli.flags import load_keras\n"
        "load_keras(); assert 'keras' in sys.modules\n"
        "slow = {'sklearn', 'matplotlib', 'pandas', 'scipy.stats'} & set(sys.modules)\n"
        "import sklearn.linear_model, matplotlib.figure, gc\n"
        "print(sorted(slow), gc.isenabled(), gc.get_freeze_count() > 100_000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[] True True\n", done.stderr


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("pretrain", PretrainSettings),
        ("payoff", ClassificationSettings),
        ("finetune runs/a topic_en", ClassificationSettings),
        ("crossvalidate runs/a topic_en", ClassificationSettings),
        ("train places_en", TaggingSettings),
        ("train dates", Seq2SeqSettings),
        ("train facts_en", SpanSettings),
        ("train markov", PretrainSettings),
    ],
)
def test_every_setting_is_a_flag_with_its_help(run, verb, kind):
    output = " ".join(run(*verb.split(), "--help").output.split())
    for field in dataclasses.fields(kind):
        assert f"--{field.name.replace('_', '-')} " in output
        assert field.metadata["help"].split(",")[0].split(";")[0][:40] in output


def recorded(monkeypatch, name):
    """Replace a function of kerasllm.training by one that notes its arguments."""
    calls = []
    monkeypatch.setattr(flags, "load_keras", lambda **_: None)
    monkeypatch.setattr(training, name, lambda *args, **kw: calls.append((args, kw)) or [])
    return calls


def test_flags_reach_the_settings(run, monkeypatch):
    calls = recorded(monkeypatch, "pretrain")
    flags = ["--steps", 7, "--learning-rate", 0.5, "--no-xla", "--whole-word", "--units", 9]
    assert run("pretrain", "markov", *flags, "--resume", "--output", "x").exit_code == 0
    ((source, output), options) = calls[0]
    assert (source, str(output), options["resume"], options["quiet"]) == (
        "markov",
        "x",
        True,
        False,
    )
    changed = {"steps": 7, "learning_rate": 0.5, "xla": False, "whole_word": True, "units": 9}
    assert options["settings"] == PretrainSettings(**changed)


def test_without_flags_the_defaults_stand(run, monkeypatch):
    calls = recorded(monkeypatch, "finetune")
    assert run("finetune", "runs/a", "topic_en").exit_code == 0
    assert calls[0][1]["settings"] == ClassificationSettings()


def test_payoff_takes_lists(run, monkeypatch):
    calls = recorded(monkeypatch, "payoff")
    flags = ["--label-counts", 5, "--label-counts", 9, "--methods", "full", "--seeds", 2]
    assert run("payoff", "runs/a", "topic_en", *flags).exit_code == 0
    options = calls[0][1]
    assert list(options["label_counts"]) == [5, 9] and list(options["methods"]) == ["full"]
    run("payoff", "runs/a", "topic_en")
    assert list(calls[1][1]["methods"]) == ["scratch", "frozen", "full", "gradual"]


def test_predict_reads_standard_input(monkeypatch):
    calls = recorded(monkeypatch, "predict")
    CliRunner().invoke(cli.app, ["predict", "runs/a"], input="one\ntwo\n")
    assert calls[0][0][1] == ["one", "two"]


def test_predict_asks_questions_of_a_context(run, monkeypatch, tmp_path):
    calls = recorded(monkeypatch, "predict")
    finder = SimpleNamespace(check_reads_context=lambda: None)
    monkeypatch.setattr(training, "load_run", lambda _: finder)
    (tmp_path / "story.txt").write_text("The cat sat.", encoding="utf-8")
    for context in ("The cat sat.", tmp_path / "story.txt"):
        assert run("predict", "runs/a", "Who sat?", "Why?", "--context", context).exit_code == 0
    for arguments, _ in calls:
        assert arguments[1] == [("Who sat?", "The cat sat."), ("Why?", "The cat sat.")]


def test_predict_draws_what_an_encoder_decoder_looked_at(run, monkeypatch, tmp_path):
    (tmp_path / "figures").mkdir()
    row = {
        "text": "ich liebe",
        "answer": "I love",
        "attention": (["ich", "liebe"], ["I"], np.eye(2)[:1]),
    }
    monkeypatch.setattr("kerasllm.training.predict", lambda *_, attention: [row] * attention)
    result = run("predict", tmp_path, "ich liebe", "--attention")
    assert result.exit_code == 0 and "I love" in result.output
    drawn = (tmp_path / "figures" / "attention_of_text_1.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"text": "a", "labels": ["x"], "probabilities": {"x": 0.7, "y": 0.1}}, "x 0.700\ta"),
        ({"text": "a", "labels": [], "probabilities": {"x": 0.1}}, "-\ta"),
        ({"text": "a", "entities": []}, "-\ta"),
        ({"text": "a", "tokens": ["a"], "tags": ["O"], "entities": []}, "-\ta"),
        ({"text": "a b", "tokens": ["a", "b"], "tags": ["D", "N"], "entities": []}, "a/D b/N"),
        ({"text": "ein Hund", "answer": "a dog"}, "a dog"),
        ({"text": "The cat.", "answer": ""}, "-"),
    ],
)
def test_each_kind_of_answer_is_one_line(row, line):
    assert answers.line_of(row) == line


def test_generate_prints_piece_by_piece(run, monkeypatch):
    calls = []
    monkeypatch.setattr(flags, "load_keras", lambda **_: None)
    monkeypatch.setattr(training, "generate", lambda *args, **kw: calls.append(kw) or ["to ", "be"])
    assert run("generate", "runs/a", "to ", "--stop", ".", "--top-k", 3).output == "to be\n"
    assert calls[0]["stream"] and calls[0]["stop"] == (".",) and calls[0]["top_k"] == 3
    run("generate", "runs/a", "--beam", 4)
    assert "stream" not in calls[1] and calls[1]["beam"] == 4


def test_a_tagger_may_begin_from_a_run(run, monkeypatch):
    calls = recorded(monkeypatch, "train")
    result = run("train", "places_en", "--pretrained", "runs/a", "--epochs", 2)
    assert result.exit_code == 0, result.output
    assert str(calls[0][1]["pretrained"]) == "runs/a"
    assert calls[0][1]["settings"] == TaggingSettings(epochs=2.0)


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ("topic_en", ClassificationSettings(seed=7)),
        ("places_en", TaggingSettings(seed=7)),
        ("facts_en", SpanSettings(seed=7)),
        ("dates", Seq2SeqSettings(seed=7)),
        ("markov", PretrainSettings(seed=7)),
    ],
)
def test_the_flags_follow_from_the_data(run, monkeypatch, data, settings):
    calls = recorded(monkeypatch, "finetune")
    result = run("finetune", "--seed", 7, "runs/a", data, "--resume")
    assert result.exit_code == 0, result.output
    (arguments, options) = calls[0]
    assert [str(part) for part in arguments] == ["runs/a", data, "runs/finetuned"]
    kept = {"resume": True, "overwrite": False, "quiet": False}
    assert options == {"settings": settings, **kept}


def test_the_data_is_found_wherever_flags_stand(run, monkeypatch):
    calls = recorded(monkeypatch, "train")
    for words in (
        ("--no-keep-best", "topic_en", "--layer", "-1"),
        ("--layer=-1", "--no-keep-best", "--output", "runs/trained", "topic_en"),
        ("--layer", "-1", "topic_en", "--no-keep-best"),
    ):
        result = run("train", *words)
        assert result.exit_code == 0, result.output
    assert calls[0] == calls[1] == calls[2]
    assert calls[0][1]["settings"] == ClassificationSettings(keep_best=False, layer=-1)


def test_a_file_says_itself_which_flags_there_are(run, monkeypatch, tmp_path):
    calls = recorded(monkeypatch, "train")
    lines = "".join(f"a text {i},{'yes' if i % 2 else 'no'}\n" for i in range(40))
    (tmp_path / "own.csv").write_text("review,stars\n" + lines)
    written = f"{tmp_path / 'own.csv'}?text=review&label=stars"
    result = run("train", written, "--pooling", "max")
    assert result.exit_code == 0, result.output
    assert calls[0][0][0] == written
    assert calls[0][1]["settings"] == ClassificationSettings(pooling="max")
    assert "Did you mean 'topic_en'" in str(run("train", "topic_ne").exception)


def test_an_error_is_one_message_without_traceback(tmp_path):
    done = shell("data", "show", "topic_ne")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(
        "error: There is no data set 'topic_ne'. Did you mean 'topic_en'?"
    )
    assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1
    traced = shell("--traceback", "data", "show", "topic_ne")
    assert traced.returncode == 1 and "Traceback" in traced.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["pretrain"], "Missing argument"),
        (["pretrian"], "No such command"),
        (["pretrain", "x", "--steps", "many"], "Invalid value"),
        (["train", "--epochs", "3"], "expected DATA"),
        (["finetune", "runs/a"], "expected RUN and DATA"),
        (["train", "topic_en", "--epochs", "many"], "Invalid value"),
        (["train", "topic_en", "--epoch", "3"], "No such option"),
        (["train", "dates", "--pooling", "max"], "No such option"),  # of another task
        (["train", "topic_en", "more"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_says_so(run, args, message):
    result = run(*args)
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert message in result.output


def test_the_cache_is_shown_and_freed(run, monkeypatch, tmp_path):
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path))
    (tmp_path / "docstrings-7.json").write_bytes(b"x" * 2_000_000)
    shown = run("data", "clean", "--dry-run").output.splitlines()
    assert shown[0].split() == ["2.0", "MB", "would", "go", "docstrings", "docstrings-7.json"]
    assert shown[-1] == f"2.0 MB would be freed in {tmp_path}"
    assert run("data", "clean").output.splitlines()[-1] == f"2.0 MB are freed in {tmp_path}"
    assert not list(tmp_path.iterdir())


def test_errors_of_training_are_messages_too(tmp_path):
    (tmp_path / "file").write_text("in the way")
    environment = {**os.environ, "KERASLLM_CACHE": str(tmp_path / "cache")}
    done = shell("pretrain", "topic_en", "--output", tmp_path / "file" / "x", env=environment)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "cannot be written (Not a directory)" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: the run folder")


def test_brackets_in_an_error_are_no_markup(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["kerasllm", "data", "show", "[b] [red] \x1b[31m"])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    error = capsys.readouterr().err
    assert error.startswith(r"error: There is no data set '[b] [red] \x1b[31m'.")


def test_data_verbs(run, monkeypatch, tmp_path):
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path))
    listed = run("data", "list").output
    assert "topic_zh" in listed and "sst2" in listed and "docstrings" in listed
    shown = run("data", "show", "sentiment_zh").output
    assert "positive" in shown and "negative" in shown
    result = run("data", "get", "sst")
    assert result.exit_code == 1 and "Did you mean 'sst2'" in str(result.exception)


def test_a_file_is_masked(run, tmp_path):
    (tmp_path / "mail.csv").write_text("text,label\nto a@b.cn,spam\n")
    told = run("data", "mask", tmp_path / "mail.csv", tmp_path / "masked.csv").output
    assert "masked.csv: 1 EMAIL" in " ".join(told.split())
    assert (tmp_path / "masked.csv").read_text() == "text,label\nto [EMAIL],spam\n"
    again = run("data", "mask", tmp_path / "mail.csv", tmp_path / "masked.csv")
    assert "is there already" in str(again.exception)


def test_results_and_report_reach_their_functions(run, monkeypatch, tmp_path):
    (tmp_path / "results").mkdir()
    told = run("results", "--output", tmp_path).output
    assert "results.md" in told and (tmp_path / "results.md").read_text().startswith("# Results")
    calls = []
    monkeypatch.setattr(flags, "load_keras", lambda **_: None)
    monkeypatch.setattr(page, "report", lambda *args, **options: calls.append((args, options)))
    assert run("report", "runs/a", "--language", "zh", "--rows", 3, "--quiet").exit_code == 0
    [((where, data), options)] = calls
    assert (str(where), data, options["language"], options["rows"]) == ("runs/a", None, "zh", 3)
    assert options["quiet"] and not options["overwrite"]


def test_a_narrow_terminal_still_names_every_set_whole(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    library.data_list()
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line.split()} >= set(datasets.names())
    assert max(map(len, lines)) <= 80


def test_a_pipe_gets_the_licences_too(run):
    assert "CC BY-SA 3.0" in run("data", "list").output


def test_doctor_ends_with_its_verdict(run, monkeypatch):
    for ok, code in ((True, 0), (False, 1)):
        report = type("Report", (), {"ok": ok})
        monkeypatch.setattr(diagnosis, "doctor", lambda report=report: report)
        assert run("doctor").exit_code == code
