"""What `check` says in Chinese: every sentence has both languages, and no English is left over."""

import os
import re
import string
import time

import numpy as np
import pytest

from kerasllm import exercises
from kerasllm.exercises import running
from kerasllm.exercises.catalogue import EXERCISES, _trials
from kerasllm.exercises.words import _sentences, _tasks, say, speaking, spoken_label

PAIRS = {name: pair for name, pair in _sentences().items() if name != "labels"}
CHINESE = re.compile("[\u4e00-\u9fff]")


def check(name, function, **options):
    return exercises.check(name, function, quiet=True, **({"language": "zh"} | options))


def fields(sentence):
    parsed = string.Formatter().parse(sentence)
    return sorted((name, spec) for _, name, spec, _ in parsed if name)


@pytest.mark.parametrize("name", PAIRS)
def test_both_languages_say_the_same(name):
    english, chinese = PAIRS[name]
    assert fields(english) == fields(chinese)
    assert not CHINESE.search(english)
    assert english.count("\n") == chinese.count("\n")


def test_every_word_of_a_label_has_its_chinese():
    """What stays in Latin letters is a name of the code, a size or a text."""
    labels = {trial.label for name in EXERCISES for trial in _trials(name)}
    code = r"\w+=\S+|'.*|\w+_\w+|alpha|epsilon|logits|top_k"
    with speaking("zh"):
        left = {label: re.sub(code, "", spoken_label(label)) for label in labels}
    assert not [label for label, rest in left.items() if re.search("[a-z]{3}", rest)]


def names_and_shapes(text):
    """Return what a statement and its translation share: shapes, names of the code, numbers."""
    text = text.replace("（", "(").replace("）", ")")
    shapes = re.findall(r"\([A-Z0-9…. ]*(?:,[A-Z0-9…. ]*)+\)", text)
    return {*shapes, *re.findall(r"[A-Za-z]+(?:[._][A-Za-z0-9]+)+", text)}


def test_every_exercise_is_told_in_chinese_and_no_text_is_left_over():
    assert {*_tasks()} == {*EXERCISES, "levels", "remarks"}
    equations = " ".join(exercise.statement for exercise in EXERCISES.values())
    equations = re.sub(r"\n +", "\n", equations)
    assert not [remark for remark in _tasks()["remarks"] if remark not in equations]


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_says_the_same_in_chinese(name):
    english, chinese = (exercises.show(name, language=language) for language in ("en", "zh"))
    assert f"def {name}(" in chinese and chinese.endswith('language="zh")')
    assert names_and_shapes(english) == names_and_shapes(chinese)
    sentences = re.sub(r"\n.*", "", chinese), chinese.split("\n\n")[-2]
    assert all(CHINESE.search(text) and text.endswith("。") for text in sentences)
    hints = [exercises.hint(name, language=language) for language in ("en", "zh")]
    assert CHINESE.search(hints[1]) and hints[1].endswith(("。", "？"))
    assert names_and_shapes(hints[0]) == names_and_shapes(hints[1])
    assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", chinese + hints[1])


def test_the_table_of_exercises_in_chinese():
    table = exercises.table(language="zh")
    assert str(table).splitlines()[0].split() == ["名称", "难度", "任务"]
    assert [row[0] for row in table.rows] == [*EXERCISES]
    assert table.rows[0][1:] == ("一行", "把任何数压到 (0, 1) 之间。")


def test_a_mistake_is_named_in_chinese():
    result = check("sigmoid", lambda x: 1 / (1 + np.exp(x)))
    assert result.language == "zh" and result.mistake.name == "sigmoid_sign_forgotten"
    assert result.verdicts[0].verdict == "wrong"  # data, the same in every language
    assert str(result).splitlines() == [
        "sigmoid：还不对（4 组测试中通过 0 组）。",
        f"  output  错误  0.0 位一致  {result.verdicts[0].note}",
        "你的结果正是这样错出来的：exp(-x) 里漏了负号。  [sigmoid_sign_forgotten]",
        '提示：kerasllm.exercises.hint("sigmoid", language="zh")',
    ]
    assert re.fullmatch(
        r"应为 \S+，你的是 \S+，位置 \[0, 0\]（测试：x 的形状为 \(3, 5\)）",
        result.verdicts[0].note,
    )
    assert "你的结果正是这样错出来的" in result._repr_html_()


def test_right_is_said_in_chinese():
    assert str(check("sigmoid", lambda x: 1 / (1 + np.exp(-x)))) == (
        "sigmoid：全对，4 组测试都通过。"
    )


def test_two_mistakes_and_the_first_wrong_step():
    def normed(x, gamma, beta, epsilon):
        spread = np.sqrt(x.var(-1, keepdims=True, ddof=1)) + epsilon
        return gamma * (x - x.mean(-1, keepdims=True)) / spread + beta

    said = str(check("layer_norm", normed))
    assert "同时犯了两个错" in said and "- 平方和除以了 D - 1，应当除以 D" in said

    def lstm(*weights, **options):
        from kerasllm import reference

        output, _ = reference.lstm(*weights, **options)
        if options.get("return_sequences"):
            output[:, 3:] += 0.5
        return output

    said = str(check("lstm", lstm))
    assert "最早出错的时间步：3（共 0…4）；应为" in said and "；" in said and "其余都对。" in said


@pytest.mark.parametrize(("function", "said"), [
    (lambda x: None, "返回了 None"),
    (lambda x: x / undefined, "抛出了 NameError: name 'undefined'"),  # noqa: F821
    (lambda x: x.__iadd__(1), "就地修改了参数 x"),
    (lambda x: "half", "output 应是数"),
    (lambda x: 3 / (1 + np.exp(-x)), "正确结果的 3 倍"),
    (lambda x, y: x, "函数应写成 (x)："),
    (lambda x: os._exit(3), "退出了（状态码 3）"),
    (lambda x: {"a": x}, "返回的名字是 a"),
])  # fmt: skip
def test_problems_are_explained_in_chinese(function, said):
    result = check("sigmoid", function)
    assert not result.ok and said in str(result)


def test_the_child_and_the_thread_speak_it_too(monkeypatch):
    said = check("sigmoid", lambda x: time.sleep(9), time_limit=0.05).problem
    assert "0.05 秒内没有结束" in said and "（测试：" in said
    monkeypatch.setattr(running.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert "返回了 None" in check("sigmoid", lambda x: None).problem


def test_the_environment_chooses_and_the_language_ends_with_the_check(monkeypatch, capsys):
    monkeypatch.setenv("KERASLLM_LANGUAGE", "zh")
    exercises.check("sigmoid", lambda x: 1 / (1 + np.exp(-x)))
    assert capsys.readouterr().out == "sigmoid：全对，4 组测试都通过。\n"
    assert "not yet" in str(check("sigmoid", lambda x: x, language="en"))
    assert say("close") == "close"
    with pytest.raises(ValueError, match="expected language to be one of"):
        check("sigmoid", lambda x: x, language="fr")


def test_a_whole_answer_is_shown_in_the_language_of_its_check():
    result = check("sigmoid", lambda x: print("hello") or x)
    with speaking("en"):
        assert "它打印了：\n  hello" in str(result)
