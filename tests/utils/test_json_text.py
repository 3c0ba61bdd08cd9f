"""JSON from a file: what is broken is named with its line; nothing else than an object passes."""

import pytest

from kerasllm.utils.json_text import parsed_json, read_object


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,}', "line 3: not valid JSON at column 9"),
        ('{"a":\n1,\n}', "line 5: not valid JSON at column 1"),
        ("", "line 3: not valid JSON"),
        ("[" * 20_000, "line 3: lists or objects are nested too deeply"),
        ('[\n"[[[",\n' + '{"a":' * 20_000, "line 5: lists or objects are nested too deeply"),
        ('{\n"n": ' + "7" * 5000 + "}", "line 4: a number has more than 4,300 digits"),
        ('{"a": "x\\ud800"}', r"line 3: \\ud800 is half of a character"),
        ('{"a": "x\\uD83Dx"}', r"line 3: \\uD83D is half of a character"),
        ('["\\\\",\n"\\udc00"]', r"line 4: \\udc00 is half of a character"),
    ],
)
def test_broken_texts_name_their_line(text, message):
    with pytest.raises(ValueError, match=f"^a.json, {message}") as error:
        parsed_json(text, "a.json", 3)
    assert type(error.value) is ValueError and len(str(error.value)) < 200


def test_whole_characters_and_backslashes_are_read():
    assert parsed_json(r'["\ud83d\ude00", "\\ud800", "\u00e9"]', "a") == ["😀", r"\ud800", "é"]


@pytest.mark.parametrize("text", ["null", "[]", "3", '"a"', "NaN", "[[1], " + "2, " * 999 + "2]"])
def test_what_is_no_object_is_refused(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="expected a JSON object in") as error:
        read_object(path)
    assert len(str(error.value)) < len(str(path)) + 120


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ValueError, match="not valid JSON: byte 7 is no UTF-8"):
        read_object(path)
