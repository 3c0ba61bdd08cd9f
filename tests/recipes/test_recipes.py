"""Every recipe's settings can be used, and each runs to its end in the fast way."""

import dataclasses
import importlib
import json
import pkgutil
import shutil
import sys
from pathlib import Path

import pytest

import kerasllm.recipes
from kerasllm import cli, datasets
from kerasllm.recipes import dialogue, entities, generation, news, parsing, sentiment
from kerasllm.recipes.shared.classifiers import ENCODER, TUNE
from kerasllm.recipes.shared.listing import recipes
from kerasllm.recipes.shared.recipe import ROWS, Recipe
from kerasllm.training.settings.base import OptimizerSettings, resolve

NAMES = sorted(m.name for m in pkgutil.iter_modules(kerasllm.recipes.__path__) if not m.ispkg)
SETS = news.DATA | sentiment.DATA
SCRIPTS = [name for name in recipes() if name != "quickstart"]


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_valid_and_the_head_says_the_command(name):
    module = importlib.import_module(f"kerasllm.recipes.{name}")
    settings = [v for v in vars(module).values() if isinstance(v, OptimizerSettings)]
    for each in settings:
        resolved = resolve(type(each), each)
        resolved.check(None)
        assert dataclasses.asdict(resolved) == dataclasses.asdict(each)
    if name in SCRIPTS:
        assert settings or module.classify
        assert f"python -m kerasllm.recipes.{name}" in module.__doc__


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_recipe_is_short_and_knows_its_sets(name):
    module = importlib.import_module(f"kerasllm.recipes.{name}")
    assert len(Path(module.__file__).read_text("utf-8").splitlines()) < 120
    tables = (getattr(module, table, ()) for table in ("DATA", "TASKS", "TARGETS"))
    sets = {data.partition("?")[0] for table in tables for data in table}
    assert sets - {"glg"} <= set(datasets.names())


def test_a_recipe_from_its_data_to_its_row(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(entities.TARGETS, "places_en", (50.0, None))
    monkeypatch.setattr(
        sys, "argv", ["kerasllm/recipes/entities.py", "places_en", "--share", "0.1"]
    )
    entities.main("places_en", tmp_path / "run", share=0.1)
    row = json.loads((tmp_path / "run" / "result.json").read_text())
    assert row["measure"] == "f1 %"
    assert row["note"] == "0.1 of the epochs"
    assert row["command"] == "python -m kerasllm.recipes.entities places_en --share 0.1"
    assert {"frequent", "linear"} <= set(row["baselines"])
    assert f"| {row['data']} |" in capsys.readouterr().out


def test_an_unknown_set_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="conll2003"):
        entities.main("conll2033")


@pytest.mark.parametrize("name", SETS)
def test_rows_that_are_scored_choose_nothing(name):
    given = SETS[name]
    split, tuning = given.get("split", "test"), given.get("tuning", {})
    chosen = [dataclasses.replace(each, **tuning) for each in (TUNE, ENCODER)]
    # `finetune` looks at the validation split, unless rows are held out of training for it
    assert all((each.held_out > 0) == (split == "validation") for each in chosen)


# === The fast way, which runs all of a recipe ===

BUILTIN = [("news", "topic_zh"), ("spam", "spam_zh"), ("answers", "facts_en"),
           ("instructions", "instructions_en")]  # fmt: skip
PUBLIC = [
    ("sentiment", "sst2"), ("entities", "resume_ner"), ("slots", "atis_slu"),
    ("parsing", "geoquery_sql"), ("translation", "tatoeba"), ("summaries", "ag_news_titles"),
    ("answers", "babi_qa"), ("dialogue", "dialog_babi"), ("generation", "chinese_poetry"),
    ("transfer",),
]  # fmt: skip
NLTK = [("low_resource", "glg"), ("long_documents",)]
# They train nothing that the others do not, or many times.
LEFT_OUT = {"character_lm", "word_lm", "pretraining_pays"}


@pytest.fixture
def eagerly(request):
    """Take the few steps one by one: to trace and compile them would take longer."""
    import keras

    # Long documents are many steps.
    if keras.backend.backend() != "tensorflow" or "long_documents" in request.node.name:
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def ran(name, given, tmp_path, capsys):
    """Run a recipe in the fast way, and return what it printed."""
    arguments = {"data": given[0]} if given else {}
    module = importlib.import_module(f"kerasllm.recipes.{name}")
    module.main(output=tmp_path / "run", fast=True, **arguments)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.filterwarnings("ignore:Even though the .tf.config")
@pytest.mark.parametrize(("name", "given"), [(n, g) for n, *g in BUILTIN], ids=str)
def test_the_fast_way_on_sets_of_this_project(name, given, tmp_path, capsys, eagerly):
    assert ran(name, given, tmp_path, capsys) or name == "spam"


@pytest.mark.filterwarnings("ignore:Even though the .tf.config")
@pytest.mark.parametrize(("name", "given"), [(n, g) for n, *g in PUBLIC], ids=str)
def test_the_fast_way_on_public_sets(name, given, tmp_path, capsys, data_root, eagerly):
    assert ran(name, given, tmp_path, capsys)


@pytest.mark.filterwarnings("ignore:Even though the .tf.config")
@pytest.mark.parametrize(("name", "given"), [(n, g) for n, *g in NLTK], ids=str)
def test_the_fast_way_on_nltk(name, given, tmp_path, capsys, nltk_data, eagerly):
    assert ran(name, given, tmp_path, capsys)


@pytest.mark.filterwarnings("ignore:Even though the .tf.config")
def test_the_fast_way_from_a_run(pretrained, tmp_path, capsys, eagerly):
    module = importlib.import_module("kerasllm.recipes.news")
    module.main("topic_en", tmp_path / "run", pretrained=str(pretrained.path), fast=True)
    run = kerasllm.load_run(tmp_path / "run" / "finetuned")
    assert run.config["pretrained"] == str(pretrained.path)
    assert run.tokenizer == pretrained.tokenizer


