"""Every public name has its place on one page."""

import inspect
import re

import pytest

pytest.importorskip("sphinx")
import kerasllm
from docs.site import api


def test_every_public_name_has_an_entry():
    """Asked of the packages anew, without the list that the pages are made from."""
    pages = api.pages()
    everything = "\n".join(pages.values())
    for package in kerasllm.__all__:
        module = getattr(kerasllm, package)
        for name in getattr(module, "__all__", ()) if inspect.ismodule(module) else (package,):
            if not name.startswith("__"):
                entries = [f"}} {name}{end}" for end in ("(", "\n")]
                assert any(entry in everything for entry in entries), f"{package}.{name}"


def test_a_name_of_two_packages_stands_once_where_it_is_used():
    (train,) = [one for one in api.names() if one.name == "train"]
    assert (train.target, train.page) == ("kerasllm.train", "api/kerasllm")
    assert "{py:obj}`train <kerasllm.train>`" in api.pages()["api/training/index"]


def test_forward_and_backward_stand_on_one_page():
    pages = {one.name: one.page for one in api.names() if one.package == "kerasllm.reference"}
    assert pages["lstm"] == pages["lstm_backward"] == pages["LSTMTrace"]
    assert pages["lstm"] == "api/reference/recurrent/lstm"


def test_links_lead_to_the_nearest_and_never_guess():
    near = api.linker("kerasllm.layers")
    assert near("LSTM") == "kerasllm.layers.LSTM"
    assert near("reference.lstm") == near("kerasllm.reference.lstm") == "kerasllm.reference.lstm"
    assert near("train()") == "kerasllm.train" and near("epochs") is None
    anywhere = api.linker()
    assert anywhere("lstm") is None and anywhere("layers.LSTM") == "kerasllm.layers.LSTM"
    assert anywhere("training.train") == "kerasllm.train"
    twice = [name for name, found in api._targets().items() if len(found) > 1]
    assert twice and all(api.linker("kerasllm.text")(name) is None for name in twice
                         if not hasattr(kerasllm.text, name))  # fmt: skip


def test_signatures_hold_arguments_and_short_defaults():
    def double(x, /, by: int = 2, *, like=object(), text="a" * 99, **more):  # noqa: B008
        """Double."""

    assert api.signature(double) == "(x, /, by=2, *, like=..., text=..., **more)"
    assert api.signature(kerasllm.reference.LSTMStepTrace).startswith("(i, f, g, o, c, h, ")


def test_methods_that_keras_calls_are_left_out():
    page = api.pages()["api/layers/crf"]
    assert "{py:method} call(inputs" in page and "get_config" not in page
    assert "{py:method} from_preset(source" in api.pages()["api/models/task"]


def test_settings_say_what_each_is():
    page = api.pages()["api/training/settings/pretraining"]
    assert "{py:class} PretrainSettings(**settings)" in page
    assert "| `steps` | `1000` | training steps |" in page


def test_each_recipe_has_a_page_with_its_script():
    pages = api.pages()
    assert "\nnews\n" in pages["api/recipes/index"]
    news = pages["api/recipes/news"]
    assert "kerasllm recipe news" in news and "\ndef main(" in news


def test_an_entry_is_made_of_nothing_that_markdown_would_read():
    """Examples that are no code would be quotations."""
    for page, text in api.pages().items():
        outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
        assert ">>>" not in outside, page
