"""Text that can be drawn: Chinese in an installed font, and no sign that would break a figure.

- Matplotlib's own font has no Chinese, and its list of installed fonts is as old as its cache: a
  font installed since is looked for among the files, too.
- A character that no font holds is drawn as a box, after one warning that names the cure.
- Such a font often has one weight only; that Matplotlib takes it for another is no news.
- A dollar sign is escaped: Matplotlib would read what stands between two of them as mathematics.
"""

import functools
import logging
import re
import warnings

FONT_CURE = (
    "install a font with Chinese (Debian or Ubuntu: apt install fonts-noto-cjk; Fedora: dnf "
    "install google-noto-sans-cjk-fonts; elsewhere: Noto Sans SC from fonts.google.com) and start "
    "Python again"
)
_FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans GB", "Heiti SC", "STHeiti",
    "Microsoft YaHei", "SimHei", "SimSun", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Droid Sans Fallback", "AR PL UMing CN", "Arial Unicode MS",
)  # fmt: skip
_FILES = r"noto.*(cjk|sc)[-.\[]|sourcehan|wqy|msyh|simhei|simsun|pingfang|hiragino|heiti|uming"
_BASE = "DejaVu Sans"  # comes with Matplotlib
_BOX = "\u25a1"


@functools.cache
def chinese_font():
    """Return the name of an installed font that holds Chinese, or None.

    Example:
        >>> chinese_font() is None or isinstance(chinese_font(), str)
        True
    """
    family = _installed()
    if family:
        ignore_weights(family)
    return family


def ignore_weights(family):
    """Keep Matplotlib from logging that it draws with another weight of this font than asked."""

    def news(record):
        return not ("font weight" in str(record.msg) and family in (record.args or ()))

    logging.getLogger("matplotlib.font_manager").addFilter(news)


def _installed():
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    for family in _FAMILIES:
        if family in known:
            return family
    files = [f for f in sorted(font_manager.findSystemFonts()) if re.search(_FILES, f.lower())]
    for file in sorted(files, key=lambda f: ("serif" in f.lower(), "bold" in f.lower())):
        font_manager.fontManager.addfont(file)
        return font_manager.get_font(file).family_name
    return None


def drawable(text):
    r"""Return the text as Matplotlib can draw it.

    Args:
        text: any text, for instance a token.

    Returns:
        The text with control characters spelled out, dollar signs escaped, and boxes for
        characters that no font holds.

    Example:
        >>> print(drawable("cost: $5\n"))
        cost: \$5\n
    """
    text = re.sub(r"[\x00-\x1f\x7f]", lambda sign: repr(sign[0])[1:-1], str(text))
    strange = {sign for sign in text if not text.isascii() and ord(sign) not in _glyphs()}
    if strange:
        _warn_once(chinese_font())
        text = "".join(_BOX if sign in strange else sign for sign in text)
    return text.replace("$", r"\$")


def name_columns(axes, names, cell):
    """Write names under the ticks: upright if all of them fit into a cell (inches).

    Otherwise all stand on end, but for Chinese ones, which are written from the top to the bottom.
    """
    names = [drawable(name) for name in names]
    if all(_width(name) < cell for name in names):
        axes.set_xticklabels(names)
        return
    chinese = [not any(sign.isascii() for sign in name) for name in names]
    axes.set_xticklabels(
        ["\n".join(name) if down else name for name, down in zip(names, chinese, strict=True)]
    )
    for label, down in zip(axes.get_xticklabels(), chinese, strict=True):
        label.set_rotation(0 if down or len(label.get_text()) == 1 else 90)


def _width(name):
    """Return the inches that a name takes, with the gap to the next."""
    return 0.06 + sum(0.09 if sign.isascii() else 0.16 for sign in name)


def use_fonts(figure):
    """Let every text of a finished figure fall back on the Chinese font; return the figure."""
    from matplotlib.text import Text

    if chinese_font():
        for text in figure.findobj(Text):
            text.set_fontfamily([_BASE, chinese_font()])
    return figure


@functools.cache
def _glyphs():
    from matplotlib import font_manager

    families = [_BASE] + ([chinese_font()] if chinese_font() else [])
    files = [font_manager.findfont(family) for family in families]
    return frozenset().union(*(font_manager.get_font(file).get_charmap() for file in files))


@functools.cache
def _warn_once(font):
    cure = f"the font {font} lacks them" if font else FONT_CURE
    warnings.warn(
        f"Some characters are drawn as boxes because no installed font holds them: {cure}.",
        stacklevel=3,
    )
