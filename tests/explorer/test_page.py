"""The page in a real browser: its numbers are NumPy's, and its equations give its numbers."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasllm
from kerasllm.explorer import page_of
from kerasllm.explorer.description import describe
from kerasllm.models import (
    CausalLM,
    ChatLM,
    ChatPreprocessor,
    ContrastiveLM,
    EmbeddingBackbone,
    EmbeddingConfig,
    MaskedLM,
    RecurrentBackbone,
    RecurrentConfig,
    RecurrentEncoderDecoder,
    RecurrentSeq2Seq,
    RecurrentSeq2SeqConfig,
    SpanExtractor,
    TextClassifier,
    TextEncoder,
    TokenTagger,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.models.classification.preprocessor import ClassificationPreprocessor
from kerasllm.models.language.preprocessor import (
    CausalPreprocessor,
    ContrastivePreprocessor,
    MaskedPreprocessor,
)
from kerasllm.models.tagging.preprocessor import TaggingPreprocessor, word_tokenizer
from kerasllm.text import train_tokenizer
from tests.explorer.chromium import chromium

HERE = Path(__file__).parent
TEXTS = ["The cat sat on the mat.", "这部电影真的很好看 &amp; ok?"]
KINDS = {
    "character": {}, "bpe": {"lowercase": True}, "wordpiece": {},
    "word": {"word_splitter": "space"}, "treebank": {},
}  # fmt: skip


def tokenizer_of(kind):
    options, texts = KINDS[kind], TEXTS[:1] if kind in ("word", "treebank") else TEXTS
    kind = "word" if kind == "treebank" else kind
    return train_tokenizer(texts * 2, kind, 300, min_frequency=1, **options)


def recurrent(tokenizer, **options):
    config = RecurrentConfig(tokenizer.vocabulary_size, hidden_dim=5, units=7, **options)
    return RecurrentBackbone(config)


def transformer(tokenizer, **options):
    given = {"hidden_dim": 8, "num_layers": 2, "num_heads": 2, "max_length": 47} | options
    return TransformerBackbone(TransformerConfig(tokenizer.vocabulary_size, **given))


def language(backbone, tokenizer):
    return CausalLM(backbone, preprocessor=CausalPreprocessor(tokenizer, length=41))


def classifier(backbone, tokenizer, pooling="mean", layer=-1, **options):
    labels = ["</script><b>bad</b>", "good", "坏"]
    reader = ClassificationPreprocessor(tokenizer, labels, length=31, **options)
    return TextClassifier(backbone, pooling=pooling, layer=layer, preprocessor=reader)


def tagger(backbone, tokenizer, **options):
    reads = {"scheme": "none", **options.pop("reads")}
    reader = TaggingPreprocessor(tokenizer, ["noun", "verb", "other", "<b>"], **reads)
    return TokenTagger(backbone, preprocessor=reader, **options)


def words_and_tags(_):
    tokenizer, _ = word_tokenizer([["the", "cat", "sat", "in", "0"]], lowercase=True, digits=True)
    words = EmbeddingBackbone(EmbeddingConfig(tokenizer.vocabulary_size, 7))
    return tagger(words, tokenizer, units=5, forbidden=[(2, 1)], reads={"length": 37})


LLAMA = {
    "num_heads": 4, "num_kv_heads": 2, "key_dim": 6, "positions": "rotary", "rotary_base": 77.0,
    "normalization": "rms", "activation": "swiglu", "use_bias": False, "tied": False,
}  # fmt: skip
MODELS = {
    "lstm": ("character", lambda t: language(recurrent(t), t)),
    "contrast": ("bpe", lambda t: ContrastiveLM(
        recurrent(t), preprocessor=ContrastivePreprocessor(t, length=41))),
    "gru": ("bpe", lambda t: language(recurrent(t, cell="gru", num_layers=2, project=False), t)),
    "simple": ("treebank", lambda t: language(recurrent(t, cell="simple", residual=True), t)),
    "both": ("wordpiece", lambda t: classifier(recurrent(t, bidirectional=True, num_layers=2), t,
                                               "max", clean=True)),
    "last": ("word", lambda t: classifier(recurrent(t), t, "last")),
    "bag": ("word", lambda t: classifier(recurrent(t), t, layer=0)),
    "vectors": ("character", lambda t: classifier(
        EmbeddingBackbone(EmbeddingConfig(t.vocabulary_size, 7, pairs=13)), t, "mean_max")),
    "gpt": ("bpe", lambda t: language(transformer(t), t)),
    "rotary": ("character", lambda t: language(transformer(t, positions="rotary"), t)),
    "sinusoidal": ("wordpiece", lambda t: language(
        transformer(t, positions="sinusoidal", norm="post", activation="relu"), t)),
    "bert": ("wordpiece", lambda t: classifier(
        transformer(t, causal=False, segments=2, norm="post", activation="gelu_tanh"), t,
        "attention", clean=True)),
    "llama": ("bpe", lambda t: language(transformer(t, **LLAMA), t)),
    "turned": ("character", lambda t: language(
        transformer(t, num_heads=4, num_kv_heads=1, positions="rotary", interleaved=True,
                    normalization="rms", activation="swiglu"), t)),
    "masked": ("wordpiece", lambda t: MaskedLM(
        transformer(t, causal=False, norm="post"), preprocessor=MaskedPreprocessor(t, length=41))),
    "chat": ("bpe", lambda t: ChatLM(
        transformer(t), preprocessor=ChatPreprocessor(t, length=41))),
    "many": ("character", lambda t: classifier(transformer(t, causal=False), t, "first",
                                               multilabel=True)),
    "crf": ("character", words_and_tags),
    "tags": ("wordpiece", lambda t: tagger(transformer(t, causal=False), t, head="softmax",
                                           reads={"length": 41, "by_character": True})),
    "pieces": ("bpe", lambda t: tagger(recurrent(t), t, reads={"length": 41})),
}  # fmt: skip


def make(name, seed=3):
    """Return a task with random weights everywhere: zeros would hide a swapped gate."""
    kind, build = MODELS[name]
    task, rng = build(tokenizer_of(kind)), np.random.default_rng(seed)
    task.set_weights([0.6 * rng.standard_normal(w.shape) for w in task.get_weights()])
    return task


def plain_keras():
    """Return the page of a Sequential of Keras' own layers."""
    tokenizer, rng = tokenizer_of("character"), np.random.default_rng(5)
    parts = [keras.layers.Embedding(tokenizer.vocabulary_size, 3),
             keras.layers.Bidirectional(keras.layers.GRU(5, reset_after=False, use_bias=False,
                                                         return_sequences=True)),
             keras.layers.LayerNormalization(), keras.layers.LSTM(4),
             keras.layers.Dense(3, activation="softmax")]  # fmt: skip
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *parts])
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    return page_of(model, TEXTS, tokenizer)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Return what the browser showed of every model, and of one with a wrong number stored."""
    folder, tasks = tmp_path_factory.mktemp("pages"), {name: make(name) for name in MODELS}
    pages = {name: page_of(task, TEXTS) for name, task in tasks.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kerasllm.explorer.description.WIDE", 20)
        pages["wide"] = page_of(tasks["gpt"], TEXTS)
    pages["keras"] = plain_keras()
    pages["wrong"] = page_of(tasks["lstm"], TEXTS).replace('put("c", add(', 'put("c", times(')
    pages["wrong"] = re.sub("; script-src '[^']+'", "; script-src 'unsafe-inline'", pages["wrong"])
    found = {}
    with chromium(folder) as opened:
        for name, text in pages.items():
            path = folder / f"{name}.html"
            path.write_text(text, "utf-8")
            page = opened(path, width=390)
            found[name] = visited(page, name)
            page.close()
    return found


EVERY_EQUATION = (HERE / "every_equation.js").read_text("utf-8")


def visited(page, name):
    """Return what a page shows, before and after its first number was changed."""
    found = {"proof": page.run("({ ...document.querySelector('#proof').dataset })")}
    found["text"] = page.text("#proof")
    found["equations"] = page.run(EVERY_EQUATION) if name != "wrong" else None
    found["path"] = page.run("[...document.querySelectorAll('#answer tr')].slice(1)"
                             ".map(row => row.children[2]?.textContent)")  # fmt: skip
    before = page.text("#answer")
    page.click("#map rect.cell")
    found["chosen"] = page.text("#number h3")
    page.run("(() => { const one = document.querySelector('#slider'); one.value = 1;"
             "one.dispatchEvent(new Event('change')); })()")  # fmt: skip
    found["changes"] = page.run("state.changes.length")
    found["rows"] = page.run(
        "[...document.querySelectorAll('#answer tr')].slice(1)"
        ".map(row => [...row.children].map(cell => cell.textContent))"
    )
    page.click("#undo")
    found["undone"] = page.text("#answer") == before
    found["typed"] = page.run("!!read")
    if found["typed"]:
        page.fill("#text", "a cat <b>sat</b>")
        page.press("Enter")
        found["typed"] = page.texts("#tokens button")
    if page.run("!!document.querySelector('#likeliest')"):
        count = len(page.texts("#tokens button"))
        page.click("#likeliest")
        found["longer"] = len(page.texts("#tokens button")) - count
    found["faults"], found["wide"] = page.faults, page.run("document.documentElement.scrollWidth")
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_page_computes_what_numpy_computes(seen, name):
    proof = seen[name]["proof"]
    assert float(proof["distance"]) <= 1e-5 and proof["tokens"] == "true", proof
    assert seen[name]["text"].startswith("✓")


@pytest.mark.parametrize("name", [*MODELS, "keras"])
def test_the_numbers_of_every_equation_give_its_number(seen, name):
    """Every number of every symbol has an equation, which leads to others, or to weights."""
    found = seen[name]["equations"]
    assert found["wrong"] == found["none"] == found["dead"] == []
    assert found["checked"] > 100 and found["leaves"] > 50


def test_a_model_of_keras_layers_is_computed_too(seen):
    assert seen["keras"]["text"].startswith("✓") and seen["keras"]["faults"] == []
    assert [row[0] for row in sorted(seen["keras"]["rows"])] == ["0", "1", "2"]


def test_of_a_large_vocabulary_the_last_scores_are_compared(seen):
    assert seen["wide"]["text"].startswith("✓")
    assert int(seen["wide"]["proof"]["compared"]) < int(seen["gpt"]["proof"]["compared"])


def test_the_page_would_have_told(seen):
    assert float(seen["wrong"]["proof"]["distance"]) > 1e-3
    assert seen["wrong"]["text"].startswith("✗")


@pytest.mark.parametrize("name", MODELS)
def test_typing_changing_and_undoing(seen, name):
    found = seen[name]
    assert found["faults"] == [] and found["wide"] <= 390
    assert found["changes"] == 1 and found["undone"]
    if MODELS[name][0] == "treebank" or name == "chat":
        assert found["typed"] is False
    else:
        assert len(found["typed"]) > 2
    assert found.get("longer", 1) == 1


@pytest.mark.parametrize("name", MODELS)
def test_what_if_is_an_intervention(seen, name):
    """The answer after a number was set to 1 is that of `kerasllm.intervene`."""
    named = r"(\S+): (\w+), position (\d+), (?:head (\d+), key |unit )(\d+) = .*"
    told = re.fullmatch(named, seen[name]["chosen"])
    layer, symbol, position, head, unit = told.groups()
    where = {"unit": int(unit), "position": int(position), "head": head and int(head)}
    reads = kerasllm.intervene(make(name), TEXTS[0])
    after = reads.set(layer, symbol, 1.0, **where).answer.after
    shown = [row[3] for row in seen[name]["rows"]]
    if name in ("crf", "tags", "pieces"):
        assert [cell.split()[-1] for cell in shown] == [f"{p.max():.3f}" for p in after]
        return
    if name == "many":
        return  # probabilities of labels by themselves, which a trace does not have
    p = np.sort(after[-1] if after.ndim == 2 else after)[::-1]
    given = np.sort([float(cell.split()[0]) for cell in shown])[::-1]
    assert np.allclose(given[:3], 100 * p[:3], atol=0.051)


def test_a_page_holds_no_link_and_lets_only_its_own_script_run():
    text = page_of(make("many"), TEXTS)
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert re.search("default-src 'none'; .*; script-src 'sha256-[^ ]+'\"", text)
    assert "</script><b>" not in text


def test_what_is_stored_is_what_the_twin_computes():
    task = make("gru")
    description, numbers = describe(task, TEXTS[:1])
    seen = kerasllm.verify.trace(task, TEXTS[0])
    stored = {(s["layer"], s["symbol"]): s for s in description["traces"][0]["symbols"]}
    one = stored["stack/gru_1", "candidate"]
    values = numbers[one["at"] : one["at"] + one["size"]].reshape(one["shape"])
    assert np.allclose(values, seen.array("gru_1", "candidate"), atol=1e-6)


def test_the_path_of_a_tagger_is_its_own(seen):
    """The browser's best path is the model's answer."""
    task = make("crf")
    (answer,) = task.answers(TEXTS[:1])
    assert seen["crf"]["path"] == answer["tags"]


def test_the_page_is_written_where_it_is_wanted(tmp_path):
    path = kerasllm.explore(make("lstm"), TEXTS[0], tmp_path / "page.html")
    assert path.read_text("utf-8").startswith("<!doctype html>")


def encoder_decoder(t):
    settings = RecurrentSeq2SeqConfig(t.vocabulary_size, t.vocabulary_size, hidden_dim=5, units=6)
    return RecurrentSeq2Seq(RecurrentEncoderDecoder(settings))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda t: SpanExtractor(transformer(t, causal=False)), "taggers.*finds answers"),
        (lambda t: TextEncoder(transformer(t, causal=False)), "taggers.*a vector"),
        (encoder_decoder, "taggers.*encoder-decoder.*kerasllm.intervene"),
        (lambda t: language(transformer(t, num_layers=1), t), "the text is empty"),
    ],
)
def test_what_cannot_be_shown_is_refused(build, said):
    tokenizer = tokenizer_of("character")
    with pytest.raises(ValueError, match=said):
        page_of(build(tokenizer), [""] if "empty" in said else ["a"], tokenizer)


def test_weights_that_are_not_finite_are_refused():
    task = make("lstm")
    task.set_weights([np.full_like(w, np.nan) for w in task.get_weights()])
    with pytest.raises(ValueError, match="NaN"):
        page_of(task, TEXTS)


def test_a_table_that_two_layers_share_is_stored_once():
    steps = describe(make("gpt"), TEXTS[:1])[0]["steps"]
    assert steps[0]["table"] == steps[-1]["table"]


def test_a_page_without_weights_has_what_fits(monkeypatch):
    """Attention weights and states come first; what has no room is named."""
    monkeypatch.setattr("kerasllm.explorer.description.WEIGHTS", 100)
    whole, numbers = describe(make("gpt"), TEXTS)
    assert not whole["computes"] and "without some" not in whole["why"]
    assert "4,536 weights" in whole["why"] and all("at" not in m for m in matrices(whole["steps"]))
    room = len(json.dumps(whole, ensure_ascii=False).encode()) + 4 * numbers.size
    some, _ = describe(make("gpt"), TEXTS, None, room)
    kept = {one["symbol"] for trace in some["traces"] for one in trace["symbols"]}
    assert "weights" in kept and "rows" not in kept and "without some of" in some["why"]
    with pytest.raises(ValueError, match="has no room"):
        describe(make("gpt"), TEXTS, None, 9000)


def matrices(part):
    """Return the weights of a description that have more than two axes' worth of numbers."""
    if isinstance(part, dict):
        if "shape" in part:
            return [part] if np.prod(part["shape"]) > 4096 else []
        part = list(part.values())
    return [one for child in part for one in matrices(child)] if isinstance(part, list) else []


def test_a_page_is_no_larger_than_it_may_be(monkeypatch):
    monkeypatch.setattr("kerasllm.explorer.description.WEIGHTS", 100)
    monkeypatch.setattr("kerasllm.explorer.page.LARGEST", 220_000)
    assert len(page_of(make("llama"), TEXTS).encode()) <= 220_000


def test_a_layer_that_the_page_does_not_know():
    parts = [keras.layers.Embedding(50, 3), keras.layers.Conv1D(3, 2, padding="same")]
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *parts, keras.layers.Dense(50)])
    with pytest.raises(ValueError, match="does not compute the layer Conv1D"):
        page_of(model, ["cat"], tokenizer_of("character"))
    with pytest.raises(ValueError, match="needs an output"):
        kerasllm.explore(model, ["cat"], tokenizer=tokenizer_of("character"))
