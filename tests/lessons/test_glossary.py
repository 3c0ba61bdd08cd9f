"""The glossary: unique, sorted, the page is the file's, and Chinese texts keep to it."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from kerasllm.exercises.catalogue import EXERCISES
from kerasllm.exercises.words import speaking, told
from kerasllm.lessons import glossary
from kerasllm.lessons.glossary import PAGE, glossary_page, terms, write_glossary
from kerasllm.verify.mistakes.catalogue import MISTAKES

ROOT = Path(__file__).parents[2]
ARTICLES = os.environ.get("KERASLLM_DOCUMENTS")
CHINESE_TEXTS = (
    "README.zh.md",
    "kerasllm/exercises/sentences.toml",
    "kerasllm/exercises/tasks/chinese.toml",
    "kerasllm/reports/sentences.toml",
    "kerasllm/verify/mistakes/chinese.toml",
)


def test_the_page_is_the_one_of_the_file():
    assert PAGE.read_text("utf-8") == glossary_page()


def test_terms_are_sorted_and_unique_in_both_languages():
    english = [term.english for term in terms()]
    assert english == sorted(english, key=str.lower)
    for words in ([e.lower() for e in english], [term.chinese for term in terms()]):
        assert len(words) == len(set(words)) > 100


@pytest.mark.parametrize("term", terms(), ids=lambda term: term.english)
def test_a_term_says_one_sentence_in_each_language(term):
    english, chinese = term.says
    assert english.endswith(".") and english.count(". ") == 0
    assert chinese.endswith("。") and chinese.count("。") == 1
    assert not re.search("[\u4e00-\u9fff]", english) and re.search("[\u4e00-\u9fff]", chinese)
    assert len(term.note) in (0, 2)
    assert set(term.articles) <= {"000", "001", "002", "003", "004"}
    assert term.chinese not in (*term.avoid, *term.articles.values())


@pytest.mark.parametrize("name", CHINESE_TEXTS)
def test_chinese_texts_use_no_other_word_for_a_term(name):
    text = (ROOT / name).read_text("utf-8")
    found = {word: term.chinese for term in terms() for word in term.avoid if word in text}
    assert not found


def pairs():
    """Yield (name, English, Chinese) of every sentence that the package has in both languages."""
    for mistake in MISTAKES:
        yield mistake.name, mistake.explanation, mistake.chinese
    for exercise in EXERCISES.values():
        with speaking("zh"):
            _, task, _, hint = told(exercise)
        yield f"{exercise.name}.task", exercise.task, task
        yield f"{exercise.name}.hint", exercise.hint, hint
    for package in ("exercises", "reports"):
        text = (ROOT / "kerasllm" / package / "sentences.toml").read_text("utf-8")
        yield from two_languages(package, tomllib.loads(text))


def two_languages(name, value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from two_languages(f"{name}.{key}", inner)
    elif isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        yield name, *value


# Where the English word means something else: Adam's correction, code and the parts of a formula, a
# head of attention, which is 头 for short.
ELSE = r"bias correction|\w*\[[^]]*\]|1 - momentum|kernel \+ bias|\bheads?\b|\{\w+\}"


def test_a_term_in_an_english_sentence_is_the_glossary_s_in_the_chinese_one():
    found = []
    for name, english, chinese in pairs():
        english = re.sub(ELSE, "", english).lower()
        for term in terms():
            said = re.search(rf"(?<![\w-]){re.escape(term.english.lower())}s?(?![\w-])", english)
            code = name.endswith(".hint") and term.english in chinese  # a variable of this name
            if said and not code and term.chinese not in chinese:
                found.append(f"{name}: {term.english} is {term.chinese}")
    assert not found


def test_chinese_words_in_the_lessons_are_those_of_the_glossary():
    known = {term.chinese for term in terms()}
    known |= {word for term in terms() for word in term.articles.values()}
    noted = " ".join(note for term in terms() for note in term.note)
    for source in sorted((ROOT / "notebooks" / "src").glob("*.py")):
        text = re.sub(r"\n# ", " ", source.read_text("utf-8"))
        for inside in re.findall(r"\(([\u4e00-\u9fff][^()]*)\)", text):
            words = re.findall("[\u4e00-\u9fff]+", inside)
            unknown = [w for w in words if w not in known and w not in noted]
            assert not unknown, f"{source.name}: {unknown}"


@pytest.mark.skipif(not ARTICLES, reason="KERASLLM_DOCUMENTS names no folder with the articles")
def test_the_articles_have_the_words_that_the_glossary_says():
    for term in terms():
        for number, word in term.articles.items():
            assert word in (Path(ARTICLES) / f"{number}.md").read_text("utf-8"), (number, word)


def test_the_page_is_written_where_there_is_a_folder(tmp_path):
    assert write_glossary(tmp_path / "glossary.md").read_text("utf-8") == glossary_page()
    with pytest.raises(FileNotFoundError, match=r"clone the repository, or print"):
        write_glossary(tmp_path / "none" / "glossary.md")


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    from kerasllm.lessons import catalogue

    monkeypatch.setattr(
        catalogue, "write_glossary", lambda: glossary.write_glossary(tmp_path / "g")
    )
    catalogue.main(["glossary"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "g")
