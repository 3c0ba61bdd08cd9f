"""The page of a model in a notebook: written beside it, framed, a picture for want of scripts."""

import re

import pytest

from kerasllm import explorer, models, text
from kerasllm.explorer.showing import BESIDE

LINE = "a boat sings"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    words = text.train_tokenizer([LINE], "word", min_frequency=1)
    config = models.RecurrentConfig(words.vocabulary_size, hidden_dim=3, units=5, num_layers=1)
    model = models.CausalLM(models.RecurrentBackbone(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BESIDE, str(folder))
        return folder, explorer.show(model, "07_boats", LINE, words, height=321)


def test_the_page_lies_beside_the_notebook_which_stays_small(shown):
    folder, page = shown
    assert page.path == folder / "pages" / "07_boats.html" and page.path.is_file()
    html = page._repr_html_()
    assert '<iframe src="pages/07_boats.html"' in html and "height: 321px" in html
    assert str(folder) not in html + repr(page)
    assert len(html) < 100_000 < page.path.stat().st_size + 100_000


def test_where_scripts_are_off_there_is_a_picture(shown):
    (picture,) = re.findall("<noscript>(.*?)</noscript>", shown[1]._repr_html_(), re.DOTALL)
    assert "data:image/png;base64," in picture and f'alt="{LINE}"' in picture


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [("../boats", [LINE], "expected a name of letters"), ("boats", [], "received none")],
)
def test_what_cannot_be_shown_is_said(name, texts, message):
    with pytest.raises(ValueError, match=message):
        explorer.show(None, name, texts)
