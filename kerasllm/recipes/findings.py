"""What `quickstart` found: in one sentence, on a page, and what to try next."""

from pathlib import Path

from kerasllm import plots
from kerasllm.explorer import explore
from kerasllm.recipes.report import Code, Link, Picture, write_report
from kerasllm.training.experiments.label_efficiency import summary
from kerasllm.utils.tables import Table

PROMPT = "Returns the"
EXAMPLE = "Fit the model to the training data."
_METHODS = {
    "full": "pretrained, fine-tuned",
    "scratch": "the same network from scratch",
    "latent_semantic": "latent semantic analysis",
    "linear": "TF-IDF and logistic regression",
    "majority": "always the commonest class",
}


def verdict(result):
    """Say what the table says, whichever way it went."""
    cells = {(r["method"], r["labels"]): r["accuracy"] for r in result["summary"]}
    parts = []
    for count in sorted({labels for _, labels in cells}):
        tuned, scratch, lsa = (
            cells[name, count] for name in ("full", "scratch", "latent_semantic")
        )
        parts.append(
            f"With {count} labels the pretrained network scores {tuned:.3f}, from scratch "
            f"{scratch:.3f}, latent semantic analysis {lsa:.3f}."
        )
    return " ".join(parts)


def next_commands(output):
    """Return what to try next."""
    return (
        f'kerasllm predict {output}/finetuned "{EXAMPLE}"',
        f'kerasllm generate {output}/pretrained "{PROMPT}" --temperature 0.6',
        f'kerasllm explore {output}/pretrained "{PROMPT}"',
        f"kerasllm payoff {output}/pretrained topic_en --label-counts 100",
        "kerasllm pretrain YOUR_TEXT.txt && kerasllm finetune runs/pretrained YOUR_LABELS.csv",
    )


def write_page(output, run, tuned, result, scores, sample, seconds):
    """Write `report.html`, and return its path.

    Args:
        output: its folder.
        run: the pretrained `Run`.
        tuned: the `Run` of the classifier.
        result: of `payoff`.
        scores: of the classifier.
        sample: a text of the language model.
        seconds: that all of it took.
    """
    table = [
        [_METHODS.get(row["method"], row["method"]), row["labels"], row["accuracy"], row["sd"]]
        for row in sorted(summary(result["rows"]), key=lambda r: (r["labels"], -r["accuracy"]))
    ]
    points = [{**row, "score": row["accuracy"]} for row in result["rows"]]
    labels = max(row["labels"] for row in result["rows"])
    accuracy, interval = scores["model"]["accuracy"], scores["interval"]["accuracy"]
    sections = [
        (
            "What was done",
            [
                "A small LSTM language model was pretrained on docstrings of the libraries "
                "installed here, and fine-tuned to name the library that a docstring comes from; "
                "library names are masked in the text. The same network was also trained from "
                "scratch, and a linear model and latent semantic analysis were fitted to exactly "
                "the same labelled rows. All are scored on the same test rows, which took no part "
                "in any choice.",
                verdict(result),
            ],
        ),
        (
            "What pretraining pays",
            [
                Table(["method", "labels", "accuracy", "sd over draws"], table),
                Picture(plots.payoff(points), "Accuracy against the number of labels"),
            ],
        ),
        (
            "The language model",
            [
                Picture(run.path / "figures" / "learning_curves.png", "Pretraining"),
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
