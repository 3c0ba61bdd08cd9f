"""The public sets for tagging, pairs, spans and dialogue as they are published: counts, splits."""

from collections import Counter
from itertools import pairwise

import pytest

from kerasllm.datasets import UnverifiedError, load
from kerasllm.text.entities import breaks

SPLITS = ("train", "validation", "test")


def parts_of(name, **options):
    return [load(name, split, **options) for split in SPLITS]


def sizes(parts):
    return [len(part) for part in parts]


def tokens(data):
    return sum(len(example.tokens) for example in data)


# Tagging ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentences", "words", "names", "mended"),
    [
        ("conll2003", (14_041, 3_250, 3_453), (203_621, 51_362, 46_435), 23_499, 0),
        ("resume_ner", (3_821, 463, 477), (124_099, 13_890, 15_100), None, 4),
        ("atis_slu", (4_478, 500, 893), (50_497, 5_703, 9_164), None, None),
        ("snips_slu", (13_084, 700, 700), (117_700, 6_384, 6_354), None, None),
    ],
)
def test_tagged_sentences(data_root, name, sentences, words, names, mended):
    parts = parts_of(name)
    assert sizes(parts) == list(sentences)
    assert [tokens(part) for part in parts] == list(words)
    scheme = "bioes" if name == "resume_ner" else "bio"
    assert all(not list(breaks(e.tags, scheme)) for part in parts for e in part)
    if names:
        assert sum(tag[0] == "B" for e in parts[0] for tag in e.tags) == names
    assert parts[0].info.get("tags_mended", 0) == (mended or 0)


def test_conll2003_is_turned_into_bio(data_root):
    train = load("conll2003")
    assert train.labels == tuple(
        sorted(
            [
                "O",
                *(f"{letter}-{kind}" for letter in "BI" for kind in ("LOC", "MISC", "ORG", "PER")),
            ]
        )
    )
    assert train.info["tags_converted"] == "iob1 to bio"
    assert train[0].tags[:3] == ("B-ORG", "O", "B-MISC")
    assert train[1].tags == ("B-PER", "I-PER")
    counts = Counter(tag[2:] for e in train for tag in e.tags if tag[0] == "B")
    assert counts == {"LOC": 7_140, "PER": 6_600, "ORG": 6_321, "MISC": 3_438}


def test_msra(data_root):
    test = load("msra_ner", "test")
    assert (len(test), tokens(test)) == (4_631, 172_601)
    assert test.info["tags_mended"] == 11
    assert test.labels == ("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O")
    assert test.language == "zh"


def test_intents(data_root):
    atis, snips = parts_of("atis_intents"), parts_of("snips_intents")
    assert (sizes(atis), sizes(snips)) == ([4_478, 500, 893], [13_084, 700, 700])
    assert len(snips[0].labels) == 7
    assert ("atis_flight", "atis_airfare") in atis[0].label_sets
    words = [" ".join(example.tokens) for example in load("atis_slu", "test")]
    assert atis[2].texts == words


def test_nltk_chunks_and_names(nltk_data):
    assert len(load("conll2000")) + len(load("conll2000", "validation")) + 55 == 8_936
    assert len(load("conll2000", "test")) == 2_012
    assert sizes(parts_of("conll2002_es")) == [8_323, 1_915, 1_517]
    assert len(load("conll2002_nl", "validation")) == 2_895


# Pairs -----------------------------------------------------------------------


def test_multi30k(data_root):
    parts = parts_of("multi30k")
    assert sizes(parts) == [29_000, 1_014, 1_000]
    assert parts[0][0].source.startswith("Zwei junge weiße Männer")
    assert parts[0][0].target == "Two young, White males are outside near many bushes."
    tokenised = load("multi30k", "validation", source="en", target="fr", tokenised=True)
    assert tokenised[0].source == "a group of men are loading cotton onto a truck"
    assert len(load("multi30k", "test", test="2017_mscoco")) == 461
    with pytest.raises(ValueError, match=r"target must be one of \['de', 'fr'\], received 'en'"):
        load("multi30k", source="en", target="en")
    with pytest.raises(TypeError, match="Did you mean 'tokenised'"):
        load("multi30k", tokenized=True)


def test_no_sentence_of_tatoeba_stands_on_two_sides(data_root):
    assert len(load("tatoeba", "all")) == 24_818
    parts = parts_of("tatoeba")
    assert sum(sizes(parts)) + parts[0].info["duplicates_removed"] == 24_818
    for side in ("source", "target"):
        seen = [{getattr(pair, side).strip() for pair in part} for part in parts]
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    back = load("tatoeba", "test", from_english=False)
    assert {(p.target, p.source) for p in back} == {(p.source, p.target) for p in parts[2]}


