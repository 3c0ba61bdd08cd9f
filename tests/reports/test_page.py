"""The page of a run: every shape of task, both languages, nothing from elsewhere."""

import json
import re
import shutil
from pathlib import Path

import pytest

import kerasllm
from kerasllm.reports.page import report

HERE = Path(__file__).resolve().parents[1] / "training" / "runs_of_before"
EXPECTED = json.loads((HERE / "expected.json").read_text("utf-8"))
# What must stand on the page of each, by the headings of its sections.
SHAPES = {
    "finetune_lora": ("How good it is", "Class by class", "probabilities", "worst errors"),
    "tagger": ("How good it is", "Class by class", "worst errors", "Some answers"),
    "span": ("How good it is", "worst errors", "Some answers"),
    "seq2seq_recurrent": ("How good it is", "worst errors", "What it looked at"),
    "pretrain_transformer": ("How good it is", "worst errors", "What it writes", "alike"),
    "pretrain_masked": ("How good it is", "worst errors", "alike"),
    "imported": ("alike", "How it was made"),
}


def data_of(name):
    data = EXPECTED[name].get("data")
    return str(HERE / "data" / data) if isinstance(data, str) else data


@pytest.fixture(scope="module", params=SHAPES)
def page(request, tmp_path_factory):
    """Return (name, text of the page in English)."""
    name = request.param
    run = tmp_path_factory.mktemp("runs") / name
    shutil.copytree(HERE / name, run)
    split = "test" if isinstance(EXPECTED[name].get("data"), str) else None
    path = report(run, data_of(name), split=split, rows=3, quiet=True)
    assert path == run / "report.html"
    return name, path.read_text("utf-8")


def test_it_has_the_sections_of_its_shape(page):
    name, text = page
    headings = " ".join(re.findall("<h2>(.*?)</h2>", text))
    for part in SHAPES[name]:
        assert part in headings, headings
    assert '<html lang="en">' in text and "not recorded" in text


def test_it_needs_nothing_from_elsewhere(page):
    _, text = page
    assert "default-src 'none'" in text
    assert not re.findall(r'src="(?!data:)[^"]*"', text)
    links = set(re.findall(r'href="([^"]*)"', text))
    assert all(link.endswith(".ipynb") and not link.startswith(("/", "http")) for link in links)


def test_it_is_light_and_dark_and_closed(page):
    _, text = page
    assert text.count("prefers-color-scheme: dark") == 2 and "<script" not in text
    for tag in ("section", "table", "figure", "div", "details", "mark"):
        assert text.count(f"<{tag}") == text.count(f"</{tag}>"), tag


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Return a run whose own data is there, with texts that a page must not obey."""
    folder = tmp_path_factory.mktemp("own")
    rows = [f"<b>bad</b> {i} & no,bad" if i % 2 else f"good {i} $x$ yes,good" for i in range(60)]
    (folder / "mail.csv").write_text("text,label\n" + "\n".join(rows) + "\n", "utf-8")
    options = {"size": "tiny", "units": 7, "hidden_dim": 7, "epochs": 1.0, "quiet": True}
    return kerasllm.train(folder / "mail.csv", folder / "run", **options)


def test_a_run_that_was_not_scored_is_scored_first(classifier):
    assert "model" not in classifier.metrics
    text = report(classifier, rows=5, language="zh", quiet=True).read_text("utf-8")
    assert "model" in classifier.metrics
    for part in ("成绩", "学习过程", "逐类成绩", "概率可信吗", "如何得到", "没有记录", 'lang="zh"'):
        assert part in text
    assert "<b>bad</b>" not in text and "$x$" not in text
    assert f"{classifier.metrics['model']['accuracy']:.4g}" in text
    assert "5 条" in text


def test_the_scores_of_other_data_are_kept_beside(classifier, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text(
        "text,label\n"
        + "\n".join(f"a {label} thing {i},{label}" for i in range(3) for label in ("good", "bad"))
        + "\n"
    )
    text = report(classifier, path, output=tmp_path / "o.html", quiet=True).read_text("utf-8")
    assert "6 rows of other" in text
    with pytest.raises(FileExistsError, match="is there already"):
        report(classifier, path, output=tmp_path / "o.html", quiet=True)


def test_data_that_are_gone_are_told(classifier, tmp_path):
    run = shutil.copytree(classifier.path, tmp_path / "run")
    config = json.loads((run / "config.json").read_text("utf-8"))
    config["data"]["source"] = str(tmp_path / "gone.csv")
    (run / "config.json").write_text(json.dumps(config), "utf-8")
    text = report(run, quiet=True).read_text("utf-8")
    assert "This run was not scored: There is no file" in text and "How it learned" in text


def test_refused(classifier, tmp_path):
    with pytest.raises(ValueError, match="expected language to be one of"):
        report(classifier, language="fr")
    with pytest.raises(ValueError, match="rows must be a whole number from 1"):
        report(classifier, rows=0)
    with pytest.raises(FileNotFoundError, match="expected a run folder, there is none"):
        report(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        report(classifier, tmp_path / "none.csv", quiet=True)


def test_it_leads_to_the_explorer_if_there_is_one(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(HERE / "imported", run)
    (run / "explorer.html").write_text("here")
    text = report(run, quiet=True).read_text("utf-8")
    assert re.findall('href="(explorer[^"]*)"', text) == ["explorer.html"]
    (tmp_path / "elsewhere").mkdir()
    other = report(run, output=tmp_path / "elsewhere" / "page.html", quiet=True)
    assert 'href="../run/explorer.html"' in other.read_text("utf-8")
