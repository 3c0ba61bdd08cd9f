"""The words of a page, in the language that it is asked for."""

import functools
import re
import tomllib
from pathlib import Path

from kerasllm.plots import chinese_font
from kerasllm.plots.fonts import use_fonts
from kerasllm.utils.errors import check_choice

LANGUAGES = ("en", "zh")


@functools.cache
def _sentences():
    text = Path(__file__).with_name("sentences.toml").read_text("utf-8")
    return tomllib.loads(text)


class Words:
    """Sentences by their names, such as `words("scores.heading")`.

    Args:
        language: "en" or "zh".

    Raises:
        ValueError: another language.

    Example:
        >>> Words("zh")("worst.truth"), Words("en")("made.seed")
        ('正确', 'seed')
    """

    def __init__(self, language="en"):
        check_choice("language", language, LANGUAGES)
        self.language = language
        self._place = LANGUAGES.index(language)

    def __call__(self, name, **values):
        """Return a sentence, filled in; a list of words where the name stands for several."""
        topic, key = name.split(".", 1)
        found = _sentences()[topic][key][self._place]
        return found.format(**values) if values else found

    def has(self, name):
        """Return whether there is a sentence of this name."""
        topic, key = name.split(".", 1)
        return key in _sentences().get(topic, {})

    def of_score(self, score, task):
        """Return what a score of a task says, "" of one that no sentence explains."""
        for name in (f"score.{task}.{score}", f"score.{score}"):
            if self.has(name):
                return self(name)
        return ""

    def figure(self, figure):
        """Return a figure of `kerasllm.plots` with its words in this language.

        Where no installed font has Chinese they stay as they are: `figures_in` says so.
        """
        if self.language == "en" or not chinese_font():
            return figure
        from matplotlib.text import Text

        known = _sentences()["figures"]
        for text in figure.findobj(Text):
            text.set_text(_translated(text.get_text(), known))
        return use_fonts(figure)

    @property
    def figures_in(self):
        """Return the language that the words inside of figures can be written in."""
        return "zh" if self.language == "zh" and chinese_font() else "en"


def _translated(text, known):
    """Return a text of a figure in Chinese, as it is where it is not known."""
    if found := re.fullmatch(r"best: (\S+) at (.+)", text):
        return f"{known['best']}：{found[1]}，{known['at']} {found[2]}"
    return known.get(text, text)