def test_scan(data_root):
    for part, size in {"length": 3_920, "jump": 7_706, "left": 1_208}.items():
        assert len(load("scan", "test", part=part)) == size
    simple = parts_of("scan")
    assert sizes(simple) == [15_055, 1_673, 4_182]
    assert simple[2][0].source == "turn opposite right thrice and turn opposite left"
    assert simple[2][0].target.split()[-2:] == ["I_TURN_LEFT", "I_TURN_LEFT"]
    assert not {pair.source for pair in simple[2]} & {pair.source for pair in simple[0]}
    # Lake and Baroni's add-jump training set repeats its one command; here it stands once.
    jump = load("scan", part="jump")
    assert [pair.target for pair in jump if "jump" in pair.source] in ([], ["I_JUMP"])
    with pytest.raises(ValueError, match="Did you mean 'simple'"):
        load("scan", part="simpel")


def test_meanings(data_root):
    geo = parts_of("geo880")
    assert sizes(geo) == [538, 60, 280]
    assert geo[0].info["duplicates_removed"] == 2
    assert all(pair.target.startswith("answer (") for part in geo for pair in part)
    logic = parts_of("atis_logic")
    assert sizes(logic) == [4_473, 497, 448]
    assert logic[2].info["forms_completed"] == 229
    assert all(p.target.count("(") == p.target.count(")") for part in logic for p in part)
    assert not any("$v" in pair.target for pair in logic[2])
    sql = parts_of("geoquery_sql")
    assert sizes(sql) == [549, 49, 279]
    assert not any("name0" in pair.source + pair.target for part in sql for pair in part)
    assert sum(sizes(parts_of("geoquery_sql", by="query"))) == 877


def test_titles_and_summaries(data_root):
    titles = load("ag_news_titles", "test")
    assert titles[0].target == "Fears for T N pension after talks"
    assert len(titles) == 7_600
    assert sizes(parts_of("scitldr")) == [1_992, 619, 618]
    every = load("scitldr", "test", references="all")
    assert len(every) == 618 and sum(len(pair.references) for pair in every) > 1_000
    assert [len(load("csl", split)) for split in ("validation", "test")] == [1_000, 1_000]
    assert sizes(parts_of("csl_categories")) == [8_000, 1_000, 1_000]
    with pytest.raises(UnverifiedError, match="allow_unverified=True"):
        load("csl")


# Spans -----------------------------------------------------------------------


def stands(example):
    return all(example.context.startswith(text, start) for text, start in example.answers)


def test_squad_is_split_by_article(data_root):
    parts = parts_of("squad")
    whole = load("squad", "all")
    assert (len(whole), len({e.context for e in whole})) == (10_570, 2_067)
    assert sum(sizes(parts)) + parts[0].info["duplicates_removed"] == 10_570
    assert all(stands(example) for example in whole)
    assert max(len(example.answers) for example in whole) > 2
    contexts = [{example.context for example in part} for part in parts]
    assert not contexts[0] & contexts[1] and not contexts[0] & contexts[2]
    # Paragraphs of an article stand together: neighbours in the file are on one side.
    side = {context: i for i, part in enumerate(contexts) for context in part}
    order = list(dict.fromkeys(example.context for example in whole))
    changes = sum(side[a] != side[b] for a, b in pairwise(order))
    assert changes < 48


def test_xquad_and_cmrc(data_root):
    for name in ("xquad_en", "xquad_zh"):
        data = load(name, "test")
        assert (len(data), len({e.context for e in data})) == (1_190, 240)
        assert all(stands(example) for example in data)
        with pytest.raises(ValueError, match="for evaluation: use 'test'"):
            load(name)
    parts = parts_of("cmrc2018")
    assert sizes(parts) == [10_142, 1_002, 3_219]
    assert all(stands(example) and example.answers for part in parts for example in part)
    assert [part.info.get("answers_moved") for part in parts] == [21, 5, 7]
    assert parts[2].info["answers_dropped"] == 193
    assert "questions_dropped" not in parts[2].info


# Dialogue --------------------------------------------------------------------


def test_dailydialog(data_root):
    parts, acts = parts_of("dailydialog"), parts_of("dailydialog_acts")
    turns = 87_170, 8_069, 7_740
    dialogues = 11_118, 1_000, 1_000
    # The first turn of a dialogue answers nothing.
    assert sizes(parts)[1:] == [t - d for t, d in zip(turns[1:], dialogues[1:], strict=True)]
    assert sizes(parts)[0] == 76_053
    assert sizes(acts)[1:] == list(turns[1:])
    assert acts[0].labels == ("commissive", "directive", "inform", "question")
    assert acts[0].info["dialogues_dropped"] == 1
    assert load("dailydialog", "test", history=3)[2].source.count(" | ") == 2
    with pytest.raises(ValueError, match="history must be a whole number from 1"):
        load("dailydialog", history=0)


