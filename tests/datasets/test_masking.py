"""Personal data in files and training texts is masked, whatever their form; all else stays."""

import json
from pathlib import Path

import pytest

from kerasllm.datasets.masking import mask_file, masked
from kerasllm.datasets.sources import Source
from kerasllm.training.engine.progress import Progress

FILES = {
    "a.csv": ('text,n\n"to a@b.cn, now",7\n', 'text,n\n"to [EMAIL], now",7\n'),
    "a.tsv": ("text\tn\nto a@b.cn\t7\n", "text\tn\nto [EMAIL]\t7\n"),
    "a.jsonl": ('{"t": "a@b.cn", "n": 13800138000}\n', '{"t": "[EMAIL]", "n": 13800138000}\n'),
    "a.txt": ("打13800138000\n第二行\n", "打[PHONE]\n第二行\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_written_again(name, tmp_path):
    before, after = FILES[name]
    (tmp_path / name).write_text(before, "utf-8")
    counts = mask_file(tmp_path / name, tmp_path / "out")
    assert (tmp_path / "out").read_text("utf-8") == after
    assert sum(counts.values()) == 1


def test_json_keeps_its_form(tmp_path):
    content = {"data": [{"q": "call 010-12345678", "n": [1, None, True]}]}
    (tmp_path / "a.json").write_text(json.dumps(content), "utf-8")
    assert mask_file(tmp_path / "a.json", tmp_path / "out") == {"PHONE": 1}
    content["data"][0]["q"] = "call [PHONE]"
    assert json.loads((tmp_path / "out").read_text("utf-8")) == content


def test_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a@b.cn", "utf-8")
    with pytest.raises(FileExistsError, match="is there already: name another"):
        mask_file(path, path)
    with pytest.raises(ValueError, match=r"expected kinds among .*received \['NAME'\]"):
        mask_file(path, tmp_path / "out", ("NAME",))
    (tmp_path / "b.jsonl").write_text('{"a": 1}\n{"a": \n', "utf-8")
    with pytest.raises(ValueError, match=r"b\.jsonl, line 2: not valid JSON"):
        mask_file(tmp_path / "b.jsonl", tmp_path / "out")
    assert not (tmp_path / "out").exists() and path.read_text() == "a@b.cn"


def test_training_texts(capsys):
    source = Source("mine", ["a@b.cn and c@d.cn", "x"], ["13800138000"])
    found = masked(source, Progress())
    assert (found.train, found.validation) == (["[EMAIL] and [EMAIL]", "x"], ["[PHONE]"])
    assert "personal data masked: 2 EMAIL, 1 PHONE" in "".join(capsys.readouterr())
    with pytest.raises(ValueError, match=r"a\.txt is one long text: mask the file first"):
        masked(Source("a.txt", Path("a.txt")), Progress(True))
