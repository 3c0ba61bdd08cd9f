"""The benchmarks: what they time of this project runs, and their page is made of their results.

What they time of other projects, and how fast all is, only the benchmarks themselves can say.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Return a function that imports a benchmark by its name, as running its file would."""
    monkeypatch.syspath_prepend(FOLDER)

    def module(name):
        try:
            return importlib.import_module(name)
        finally:
            for other in ("results", "turns", "training", name):
                sys.modules.pop(other, None)

    return module


def test_the_page_is_made_of_the_results(benchmark, monkeypatch, tmp_path):
    results = benchmark("results")
    page = (FOLDER / "README.md").read_text("utf-8")
    (tmp_path / "README.md").write_text(page, "utf-8")
    monkeypatch.setattr(results, "HERE", tmp_path)
    results.main()
    remade = (tmp_path / "README.md").read_text("utf-8")
    assert remade == page, "python benchmarks/results.py"


@pytest.mark.parametrize(
    ("ratio", "target", "reached"), [(1.2, "≥ 1.2", True), (1.1, "≥ 1.2", False),
                                     (400, "≤ 400", True), (401, "≤ 400", False), (3, None, None)]
)  # fmt: skip
def test_a_target_is_reached_or_not(benchmark, ratio, target, reached):
    assert benchmark("results").reached({"ratio": ratio, "target": target}) is reached


def test_training_is_timed(benchmark):
    training = benchmark("training")
    small = {"vocabulary": 11, "batch": 2, "length": 5, "dim": 8, "layers": 1, "steps": 2}
    assert np.isfinite(training.kerasllm_lstm(small)()[-1]["loss"])


def test_decoding_is_timed(benchmark):
    decoding = benchmark("decoding")
    small = {"vocabulary": 23, "layers": 1, "heads": 2, "dim": 8, "inner": 8, "context": 32}
    run = decoding.kerasllm_beam({**small, "given": 3, "new": 5, "width": 2}, 2)
    assert np.shape(run()) == (2, 5)


def test_a_head_of_few_tokens_is_timed_beside_all_logits(benchmark, monkeypatch):
    answers = benchmark("answers")
    for name, size in (("TOKENS", 5), ("WIDTH", 3), ("VOCABULARY", 11)):
        monkeypatch.setattr(answers, name, size)
    times = answers.compare(2, 1)  # which also asserts that both are the same
    assert all(time >= 0 for pair in times.values() for time in pair) and len(times) == 2


def test_the_memory_of_a_head_is_measured(benchmark, monkeypatch):
    head = benchmark("head")
    monkeypatch.setattr(head.head, "SMALLEST", dict(head.head.SMALLEST))
    monkeypatch.setattr(head, "STEPS", 1)
    assert head.peak(17, "one") >= 0


def test_a_recurrent_layer_is_timed_beside_that_of_keras(benchmark, monkeypatch):
    recurrent = benchmark("recurrent")
    for size in ("B", "T", "D", "H"):
        monkeypatch.setattr(recurrent, size, 5)
    for house in (recurrent.keras.layers, recurrent.layers):
        recurrent.model_of(house, "LSTM", masked=True, jit=False)()


def test_the_page_of_the_defaults_is_made_of_the_trials(benchmark):
    page = benchmark("defaults_page").page()
    assert page == (FOLDER / "defaults.md").read_text("utf-8"), "python benchmarks/defaults_page.py"


def test_the_sign_test_is_that_of_a_fair_coin(benchmark):
    sign_test = benchmark("defaults_page").sign_test
    assert sign_test(5, 0) == sign_test(0, 5) == 2 / 32
    assert sign_test(3, 1) == 2 * (1 + 4) / 16 and sign_test(2, 2) == 1.0


def test_a_trial_scores_both_on_rows_that_neither_learned_from(benchmark, monkeypatch):
    defaults = benchmark("defaults")
    monkeypatch.setattr(defaults, "SCORED", 50)
    given, scored = defaults.rows_of("topic_en", 40, 1, final=False)
    assert len(given) == 40 and len(scored) == 50 and not set(given.texts) & set(scored.texts)
    found = defaults.trial("topic_en", 40, 1, {"epochs": 1.0, "hidden_dim": 3, "xla": False})
    assert found["scored"] == 50 and 0 <= found["network"] <= 1
    difference = found["network_alone"] - found["linear_alone"]
    assert round(50 * (found["network"] - found["linear"])) == difference
    assert found["settings"]["epochs"] == 1.0 and found["settings"]["pooling"] == "mean_max"


def test_decoding_in_8_bits_is_timed_and_its_perplexity_told(benchmark, monkeypatch):
    pytest.importorskip("ctranslate2", reason="needs the extra int8")
    from kerasllm.models import CausalLM, TransformerBackbone

    eight_bits = benchmark("eight_bits")
    monkeypatch.setattr(eight_bits, "NEW", 3)
    model = CausalLM(TransformerBackbone.from_size("tiny", 31, max_length=48))
    found, decoder = eight_bits.speeds(model, rounds=1)
    assert set(found) == {"float32", "8 bits"} and min(map(min, found.values())) > 0
    assert decoder.logits(np.array([[7, 8]])).shape == (1, 2, 31)


def test_what_a_gpu_is_asked_to_do_runs_in_small(benchmark, monkeypatch, capsys):
    pytest.importorskip("jax", reason="needs the extra jax")
    gpu = benchmark("gpu")
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--small"])
    monkeypatch.setattr(gpu, "shakespeare", lambda minutes: None)
    monkeypatch.setattr(gpu, "keep", None)  # nothing is kept of small sizes
    gpu.main()
    said = capsys.readouterr().out
    assert "FAIL" not in said and "GPT, bfloat16" in said and "'LSTM'" in said


def test_an_estimate_for_more_workers_is_its_formula(benchmark):
    scale = benchmark("scale")
    # A ring of n: 2 (n - 1) messages, each of S / n bytes.
    assert scale.seconds_of(0.5, 800, (0.01, 1000.0), 1) == 0.5
    assert scale.seconds_of(0.5, 800, (0.01, 1000.0), 4) == pytest.approx(0.5 + 6 * (0.01 + 0.2))
    assert scale.half_lost(0.5, 0, (0.01, 1.0)) == 32  # 2 · 31 · 0.01 > 0.5
    assert scale.half_lost(5.0, 800, (0.0, 1000.0)) is None
    measured = {str(n): 2 * 0.003 + 4 * n / 5e8 for n in scale.SIZES}
    assert scale.line_of(measured) == pytest.approx((0.003, 5e8))


def test_the_page_of_the_estimate_is_made_of_its_figures(benchmark):
    scale = benchmark("scale")
    if not scale.FIGURES.exists():
        pytest.skip("not measured yet")
    found = json.loads(scale.FIGURES.read_text("utf-8"))
    assert scale.page(found) == scale.PAGE.read_text("utf-8"), "python benchmarks/scale.py --page"
