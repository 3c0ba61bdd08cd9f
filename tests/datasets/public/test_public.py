"""The public sets as they are published: counts, labels, splits, notes."""

import re
from collections import Counter

import pytest

from kerasllm.datasets import HashMismatchError, duplicates, get, info, load, names
from kerasllm.datasets.public.catalogue import entries

ENTRIES = entries()

# Neither CSL's training file nor a hash of it is known here.
WITH_FILES = [entry for entry in ENTRIES if not entry.nltk and entry.name != "csl"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_entries_are_complete(entry):
    assert entry.title
    assert entry.licence
    assert entry.homepage.startswith("https://")
    paths = [file.path for file in entry.files]
    assert len(set(paths)) == len(paths)
    for file in entry.files:
        for one in filter(None, (file, file.sample)):
            assert one.sha256 == "" or re.fullmatch("[0-9a-f]{64}", one.sha256)
            assert one.sha256 or one.git_blob or one.note
        assert file.url.startswith("https://")
    assert {path for split in entry.splits.values() for path in split} <= set(paths)
    assert not set(entry.missing) & set(entry.split_names)


@pytest.mark.parametrize("entry", WITH_FILES, ids=lambda entry: entry.name)
def test_every_hash_is_that_of_the_real_file(entry, data_root):
    folder = get(entry.name, progress=False)
    assert folder == data_root / entry.folder_name


def words(data):
    return sum(len(text.split()) for text in data.texts)


def test_tinyshakespeare_is_split_as_in_nanogpt(data_root):
    train, validation = load("tinyshakespeare"), load("tinyshakespeare", "validation")
    assert [len(part.texts[0]) for part in (train, validation)] == [1_003_854, 111_540]
    whole = train.texts[0] + validation.texts[0]
    assert whole == load("tinyshakespeare", "all").texts[0]
    assert len(set(whole)) == 65
    with pytest.raises(ValueError, match="report the loss on 'validation'"):
        load("tinyshakespeare", "test")


def test_ptb(data_root):
    parts = [load("ptb", split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [42_068, 3_370, 3_761]
    assert [words(part) + len(part) for part in parts] == [929_589, 73_760, 82_430]
    vocabulary = {word for text in parts[0].texts for word in text.split()}
    assert len(vocabulary | {"<eos>"}) == 10_000


def test_wikitext_2_by_articles(data_root):
    parts = [load("wikitext-2", split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [600, 60, 60]
    # The published counts have one <eos> a line.
    lines = 36_718, 3_760, 4_358
    assert [words(p) + n for p, n in zip(parts, lines, strict=True)] == [
        2_088_628,
        217_646,
        245_569,
    ]
    assert parts[1].texts[0].startswith("= Homarus gammarus =\n")


def test_sms_spam_is_deduplicated_before_the_split(data_root):
    lines = (data_root / "sms_spam/SMSSpamCollection").read_text("utf-8").splitlines()
    assert (len(lines), len(set(lines))) == (5_574, 5_171)
    whole = load("sms_spam", "all")
    assert Counter(whole.labels_of) == {"ham": 4_827, "spam": 747}
    parts = [load("sms_spam", split) for split in ("train", "validation", "test")]
    # 5,171 lines are distinct, 5,160 messages if blanks at their ends do not count.
    assert sum(map(len, parts)) == len({text.strip() for text in whole.texts}) == 5_160
    assert parts[0].info["duplicates_removed"] == 414
    assert not duplicates(parts[0], parts[2]).exact
    assert any('"' in text for text in whole.texts)


def test_sst2(data_root):
    train, dev = load("sst2"), load("sst2", "validation")
    assert (len(train), len(dev)) == (67_349, 872)
    assert Counter(dev.labels_of) == {"positive": 444, "negative": 428}
    assert dev[0].text == "it 's a charming and often affecting journey ."
    assert dev[0].label == "positive"
    with pytest.raises(ValueError, match="without labels: use 'validation'"):
        load("sst2", "test")


def test_ag_news_says_that_it_is_a_sample(data_root):
    parts = [load("ag_news", split) for split in ("train", "validation", "test")]
    assert sum(map(len, parts[:2])) == 11_997 - 1
    assert len(parts[1]) == 1_200
    assert Counter(parts[2].labels_of) == dict.fromkeys(parts[2].labels, 1_900)
    assert parts[0].labels == ("Business", "Sci/Tech", "Sports", "World")
    assert "SUB-SAMPLE" in parts[0].info["note"]
    assert "SUB-SAMPLE" not in parts[2].info["note"]
    assert list(parts[0].info["files"]) == ["ag_news_csv/train_sample12k.csv"]


def test_thucnews(data_root):
    parts = [load("thucnews", split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [33_590, 10_000, 10_000]
    assert len(parts[0].labels) == 10
    assert parts[1].examples[2].label == "stocks"
    assert "SUB-SAMPLE" in parts[0].info["note"]
    assert len(duplicates(parts[0], parts[2]).exact) == 36


def test_chnsenticorp(data_root):
    whole = load("chnsenticorp_htl", "all")
    assert Counter(whole.labels_of) == {"positive": 5_322, "negative": 2_443}
    assert '"蔡陆线"' in whole.texts[0]
    assert whole.language == "zh"


def test_multi_domain_sentiment(data_root):
    books = load("multi_domain_sentiment", "all", domain="books")
    assert Counter(books.labels_of) == {"positive": 1_000, "negative": 1_000}
    assert len(load("multi_domain_sentiment", "all")) == 8_000
    titled = load("multi_domain_sentiment", "all", domain="kitchen", title=True)
    assert titled.texts[1000].startswith("Doesn't keep my yappy Cairn from barking...\nHe just")
    assert all(titled.texts)
    with pytest.raises(ValueError, match="Did you mean 'books'"):
        load("multi_domain_sentiment", domain="book")
    with pytest.raises(TypeError, match="Did you mean 'domain'"):
        load("multi_domain_sentiment", domains="books")


def test_chinese_poetry(data_root):
    tang = load("chinese_poetry", "all")
    assert len(tang) == 10_008
    assert tang.texts[0].split("\n")[:2] == ["帝京篇十首 一", "秦川雄帝宅，函谷壯皇居。"]
    assert load("chinese_poetry", "all", title=False).texts[0].startswith("秦川")
    sizes = {
        "tang300": 366,
        "song300": 280,
        "shijing": 305,
        "chuci": 65,
        "lunyu": 20,
        "shuimo": 176,
    }
    for part, size in sizes.items():
        assert len(load("chinese_poetry", "all", part=part)) == size
    with pytest.raises(ValueError, match="Did you mean 'tang'"):
        load("chinese_poetry", part="tangs")


def test_movie_reviews(nltk_data):
    whole = load("movie_reviews", "all")
    assert Counter(whole.labels_of) == {"neg": 1_000, "pos": 1_000}
    assert whole.texts[0].startswith("plot : two teen couples")
    assert len(load("movie_reviews", "test")) == 200


def test_brown(nltk_data):
    whole = load("brown", "all")
    assert (len(whole), words(whole)) == (500, 1_161_192)
    assert sum(text.count("\n") + 1 for text in whole.texts) == 57_340


def test_gutenberg_cuts_each_book(nltk_data):
    whole = load("gutenberg", "all")
    parts = [load("gutenberg", split) for split in ("train", "validation", "test")]
    assert {len(part) for part in parts} == {len(whole)} <= {17, 18}
    emma = ["".join(piece) for piece in zip(*(part.texts for part in parts), strict=True)]
    assert emma == whole.texts


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASLLM_DATA", str(tmp_path))
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb/ptb.test.txt").write_text("not the Penn Treebank")
    with pytest.raises(HashMismatchError) as error:
        load("ptb", "test")
    assert info("ptb").file("ptb.test.txt").sha256 in str(error.value)
    assert "(21 bytes)" in str(error.value)


def test_names_that_do_not_exist():
    with pytest.raises(ValueError, match=r"no data set 'sst'.*Did you mean 'sst2'"):
        load("sst")
    with pytest.raises(ValueError, match=r"Did you mean 'wikitext-2'"):
        info("wikitext2")
    with pytest.raises(TypeError, match="received list"):
        load(["sst2"])
    assert names()[0] == "docstrings"
    assert {"sms_spam", "sentiment_zh", "markov"} <= set(names())