def test_babi_dialogues(data_root):
    train = load("dialog_babi")
    assert sum(" | " not in pair.source for pair in train) == 1_000
    assert train[1].source.startswith("hi | hello what can i help you with today | can you book")
    assert train[1].target == "i'm on it"
    second = load("dialog_babi", "test", task=2)
    assert any(pair.target.startswith("api_call") for pair in second)
    unseen = load("dialog_babi", "test", unseen_places=True)
    assert {pair.target for pair in unseen} - {pair.target for pair in load("dialog_babi", "test")}


def test_kdconv(data_root):
    # 9,321 and 9,737 utterances in 450 dialogues each.
    assert len(load("kdconv", "validation")) == 9_321 - 450
    assert len(load("kdconv", "test")) == 9_737 - 450
    assert len(load("kdconv", "test", domain="film")) == 4_010 - 150


# More classification ---------------------------------------------------------


def test_reviews(data_root):
    assert sizes(parts_of("sst2_sentence")) == [6_920, 872, 1_821]
    assert Counter(load("waimai_10k", "all").labels_of) == {"positive": 4_000, "negative": 7_987}
    shopping = load("online_shopping_10_cats", "all", label="category")
    assert (len(shopping), len(shopping.labels)) == (62_773, 10)
    books = load("online_shopping_10_cats", "all", category="书籍")
    assert set(books.labels) == {"negative", "positive"}
    assert not any("\ufeff" in text for text in shopping.texts)


def test_nltk_classification(nltk_data):
    train, validation, test = parts_of("reuters")
    assert len(test) == 3_019
    assert len(train) + len(validation) + train.info["duplicates_removed"] == 7_769
    topics = {topic for part in (train, validation, test) for s in part.label_sets for topic in s}
    assert len(topics) == 90
    assert max(map(len, train.label_sets)) > 5
    import nltk.corpus

    name = "test/14826"
    assert test[0].text == nltk.corpus.reuters.raw(name).strip()
    assert test.label_sets[0] == tuple(nltk.corpus.reuters.categories(name))
    chat = load("nps_chat", "all")
    assert (len(chat), len(chat.labels)) == (10_567, 15)
    assert Counter(load("subjectivity", "all").labels_of) == {"obj": 5_000, "subj": 5_000}
    assert Counter(load("sentence_polarity", "all").labels_of) == {"neg": 5_331, "pos": 5_331}


# Options beside the splits ---------------------------------------------------


@pytest.mark.parametrize("name", ["atis_slu", "snips_slu"])
def test_an_intent_is_the_tag_of_a_first_token(data_root, name):
    for split in SPLITS:
        plain, joint = load(name, split), load(name, split, intents=True)
        intents = [
            label.split("#") for label in load(name.replace("slu", "intents"), split).labels_of
        ]
        for before, after, own in zip(plain, joint, intents, strict=True):
            assert (after.tokens[1:], after.tags[1:]) == (before.tokens, before.tags)
            assert after.tokens[0] == "¶" and after.tags[0] == "B-intent." + "#".join(own)


def test_babi_stories_come_with_their_question_and_answer(data_root):
    train, validation, test = parts_of("babi_qa", task=2)
    assert len(test) == 1000 and 990 < len(train) + len(validation) <= 1000  # repeats removed
    assert test.of_pairs
    assert not set(train.texts) & set(validation.texts)
    story = test[0].text
    assert test[0].text_b.startswith("Where is the") and story.count(".") >= 2
    assert test[0].label in story and set(test.labels) <= set(train.labels)
    counted = load("babi_qa", "test", task=7)
    assert set(counted.labels) == {"none", "one", "two", "three"}
    with pytest.raises(ValueError, match="task must be one of"):
        load("babi_qa", task=21)


def test_a_declaration_in_one_language_or_several(nltk_data):
    galician = parts_of("udhr2", languages="glg")
    assert [len(part) for part in galician] == [1, 1, 1]
    assert galician[0][0].text.startswith("Declaración Universal dos Dereitos")
    two = load("udhr2", languages="spa,por_PT")
    assert len(two) == 2 and load("udhr2")[0].text.startswith("Universal Declaration")
    with pytest.raises(ValueError, match="languages must be one of"):
        load("udhr2", languages="glgg")


def test_rows_are_drawn_from_any_set(data_root):
    few = load("scan?rows=31", "test")
    assert len(few) == 31 and few.examples == load("scan", "test", rows=31).examples
    assert set(few.examples) < set(load("scan", "test").examples)
    assert load("scan?rows=31&part=length", "test").examples != few.examples
