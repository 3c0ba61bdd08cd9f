"""Options behind a question mark: one string says which columns, encoding or domain are meant."""

import pytest

from kerasllm import datasets
from kerasllm.datasets.options import option_to_pass, with_options
from kerasllm.datasets.show import describe
from kerasllm.datasets.sources import found_again, read_source
from kerasllm.utils.errors import at_terminal


@pytest.fixture
def reviews(tmp_path):
    """A file as a Chinese spreadsheet exports it: other column names, GB18030, semicolons."""
    path = tmp_path / "reviews.csv"
    rows = "".join(f"第{i}次很好;{'好坏'[i % 2]}\r\n" for i in range(40))
    path.write_bytes(("评论;stars\r\n" + rows).encode("gb18030"))
    return path


def test_one_string_names_columns_encoding_and_delimiter(reviews):
    written = f"{reviews}?text=评论&label=stars&encoding=gb18030&delimiter=;"
    by_string = datasets.load(written, split="validation")
    by_options = datasets.load(
        reviews, "validation", text="评论", label="stars", encoding="gb18030", delimiter=";"
    )
    assert by_string.labels == ("坏", "好")
    assert by_string.texts == by_options.texts


def test_following_the_advice_of_each_error_ends_with_the_data(reviews):
    written, steps = str(reviews), 0
    while True:
        try:
            with at_terminal():
                data = datasets.load(written)
        except ValueError as error:
            advice = str(error).split("?", 1)[1].split("'")[0]
            advice = advice.replace("text=评论;stars", "delimiter=;")
            written += ("&" if "?" in written else "?") + advice
            steps += 1
            assert steps < 5, written
        else:
            break
    assert data.language == "zh"
    assert steps == 3  # encoding, delimiter, text


def test_advice_is_in_the_words_of_the_place(reviews):
    with pytest.raises(ValueError, match="with encoding='gb18030'"):
        datasets.load(reviews)
    with at_terminal(), pytest.raises(ValueError) as error:
        datasets.load(reviews)
    assert f"with '{reviews}?encoding=gb18030'" in str(error.value)
    assert "encoding='" not in str(error.value)


def test_options_written_behind_a_public_name_reach_its_reader():
    with pytest.raises(TypeError, match=r"no option 'domian'.*Did you mean 'domain'"):
        datasets.load("multi_domain_sentiment?domian=books")


def test_options_of_a_generated_language_are_numbers():
    assert len(datasets.load("markov?n_texts=7&seed=3", split="test")) == 7


def test_what_is_written_is_found_again(reviews, monkeypatch):
    monkeypatch.chdir(reviews.parent)
    written = "reviews.csv?text=评论&encoding=gb18030&delimiter=;"
    assert found_again(written) == str(reviews.parent / written)
    assert found_again("markov?seed=3") == "markov?seed=3"
    assert read_source(found_again(written)).train == read_source(written).train


def test_show_takes_them_too(reviews):
    assert "好" in describe(f"{reviews}?text=评论&label=stars&encoding=gb18030&delimiter=;")


def test_a_file_whose_name_holds_a_question_mark_is_a_file(tmp_path):
    path = tmp_path / "what?a=b"
    path.write_text("one\ntwo\n", encoding="utf-8")
    assert with_options(str(path)) == (str(path), {})


def test_options_that_no_reader_has_are_refused(reviews):
    with pytest.raises(ValueError, match="'split' is no option of"):
        datasets.load(f"{reviews}?split=all")
    with pytest.raises(ValueError, match="seed must be a whole number"):
        datasets.load(f"{reviews}?text=评论;stars&encoding=gb18030&seed=" + "7" * 5000)


def test_an_option_given_twice_is_refused():
    with pytest.raises(ValueError, match="has the option 'text' twice"):
        with_options("a.csv?text=a&text=b")


def test_options_without_a_value_are_refused():
    with pytest.raises(ValueError, match=r"expected options such as a\.csv\?text=review"):
        with_options("a.csv?text")


@pytest.mark.parametrize(
    ("name", "value"),
    [("delimiter", "\t"), ("delimiter", "|"), ("drop_empty", True), ("text", "a&b=c")],
)
def test_what_is_advised_is_what_is_read(name, value):
    with at_terminal():
        written = option_to_pass("a.csv", name, value).strip("'")
    assert with_options(written) == ("a.csv", {name: value})
