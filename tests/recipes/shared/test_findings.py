"""What quickstart says of what it found, whichever way it went."""

import pytest

from kerasllm.recipes.quickstart import NETWORKS
from kerasllm.recipes.shared import findings
from kerasllm.training.experiments.label_efficiency import BASELINES


def rows(labels, **accuracy):
    return [{"method": m, "labels": labels, "accuracy": a} for m, a in accuracy.items()]


def test_the_best_is_named_and_nothing_is_left_out():
    summary = rows(100, majority=0.3, lstm=0.25, linear=0.5) + rows(300, linear=0.6, lstm=0.75)
    first, second = findings.verdict({"summary": summary}).splitlines()
    assert first == (
        "With 100 labels the best is TF-IDF and logistic regression, 0.500; then always the "
        "commonest class, 0.300; the pretrained LSTM, fine-tuned, 0.250."
    )
    assert second.startswith("With 300 labels the best is the pretrained LSTM, fine-tuned, 0.750;")


def test_every_method_of_quickstart_has_its_name():
    assert set(findings._METHODS) == {*NETWORKS, *BASELINES}


@pytest.mark.parametrize(
    ("own", "packed", "ngrams", "said"),
    [(1.0, 2.0, 1.5, "fewer than both"), (1.7, 2.0, 1.5, "fewer than gzip alone"),
     (2.5, 2.0, 3.0, "more than gzip"), (2.5, 2.0, 1.5, "more than both")],
)  # fmt: skip
def test_bits_are_compared_with_gzip_and_with_n_grams(own, packed, ngrams, said):
    names = {"gzip": packed, "kneser_ney": ngrams}
    baselines = {name: {"bits_per_byte": bits} for name, bits in names.items()}
    line = findings.bits({"model": {"bits_per_byte": own}, "baselines": baselines})
    assert line.endswith(f"{said}.")
    assert f"{own:.2f} bits a byte" in line
