"""The languages that the package speaks to a reader in, and which of them is wanted."""

import os

from kerasllm.utils.errors import check_choice

LANGUAGES = ("en", "zh")
VARIABLE = "KERASLLM_LANGUAGE"


def chosen_language(language=None):
    """Return a language: the one that is asked for, else that of KERASLLM_LANGUAGE, else "en".

    Args:
        language: "en", "zh" or None.

    Raises:
        ValueError: another language; the message says where it was asked for.

    Example:
        >>> chosen_language("zh")
        'zh'
    """
    name = "language" if language else f"the environment variable {VARIABLE}"
    language = language or os.environ.get(VARIABLE) or "en"
    check_choice(name, language, LANGUAGES)
    return language
