"""Files of public sets, in disorder: read, or refused with the name of the set and of the file."""

import io
import json
import zipfile
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasllm.datasets.public.loading import _read_files
from kerasllm.datasets.public.readers import dialogue, pairs, tagging, texts


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return file.getvalue()


DAILY = zipped(**{"train__dialogues_train.txt": "Hi __eou__ Hello __eou__\n",
                  "train__dialogues_act_train.txt": "1 2 \n"})  # fmt: skip
PUBLIC = {
    "line_texts": (texts.line_texts, {"a": b"one\ntwo\n"}, {}),
    "articles": (texts.articles, {"a": b" = A = \n\ntext\n\n = B = \n\nmore\n"}, {}),
    "table": (texts.table, {"a": b'a,"b c"\nd,e\n'}, {"text": 1, "label": 0, "names": {"a": "x"}}),
    "product_reviews": (texts.product_reviews, {"positive.review": (
        b"<review><title>a</title><review_text>b</review_text></review>")}, {}),
    "poems": (texts.poems, {"poet.tang.0": b'[{"title": "a", "paragraphs": ["b"]}]'}, {}),
    "shopping_reviews": (texts.shopping_reviews, {
        "a": zipped(a="cat,label,review\nx,1,good\n")}, {}),
    "multi30k": (pairs.multi30k, {"raw/train.de": b"eins\n", "raw/train.en": b"one\n"}, {}),
    "sentence_pairs": (pairs.sentence_pairs, {"a.txt": b"Hi\tSalut\tx\nGo\tVa\n"}, {}),
    "scan": (pairs.scan, {"tasks_train_simple.txt": b"IN: walk OUT: WALK\n"}, {}),
    "lambda_forms": (pairs.lambda_forms, {"a": b"who\t( lambda $0 e ( x $0 ) )\n"}, {}),
    "geography": (pairs.geography, {"a": json.dumps([{"sql": ["S"], "query-split": "train",
        "sentences": [{"text": "q", "question-split": "train", "variables": {}}]}]).encode()},
        {"part": "train"}),
    "titles": (pairs.titles, {"a": b'"1","title","description"\n'}, {}),
    "summaries": (pairs.summaries, {"a": b'{"source": ["a", "b"], "target": ["c"]}'}, {}),
    "conll": (tagging.conll, {"a": b"EU I-ORG\nsays O\n\n"}, {"scheme": "iob1"}),
    "slots": (tagging.slots, {"a": b"to Rome\n", "b": b"O B-city\n"}, {}),
    "intents": (tagging.intents, {"a": b"to Rome\n", "b": b"flight\n"}, {}),
    "daily_replies": (dialogue.daily_replies, {"train.zip": DAILY}, {}),
    "daily_acts": (dialogue.daily_acts, {"train.zip": DAILY}, {}),
    "babi_replies": (dialogue.babi_replies, {
        "dialog-babi-task1-trn.txt": b"1 hi\thello\n2 x\ty\n"}, {}),
    "kdconv_replies": (dialogue.kdconv_replies, {"film/train.json": (
        b'[{"messages": [{"message": "a"}, {"message": "b"}]}]')}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_files_of_public_sets(name, tmp_path, fuzz):
    reader, files, options = PUBLIC[name]
    info = SimpleNamespace(name="that set", reader=reader)
    paths = [tmp_path / file for file in files]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
    part = [options.pop("part")] if "part" in options else []
    chosen = st.sampled_from(range(len(paths)))

    @fuzz.many(max(fuzz.inputs // 8, 20))
    @given(chosen, fuzz.edits)
    def run(which, edits):
        for i, (path, content) in enumerate(zip(paths, files.values(), strict=True)):
            path.write_bytes(fuzz.edited(content, edits) if i == which else content)
        read = [*paths, *part]
        fuzz.tried(f"public {name}", lambda: _read_files(info, read, options), [str(paths[0])])

    run()
    assert fuzz.counts[f"public {name}", "read"] > 0
