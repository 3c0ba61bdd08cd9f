"""What a person does in the page, with a real mouse and real keys, on models that are known."""

import re
from xml.etree import ElementTree

import keras
import numpy as np
import pytest

import kerasllm
from kerasllm.explorer import page_of
from kerasllm.explorer.tutorial import TASKS
from kerasllm.models import MaskedLM
from kerasllm.models.language.preprocessor import MaskedPreprocessor
from tests.explorer import by_hand
from tests.explorer.chromium import chromium
from tests.explorer.test_page import TEXTS, make, tokenizer_of, transformer

CATS, CAT = "The cats near the tree", "The cat near the tree"
TOM = "Then Tom Brown met Ann . Then Tom"
AWFUL = "The film was long and awful"
VIEWS = ("answer", "picture", "number", "changes", "trials")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Return a function from the text of a page to that page in a browser."""
    folder, count = tmp_path_factory.mktemp("pages"), iter(range(1000))
    with chromium(folder) as browser:

        def open_page(text, **options):
            path = folder / f"{next(count)}.html"
            path.write_text(text, "utf-8")
            return browser(path, **options)

        yield open_page


@pytest.fixture(scope="module")
def pages():
    """Return the pages of the models that were built by hand, and of some with random weights."""
    tokenizer = tokenizer_of("wordpiece")
    masked = MaskedLM(transformer(tokenizer, causal=False),
                      preprocessor=MaskedPreprocessor(tokenizer, length=41))  # fmt: skip
    rng = np.random.default_rng(3)
    masked.set_weights([0.6 * rng.standard_normal(w.shape) for w in masked.get_weights()])
    model, words = by_hand.agreement()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kerasllm.explorer.description.WEIGHTS", 100)
        large = page_of(make("gpt"), TEXTS)
    return {
        "agreement": page_of(model, [CATS], words),
        "copying": page_of(by_hand.copying(), [TOM]),
        "opinion": page_of(by_hand.opinion(), [AWFUL]),
        "hidden": page_of(masked, TEXTS[:1]), "masked": masked, "large": large,
    }  # fmt: skip


def likeliest(page, column=-1):
    """Return the label whose number of a column is the largest."""
    rows = page.run("[...document.querySelectorAll('#answer table.answers tr')].slice(1)"
                    ".map(row => [...row.children].map(cell => cell.textContent))")  # fmt: skip
    return max(rows, key=lambda row: float(row[column].removesuffix(" %")))[0]


def cell(row, column):
    """Return what finds a number of the picture."""
    return f'#map rect[data-row="{row}"][data-column="{column}"]'


def tried(page, kind):
    """Press "Try every …"; return the names of the table and how far each moves the answer."""
    page.click(f"#try-{kind}")
    page.wait_for("state.trials?.done")
    return [(row["name"], row["far"]) for row in page.run(
        "state.trials.rows.map(({ name, far }) => ({ name, far }))")]  # fmt: skip


# === The tutorial ===


def test_the_tutorial_names_what_the_page_has(opened, pages):
    page = opened(pages["copying"])
    page.fill("#other", TOM)
    page.click("#read-beside")
    page.choose("#symbol", "weights")
    page.click("#map rect.cell")
    tried(page, "heads")
    page.click("#do-0")
    page.choose("#layer", "embedding")
    names = set(page.texts("button, option"))
    page.choose("#layer", "block_0/attention")
    names |= {*page.texts("button, option")}
    page.choose("#symbol", "weights")
    page.click("#map rect.cell")
    names |= {*page.texts("button, option")}
    page.click("#tutorial summary")
    said = page.text("#tutorial")
    pressed = re.findall(r"(?:Press|and do|^)\s*“([^”]+)”|“(Undo(?: all)?)”", said)
    assert len(pressed) >= 8
    assert {one or other for one, other in pressed} <= names
    for ask, _, steps in TASKS:
        assert ask in said and all(step in said for step in steps)


def test_which_unit_carries_the_number_of_the_subject(opened, pages):
    page = opened(pages["agreement"])
    assert likeliest(page) == "are"
    page.fill("#other", CAT)
    page.click("#read-beside")
    assert page.texts("#answer th")[2:] == ["before", "second text"]
    assert likeliest(page, 3) == "is"
    page.choose("#layer", "lstm")
    page.choose("#symbol", "c")
    page.click(cell(0, 2))
    first, *others = tried(page, "units")
    assert first[0] == f"unit {by_hand.SUBJECT}" and first[1] > 0.8
    assert all(far < 1e-9 for _, far in others)
    page.click("#do-0")
    assert likeliest(page) != "are" and likeliest(page, 3) == "is"
    page.click("#undo")
    page.click("#do-2")  # the control
    assert likeliest(page, 3) == "are"
    assert page.faults == []


def test_which_head_copies(opened, pages):
    page = opened(pages["copying"])
    assert likeliest(page) == "brown"
    heads = tried(page, "heads")
    layer, head = by_hand.COPIES
    both = {f"{layer}/attention, head {head}", "block_0/attention, head 1"}
    assert {name for name, far in heads if far > 0.5} == both
    assert {name for name, far in heads if far < 1e-9} == {
        "block_0/attention, head 0", "block_1/attention, head 1"}  # fmt: skip
    page.choose("#layer", f"{layer}/attention")
    page.choose("#symbol", "weights")
    page.click(f"#head-{head}")
    page.click(cell(7, 2))
    assert float(page.text("#number h3").split("= ")[1]) > 0.99
    page.click("#cut")
    assert likeliest(page, 3) != "brown"
    page.click("#undo-all")
    edges = tried(page, "edges")
    assert edges[0][0].startswith("brown") and edges[0][1] > 0.5
    assert all(far < 1e-6 for _, far in edges[1:])
    assert page.faults == []


def test_why_a_review_was_called_negative(opened, pages):
    page = opened(pages["opinion"])
    assert likeliest(page) == "negative"
    first, *others = tried(page, "tokens")
    assert first[0].startswith("awful") and first[1] > 5 * max(far for _, far in others)
    page.click("#do-0")
    assert likeliest(page, 3) == "positive"
    page.fill("#other", AWFUL.replace("awful", "lovely"))
    page.click("#read-beside")
    assert likeliest(page, 4) == "positive"
    assert page.faults == []


# === What else is done ===


def test_states_of_a_second_text(opened, pages):
    page = opened(pages["agreement"])
    page.fill("#other", CAT)
    page.press("Enter")
    page.choose("#layer", "lstm")
    page.choose("#symbol", "c")
    assert len(page.texts("#second-map rect.cell")) == len(page.texts("#map rect.cell"))
    page.click("#token-1")
    page.choose("#swap-into", "1")
    page.choose("#swap-from", "1")
    page.click("#swap")
    page.click("#token-4")
    assert likeliest(page, 3) == "is"
    model, words = by_hand.agreement()
    told = kerasllm.intervene(model, CATS, words).swap("lstm", "c", CAT, position=1)
    shown = max(numbers_in(" ".join(page.texts("#answer td.after"))))
    assert shown == pytest.approx(100 * told.answer.after[-1].max(), abs=0.06)
    page.click("#undo")
    page.choose("#swap-into", "every token")
    page.click("#swap")
    assert likeliest(page, 3) == "is" and page.run("state.changes.length") == 1
    page.fill("#other", "")
    page.click("#read-beside")
    assert page.run("state.other") is None and page.faults == []


def test_a_point_of_a_line_is_dragged(opened, pages):
    page = opened(pages["agreement"])
    page.choose("#layer", "lstm")
    page.choose("#symbol", "c")
    page.click(cell(row_of(page), 4))
    assert numbers_in(page.text("#number h3"))[-1] == pytest.approx(1, abs=1e-3)
    pixels = page.run("(() => { const [top, bottom] = [...document.querySelectorAll('#lines line')]"
                      ".map(line => line.getBoundingClientRect().y).sort((a, b) => a - b);"
                      "return bottom - top; })()")  # fmt: skip
    page.drag('#lines circle[data-line="c"][data-position="4"]', down=pixels)
    assert page.run("state.changes.length") == 1
    after = page.run("state.seen.symbols.lstm.c[4][0]")
    assert after < 0.2
    page.choose("#symbol", "f")  # its points now lie on top
    page.click(cell(row_of(page), 4))
    page.drag('#lines circle[data-line="f"][data-position="4"]', down=1.2 * pixels)
    assert page.run("state.seen.symbols.lstm.f[4][0]") == 0  # no gate is below 0
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'z', ctrlKey: true }))")
    page.click("#undo")
    assert page.run("state.changes.length") == 0 and page.faults == []


def row_of(page):
    """Return which row of the picture is the unit of the subject."""
    return page.texts("#map text").index(f"unit {by_hand.SUBJECT}")


def numbers_in(text):
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def test_the_keyboard_alone(opened, pages):
    """Tab to the picture, move, drag the slider, undo: without a mouse."""
    page = opened(pages["agreement"])
    page.run("document.getElementById('layer').focus()")
    for _ in range(40):
        page.press("Tab")
        if page.run("document.activeElement.id") == "map":
            break
    page.press("ArrowDown", "ArrowDown", "ArrowRight")
    assert page.run("document.activeElement.id") == "map"
    assert page.run("[state.chosen.unit !== null, state.chosen.position]") == [True, 1]
    before = page.text("#number h3")
    for _ in range(40):
        page.press("Tab")
        if page.run("document.activeElement.id") == "slider":
            break
    page.press("ArrowRight", "ArrowRight")
    assert page.run("document.activeElement.id") == "slider"
    assert page.run("state.changes.length") == 1 and page.text("#number h3") != before
    page.run("document.getElementById('undo').focus()")
    page.press("Enter")
    assert page.run("state.changes.length") == 0 and page.text("#number h3") == before


def test_numbers_lead_down_to_weights_and_back(opened, pages):
    page = opened(pages["copying"])
    page.click("#answer-0")
    for _ in range(60):
        if page.run("state.chosen.weight !== undefined"):
            break
        page.click("#number button.link")
    assert "A weight: training found it." in page.text("#number")
    depth = page.run("state.trail.length")
    assert depth > 3
    for _ in range(depth):
        page.click("#back")
    assert page.text("#number h3").startswith("p(brown)") and page.faults == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["agreement", "copying", "large"])
def test_views_are_saved_as_svg(opened, pages, name, width):
    """Each is a file of its own: XML, on white, with nothing loaded."""
    page = opened(pages[name], dark=True, width=width)
    page.click("#map rect.cell")
    if name != "large":
        page.click("#try-tokens")
        page.wait_for("state.trials?.done")
    for view in VIEWS:
        text = page.run(f"savedView('{view}', 'A view')")
        root = ElementTree.fromstring(text)
        ink = {e.get("fill") for e in root.iter() if e.get("fill")}
        assert root.find("{*}rect").get("fill") == "#fff" and "currentColor" not in ink
        assert "var(" not in text and "http" not in text.replace("http://www.w3.org/", "")
        assert float(root.get("width")) > 100 and root.find("{*}title").text.startswith("A view: ")
    assert len(root.findall(".//{*}text")) > 1
    page.click("button.save")
    assert page.run("document.documentElement.scrollWidth") <= width and page.faults == []


# === Shapes and bad input ===


def test_a_hidden_token_is_asked_for(opened, pages):
    """The page hides the chosen token, and answers what the twin answers."""
    page, masked = opened(pages["hidden"]), pages["masked"]
    p = kerasllm.verify.trace(masked, TEXTS[0]).probabilities
    for position in (2, 0):
        page.click(f"#token-{position}")
        assert page.texts("#tokens button")[position] == "[hidden]"
        shown = numbers_in(page.texts("#answer td.number")[0])[0]
        assert shown == pytest.approx(100 * p[position].max(), abs=0.051)
    page.choose("#layer", "block_0/attention")
    page.choose("#symbol", "z")
    page.click("#silence")
    after = kerasllm.intervene(masked, TEXTS[0]).set("block_0/attention", "z", 0.0, head=0).answer
    shown = max(numbers_in(" ".join(page.texts("#answer td.after"))))
    assert shown == pytest.approx(100 * after.after[0].max(), abs=0.051)
    assert page.text("#proof").startswith("✓") and page.faults == []


def test_a_model_that_is_too_large_is_shown_and_not_computed(opened, pages):
    page = opened(pages["large"])
    assert "too large for a page that computes it" in page.text("#proof")
    assert page.run("document.getElementById('text').disabled")
    p = kerasllm.verify.trace(make("gpt"), TEXTS[1]).probabilities
    page.click("#stored button", 2)
    shown = numbers_in(page.texts("#answer td.number")[0])[0]
    assert shown == pytest.approx(100 * p[-1].max(), abs=0.051)
    page.click("#map rect.cell")
    assert "exp(" in page.text("#number") and not page.run("!!document.querySelector('#slider')")
    page.click("#stored button.beside")
    assert page.run("!!document.querySelector('#second-map')") and page.faults == []


HOSTILE = ("<script>top.owned = 1</script>", '<img src=x onerror="top.owned=1">', "\u202e\u2028\0x",
           "𝔘𝔫𝔦 👩‍👩‍👧 ﷽", "e" * 3000, "${state.owned = 1} `$`", " \n\t ")  # fmt: skip


def test_hostile_texts_are_texts(opened):
    page = opened(page_of(make("gpt"), [HOSTILE[0]]))
    for text in HOSTILE:
        page.run(f"document.getElementById('text').value = {text!r}" if "\0" not in text
                 else "document.getElementById('text').value = '\\u202e\\u2028\\0x'")  # fmt: skip
        page.click("#read")
        page.run("document.getElementById('other').value = document.getElementById('text').value")
        page.click("#read-beside")
        page.click("#map rect.cell")
    assert "only the first 41 of" not in page.text("#note")  # an empty text changed nothing
    page.run(f"document.getElementById('text').value = {'e' * 3000!r}")
    page.click("#read")
    assert "only the first 41 of" in page.text("#note")
    page.run("document.getElementById('text').value = ''")
    page.click("#read")
    assert "the text is empty" in page.text("#note")
    assert page.run("top.owned ?? state.owned ?? null") is None
    assert page.run("document.querySelectorAll('main img, main script:not(#data)').length") == 0
    page.run("document.getElementById('temperature').value = ''")
    page.run("document.getElementById('temperature').dispatchEvent(new Event('change'))")
    assert page.run("state.sampling.temperature") == 1 and page.faults == []


def test_numbers_that_are_none_change_nothing(opened, pages):
    page = opened(pages["agreement"])
    page.click("#map rect.cell")
    for given in ("", "1e999", "-"):
        page.run(f"(() => {{ const one = document.getElementById('value'); one.value = '{given}';"
                 "one.dispatchEvent(new Event('change')); })()")  # fmt: skip
    assert page.run("state.changes.length") == 0 and page.faults == []


def test_the_page_of_a_keras_model_without_a_tokenizer(opened):
    parts = [keras.layers.Embedding(11, 3), keras.layers.LSTM(5, return_sequences=True)]
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *parts, keras.layers.Dense(11)])
    page = opened(page_of(model, [[4, 9, 2]]))
    assert page.texts("#tokens button") == ["4", "9", "2"]
    assert page.text("#proof").startswith("✓") and page.faults == []
