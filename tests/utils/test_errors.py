"""The nearest name is suggested, and nothing when none is near."""

import subprocess
import sys

from kerasllm.utils.errors import nearest


def test_nearest():
    choices = ("character", "word", "bpe", "wordpiece")
    assert nearest("BPE", choices) == " Did you mean 'bpe'?"
    assert nearest("charcter", choices) == " Did you mean 'character'?"
    assert nearest("xyz", choices) == ""
    assert nearest("anything", ()) == ""
    assert nearest("wiki-text", ["WikiText-2", "ptb"]) == " Did you mean 'WikiText-2'?"


def test_import_is_light():
    code = (
        "import sys, kerasllm.text; heavy = {'keras', 'tensorflow', 'nltk', 'tokenizers', 'rich',"
        "'sklearn', 'jieba'}; print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
