"""What `quickstart` found: in one sentence, on a page, and what to try next."""

from pathlib import Path

from kerasllm import plots
from kerasllm.explorer import explore
from kerasllm.recipes.shared.report import Code, Link, Picture, write_report
from kerasllm.training.experiments.label_efficiency import summary
from kerasllm.utils.tables import Table

PROMPT = "Returns the"
EXAMPLE = "Fit the model to the training data."
_METHODS = {
    "lstm": "the pretrained LSTM, fine-tuned",
    "embeddings": "its embeddings averaged, without the LSTM, fine-tuned",
    "scratch": "the same LSTM from scratch",
    "latent_semantic": "latent semantic analysis",
    "linear": "TF-IDF and logistic regression",
    "majority": "always the commonest class",
}

_NAMES = {"lstm": "pretrained LSTM", "embeddings": "averaged embeddings", "scratch": "from scratch"}


def verdict(result):
    """Say for each number of labels which method is the best, and what all others score."""
    parts = []
    for count in sorted({row["labels"] for row in result["summary"]}):
        rows = [row for row in result["summary"] if row["labels"] == count]
        rows = sorted(rows, key=lambda row: -row["accuracy"])
        scores = [f"{_METHODS[row['method']]}, {row['accuracy']:.3f}" for row in rows]
        parts.append(f"With {count} labels the best is {scores[0]}; then {'; '.join(scores[1:])}.")
    return "\n".join(parts)


def bits(language):
    """Say how well the language model predicts held-out text, beside gzip and Kneser-Ney."""
    others = language["baselines"]
    own, packed, ngrams = (
        scores["bits_per_byte"]
        for scores in (language["model"], others["gzip"], others["kneser_ney"])
    )
    than = {
        (True, True): "fewer than both",
        (True, False): "fewer than gzip alone",
        (False, True): "more than gzip",
        (False, False): "more than both",
    }[own < packed, own < ngrams]
    return (
        f"The language model needs {own:.2f} bits a byte of held-out text, gzip {packed:.2f}, "
        f"Kneser-Ney 5-grams {ngrams:.2f}: {than}."
    )


def next_commands(output):
    """Return what to try next."""
    return (
        f'kerasllm predict {output}/finetuned "{EXAMPLE}"',
        f'kerasllm generate {output}/pretrained "{PROMPT}" --temperature 0.6',
        f'kerasllm explore {output}/pretrained "{PROMPT}"',
        f"kerasllm payoff {output}/pretrained topic_en --label-counts 100",
        "kerasllm pretrain YOUR_TEXT.txt && kerasllm finetune runs/pretrained YOUR_LABELS.csv",
    )


def write_page(output, run, tuned, result, scores, language, sample, seconds):
    """Write `report.html`, and return its path.

    Args:
        output: its folder.
        run: the pretrained `Run`.
        tuned: the `Run` of the classifier.
        result: of `payoff`.
        scores: of the classifier.
        language: scores of the language model.
        sample: a text of the language model.
        seconds: that all of it took.
    """
    table = [
        [_METHODS[row["method"]], row["labels"], row["accuracy"], row["sd"]]
        for row in sorted(summary(result["rows"]), key=lambda r: (r["labels"], -r["accuracy"]))
    ]
    points = [
        {**row, "method": _NAMES.get(row["method"], row["method"]), "score": row["accuracy"]}
        for row in result["rows"]
    ]
    labels = max(row["labels"] for row in result["rows"])
    accuracy, interval = scores["model"]["accuracy"], scores["interval"]["accuracy"]
    sections = [
        (
            "What was done",
            [
                "A small LSTM language model was pretrained on docstrings of the libraries "
                "installed here, and fine-tuned to name the library that a docstring comes from; "
                "library names are masked in the text. What the classifier reads is the mean of "
                "the LSTM's features over the text. Beside it, fitted to exactly the same labelled "
                "rows: a classifier that reads the embeddings of the same pretraining, averaged, "
                "and not the LSTM; the same LSTM from scratch; a linear model; and latent semantic "
                "analysis. All are scored on the same test rows, which took no part in any choice.",
                *verdict(result).split("\n"),
            ],
        ),
        (
            "What pretraining pays",
            [
                Table(["method", "labels", "accuracy", "sd over draws"], table),
                "Accuracy is the share of test rows that got the right library. The sd says how "
                "far it moves when other rows are drawn for labels: do not trust a difference that "
                "is smaller.",
                Picture(plots.payoff(points), "Accuracy against the number of labels"),
            ],
        ),
        (
            "The language model",
            [
                Picture(run.path / "figures" / "learning_curves.png", "Pretraining"),
                bits(language),
                "A bit is a question answered by yes or no: a model that needs fewer of them for "
                "each byte of text that it has not seen predicts it better. gzip has learned "
                "nothing before; the n-grams were counted on the text that the network learned "
                "from, of which it read a part once.",
                Code(sample, f"A sample after {PROMPT!r}: grammar before sense, at this size"),
            ],
        ),
        (
            "One classifier",
            [
                f"Fine-tuned with {labels} labels: accuracy {accuracy:.3f} (95 % interval "
                f"{interval[0]:.3f} to {interval[1]:.3f}).",
                # Of data that were given by hand, the figure has their name behind its own.
                Picture(
                    next((tuned.path / "figures").glob("confusion_matrix*.png")), "Confusion matrix"
                ),
                Link(
                    explore(tuned, [EXAMPLE], Path(output) / "explorer.html").name,
                    "See every number inside of it, and change one",
                ),
            ],
        ),
        (
            "What to do next",
            [Code("\n".join(next_commands(output)), f"All of this took {seconds:.0f} s.")],
        ),
    ]
    return write_report(output, "kerasllm quickstart", sections)
