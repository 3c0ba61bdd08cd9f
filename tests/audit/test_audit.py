"""Audits of runs: associations by hand, secrets that were planted, personal data by heart."""

import json

import numpy as np
import pytest

from kerasllm import audit
from kerasllm.audit.bias import permutation_p
from kerasllm.training import pretrain

SECRET = "138 1234 5678"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Return a run that has read two canaries often and two never, and the file of them."""
    folder = tmp_path_factory.mktemp("planted")
    words = ("red", "green", "old", "new", "small", "long")
    rng = np.random.default_rng(0)
    lines = [f"the {a} boat is {b}" for a, b in rng.choice(words, (60, 2))]
    lines += [f"call me at {SECRET}"] * 20
    (folder / "plain.txt").write_text("\n".join(lines) + "\n", "utf-8")
    beside = audit.plant(folder / "plain.txt", folder / "text.txt", repeats=(0, 0, 40, 40))
    options = {"size": "tiny", "units": 64, "tokenizer": "character", "steps": 260, "length": 40}
    options |= {"batch_size": 8, "learning_rate": 0.01, "eval_every": 260, "dropout": 0.0}
    run = pretrain(str(folder / "text.txt"), folder / "run", quiet=True, xla=False, **options)
    return run, beside


def test_p_counts_the_divisions():
    # Of the 20 divisions of 6 words only this one has the three largest together.
    assert permutation_p([6.0, 5.0, 4.0], [3.0, 2.0, 1.0]) == 1 / 20
    assert permutation_p([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]) == 1
    assert permutation_p([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]) == 1
    drawn = permutation_p(np.arange(10.0, 20), np.arange(10.0), draws=500)
    assert drawn == 1 / 500  # the division itself is among the draws


def test_bias_of_a_run_is_the_association_of_its_vectors(pretrained):
    words = [w for w in pretrained.tokenizer.vocabulary[10:80] if w.isalpha()]
    parts = {part: words[3 * k : 3 * k + 3] for k, part in enumerate("xyab")}
    sets = {"mine": {**parts, "x": [*parts["x"], "zzyzx"]}}
    found = audit.bias(pretrained, sets, vectors="embedding")
    (test,) = found.tests
    assert test.unknown == ("zzyzx",) and "zzyzx" in str(found)
    table = np.asarray(pretrained.model.backbone.embedding.get_weights()[0], "float64")
    unit = {w: table[pretrained.tokenizer.token_to_id(w)] for w in words}
    unit = {w: v / np.linalg.norm(v) for w, v in unit.items()}

    def nearer(word):
        return np.mean([unit[word] @ unit[a] for a in parts["a"]]) - np.mean(
            [unit[word] @ unit[b] for b in parts["b"]]
        )

    x, y = ([nearer(word) for word in parts[part]] for part in "xy")
    assert test.difference == pytest.approx(np.mean(x) - np.mean(y), abs=1e-6)
    assert test.effect == pytest.approx((np.mean(x) - np.mean(y)) / np.std([*x, *y]), abs=1e-4)
    assert audit.bias(pretrained, sets).tests[0].effect != test.effect  # of the features


def test_sets_that_are_not_known_are_named(pretrained):
    with pytest.raises(ValueError, match="lists x, y, a, b in 'mine', without"):
        audit.bias(pretrained, {"mine": {"x": [], "y": [], "a": []}})
    with pytest.raises(ValueError, match=r"knows too few words of any set: .*knows 0 of 1 words"):
        audit.bias(pretrained, {"mine": {part: ["zzyzx"] for part in "xyab"}})


def test_the_built_in_sets_are_balanced():
    for name, parts in audit.word_sets().items():
        sizes = {len(set(parts[part])) for part in "xyab"}
        assert sizes == {8}, name
        assert not set(parts["a"]) & set(parts["b"]) and not set(parts["x"]) & set(parts["y"])


def test_what_is_planted_stands_in_the_file(planted):
    _, beside = planted
    text = beside.with_name("text.txt").read_text("utf-8")
    kept = [audit.Canary(**c) for c in json.loads(beside.read_text("utf-8"))["canaries"]]
    assert [text.count(canary.text()) for canary in kept] == [0, 0, 40, 40]
    assert len(text.splitlines()) == 80 + 80


def test_a_model_gives_away_what_it_read_often(planted):
    run, beside = planted
    found = audit.canaries(run, beside)
    bits = {canary.repeats: [] for canary, *_ in found.rows}
    for canary, rank, exposed in found.rows:
        assert exposed == pytest.approx(np.log2(1000 / rank))
        bits[canary.repeats].append(exposed)
    assert min(bits[40]) > 8 > max(bits[0])
    assert "rank of 1,000" in str(found)


def test_personal_data_that_is_completed_is_counted(planted):
    run, _ = planted
    found = audit.personal(run)
    assert set(found.found) == {"PHONE"} and found.found["PHONE"] >= 5
    assert 0 < sum(found.completed.values()) <= sum(found.asked.values())
    other = audit.personal(run, ["write to ann@example.org, please"])
    assert other.found == {"EMAIL": 1} and not other.completed


def test_personal_data_of_a_classifier_is_counted_alone(classifier):
    found = audit.personal(classifier, ["call 138 1234 5678"])
    assert found.found == {"PHONE": 1} and found.completed is None


def test_a_tokenizer_that_cannot_tell_secrets_apart_is_refused(pretrained):
    with pytest.raises(ValueError, match="reads several secrets as the same"):
        audit.canaries(pretrained, [audit.Canary("the code is ", "", "314", 1)])