def test_minilm_is_imported_when_it_is_first_wanted(pretrained, tmp_path, monkeypatch):
    wanted = []

    def imported(source, folder):
        wanted.append(str(source))
        shutil.copytree(pretrained.path, folder)

    monkeypatch.setattr(kerasllm, "import_checkpoint", imported)
    recipe = Recipe(tmp_path / "news", pretrained="minilm")
    assert recipe.begins().path == recipe.begins().path == tmp_path / "minilm"
    assert len(wanted) == 1 and "mini" in wanted[0].lower()


def test_every_recipe_has_a_fast_way_that_is_tested():
    tested = {name for name, *_ in (*BUILTIN, *PUBLIC, *NLTK)}
    assert tested | LEFT_OUT == set(SCRIPTS)


def test_the_fast_way_draws_rows_beside_the_options_of_a_set(tmp_path):
    fast, whole = Recipe(tmp_path, fast=True), Recipe(tmp_path)
    assert fast.data("scan") == f"scan?rows={ROWS}"
    assert fast.data("scan?part=jump", test=1) == f"scan?part=jump&test=1&rows={ROWS}"
    assert whole.data("scan?part=jump") == "scan?part=jump" and whole.data("scan") == "scan"
    settings = fast.settings(parsing.GEO)
    assert (settings.hidden_dim, settings.epochs, settings.length) == (8, 1.0, 21)
    assert Recipe(tmp_path, share=0.5).settings(parsing.GEO).epochs == 40


def test_what_a_run_brings_is_left_out_of_the_settings(tmp_path):
    settings = Recipe(tmp_path, fast=True).settings(generation.FIVE_MINUTES, begins=object())
    settings.check(None)
    assert settings.hidden_dim is None and settings.tokenizer != "character"


def test_the_command_lists_recipes_and_passes_their_flags_on(monkeypatch, tmp_path):
    from typer.testing import CliRunner

    monkeypatch.setattr("kerasllm.cli.flags.load_keras", lambda: None)
    shown = CliRunner().invoke(cli.app, ["recipe"]).output
    assert all(name in shown for name in recipes())
    help_page = CliRunner().invoke(cli.app, ["recipe", "spam", "--help"]).output
    assert "--fast" in help_page and "--pretrained" in help_page
    called = []
    monkeypatch.setattr(
        "kerasllm.recipes.shared.listing.importlib.import_module", lambda _: Fake(called)
    )
    monkeypatch.setattr(sys, "argv", ["kerasllm"])
    done = CliRunner().invoke(cli.app, ["recipe", "news", "topic_en", "--fast"])
    assert done.exit_code == 0
    assert called == [("topic_en", True, ["news.py", "topic_en", "--fast"])]
    assert sys.argv == ["kerasllm"]  # as it was before
    unknown = CliRunner().invoke(cli.app, ["recipe", "newz"])
    assert "Did you mean 'news'" in str(unknown.exception)


class Fake:
    """A recipe that notes how it was called."""

    __file__ = "news.py"

    def __init__(self, called):
        def main(data: str, fast: bool = False):
            called.append((data, fast, sys.argv))

        self.main = main


def test_a_set_that_is_not_here_says_where_to_get_it(monkeypatch, tmp_path):
    def fetch(*_, **__):
        raise datasets.DownloadError("no network.")

    monkeypatch.setenv("KERASLLM_DATA", str(tmp_path))
    monkeypatch.setattr("kerasllm.datasets.public.loading.fetch", fetch)
    with pytest.raises(datasets.DownloadError, match="`kerasllm data get scan`") as found:
        parsing.main("scan", tmp_path / "run", fast=True)
    assert f"looked in {tmp_path / 'scan'}" in str(found.value) and "no network" in str(found.value)


# === What is particular to one ===


def test_queries_that_do_not_run_are_shown(data_root):
    test = datasets.load("geoquery_sql?rows=9", split="test")
    said = [test[0].target, *["SELEC 1"] * 8]
    told = parsing.executed(test, said)
    assert told.startswith("denotation accuracy 11.1% of 9 questions; 11.1% of the queries run")
    assert told.count('does not run (near "SELEC": syntax error): SELEC 1') == parsing.SHOWN
    assert told.endswith("and 3 more")


def test_a_poem_has_the_form_that_was_asked_for(tmp_path):
    text = "白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。"
    recipe = Recipe(tmp_path, fast=True)
    settings = recipe.settings(generation.FIVE_MINUTES)
    run = kerasllm.pretrain([text] * 30, tmp_path / "run", settings=settings, quiet=True)
    poem = generation.verse(run, [5, 7, 2], title="登樓", marks="，。")
    first, line, last = poem.split("\n")
    assert first == "登樓" and len(last) == 3 and last[-1] == "，"
    assert [len(part) for part in line[:-1].split("，")] == [5, 7] and line[-1] == "。"
    assert all(map(generation.is_character, poem.translate(str.maketrans("", "", "，。\n"))))
    with pytest.raises(ValueError, match="expected a form such as 5,5,5,5"):
        generation.lengths("5,x")


def test_a_chat_remembers_its_turns(monkeypatch):
    asked, said = [], []

    def predict(run, texts):
        asked.extend(texts)
        return [{"answer": f"reply {len(asked)}"}]

    monkeypatch.setattr(kerasllm, "predict", predict)
    dialogue.chat(None, 3, ["Hi\n", "And now?", "", "never read"], said.append)
    assert asked == ["Hi", "Hi | reply 1 | And now?"] and said == ["reply 1", "reply 2"]
