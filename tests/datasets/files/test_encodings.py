"""What is said of a file in another encoding: candidates with their texts, and no claim."""

import pytest

from kerasllm.datasets import load
from kerasllm.datasets.files.encodings import candidates, encoding_hint
from kerasllm.datasets.sources import read_source

LONG = {
    "gb18030": "文本,label\n今天天气很好，适合出门，用Python写,a\n",
    "big5": "今天天氣很好，適合出門\n我們去公園散步\n",
    "cp932": "今日は天気がいいですね\nこんにちは\n",
    "cp949": "안녕하세요 오늘 날씨가 좋네요\n",
    "cp1251": "Сегодня хорошая погода, идём гулять\n",
    "koi8_r": "Сегодня хорошая погода, идём гулять\n",
    "cp1252": "Herr Müller fährt nach Köln,a\nFrau Weiß sagt „Grüße“,b\n",
}


def first_foreign(data):
    return next(i for i, byte in enumerate(data) if byte > 127)


@pytest.mark.parametrize("name", LONG)
def test_the_right_encoding_comes_first_with_its_text(name):
    data = LONG[name].encode(name)
    found, text = candidates(data, first_foreign(data))[0]
    assert found == name
    line = next(line for line in LONG[name].split("\n") if not line.isascii())
    assert text in line and not text.isascii()


@pytest.mark.parametrize(
    ("text", "name"),
    [("Müller", "cp1252"), ("Ólafur", "cp1252"), ("Łódź", "cp1250"), ("Привет", "cp1251"),
     ("東京", "cp932"), ("北京", "big5"), ("好", "gb18030"), ("서울", "cp949"),
     ("مرحبا", "cp1256")],
)  # fmt: skip
def test_of_a_single_word_the_right_reading_is_among_those_offered(text, name):
    assert (name, text) in candidates(text.encode(name), 0)[:6]


def test_what_comes_first_where_little_can_be_told():
    assert candidates("Müller".encode("cp1252"), 1)[0] == ("cp1252", "Müller")
    assert candidates("好".encode("gb18030"), 0)[0] == ("gb18030", "好")
    odd = "Mьller".encode()  # a Cyrillic letter in a Latin word: odd, but UTF-8 all the same
    assert candidates(odd, 1)[0] == ("utf_8", "Mьller")


def test_a_german_name_is_not_taken_for_chinese(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nMüller,a\nMeier,b\n".encode("cp1252"))
    with pytest.raises(ValueError, match="byte 12 in line 2 starts fc") as error:
        load(path)
    assert "It reads 'Müller,a' with encoding='cp1252'" in str(error.value)
    assert load(path, "all", encoding="cp1252").texts == ["Müller", "Meier"]


def test_what_only_decodes_is_never_offered():
    assert candidates(bytes(range(1, 256)), 128) == []
    assert "binary file" in encoding_hint(b"ab\0\xff\0", 3, "a.csv")
    names = [name for name, _ in candidates(b"caf\xe9 \x81\x8d\x8f", 3)]
    assert "cp1252" not in names  # it has no such characters


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_characters(name):
    data = "text,label\nMüller,a".encode(name)
    assert (name, "text,label") in candidates(data, 0)


def test_a_damaged_file_in_utf_8_stays_utf_8():
    data = ("Grüße an alle\n" * 20).encode() + b"Gr\xfc\xdfe\n"
    assert encoding_hint(data, 0, "a") == ("All but 2 of its characters are UTF-8: mend line 21.")


def test_another_encoding_may_have_been_given(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("好\n", "utf-8")
    with pytest.raises(ValueError, match=r"is not ascii.* reads '好' with encoding='utf-8'"):
        load(path, encoding="ascii")
    with pytest.raises(ValueError, match="no encoding 'utf-9'"):
        load(path, encoding="utf-9")


def test_a_text_to_pretrain_on_gets_the_same_advice(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(LONG["gb18030"].encode("gb18030"))
    with pytest.raises(ValueError, match=r"line 1 starts .* reads '文本,label' with encoding='gb"):
        read_source(path)
    assert read_source(f"{path}?encoding=gb18030").train[0].startswith("文本")
