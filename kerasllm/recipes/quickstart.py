"""From bare text to a classifier that pretraining made better, in minutes and without network.

1. Pretrain a small LSTM language model on docstrings of the installed libraries. Beside the next
   token its features learn which two spans belong to one text: the next token alone teaches grammar
   first and topics late, and gains little on this task.
2. With 100 and 300 labels, name the library that a docstring comes from. The classifier reads the
   features of the LSTM; beside it stand a classifier that reads the averaged embeddings of the same
   pretraining, the same network from scratch, a linear model and latent semantic analysis, over
   several draws of the labels.
3. Score the language model beside gzip and Kneser-Ney, and write a sample, figures and
   `report.html`, which says who won.
"""

import dataclasses
import time
from pathlib import Path

from kerasllm import datasets
from kerasllm.recipes.shared import findings
from kerasllm.training import (
    ClassificationSettings,
    PretrainSettings,
    evaluate,
    finetune,
    generate,
    payoff,
    pretrain,
)
from kerasllm.training.engine.progress import Progress
from kerasllm.training.experiments.label_efficiency import draw
from kerasllm.training.run_folder.folder import check_free
from kerasllm.training.settings.base import resolve
from kerasllm.utils.errors import writing

LABELS = (100, 300)
DRAWS = 3

# Chosen on the validation split; the test split was scored once, with these. An embedding is moved
# by the few tokens that it stands for: it learns at three times the rate of the LSTM above it.
PRETRAINING = PretrainSettings(
    objective="contrastive",
    pooling="mean",
    layer=-1,
    hidden_dim=128,
    units=128,
    num_layers=1,
    residual=True,
    lowercase=True,
    vocabulary_size=8000,
    length=64,
    batch_size=16,
    contrast_batch=128,
    temperature=0.1,
    steps=400,
    learning_rate=3e-3,
    discriminative=1 / 3,
    weight_decay=0.0,
    eval_every=100,
)
LSTM = ClassificationSettings(
    layer=-1,
    head_epochs=20.0,
    epochs=10.0,
    learning_rate=3e-4,
    dropout=0.5,
    batch_size=32,
    length=96,
    keep_best=False,
)
EMBEDDINGS = dataclasses.replace(LSTM, layer=0, learning_rate=3e-3)
SCRATCH = dataclasses.replace(LSTM, learning_rate=3e-3, dropout=0.1, head_epochs=0.0, epochs=15.0)
NETWORKS = {"lstm": LSTM, "embeddings": EMBEDDINGS, "scratch": SCRATCH}


def quickstart(output="runs/quickstart", *, seed=0, draws=DRAWS, overwrite=False, quiet=False):
    """Pretrain, fine-tune, compare, generate, and write a report.

    Args:
        output: folder for the runs and the report.
        seed: of the pretraining.
        draws: how often the labelled rows are drawn anew.
        overwrite: lose what an earlier call left in the folder.
        quiet: print nothing.

    Returns:
        Path of `report.html`.
    """
    made = ("report.html", "pretrained/config.json", "finetuned/config.json")
    check_free(output, overwrite, results=made)
    resolve(type(PRETRAINING), PRETRAINING, seed=seed)  # which refuses a seed that is none
    with writing(f"the folder {output}"):
        Path(output).mkdir(parents=True, exist_ok=True)
    began, output, say = time.perf_counter(), Path(output), Progress(quiet).say
    say("1/4  Reading docstrings of the installed libraries (no network)")
    unlabelled = datasets.load("docstrings", split="unlabelled")
    train, validation, test = (
        datasets.load("docstrings", split=name) for name in ("train", "validation", "test")
    )
    say(f"     {len(unlabelled):,} texts; {len(train.labels)} libraries to tell apart")
    say("2/4  Pretraining: the next token, and which spans belong together")
    run = pretrain(
        "docstrings",
        output / "pretrained",
        settings=PRETRAINING,
        seed=seed,
        overwrite=True,
        quiet=quiet,
    )
    say(f"3/4  Fine-tuning with {LABELS[0]} and {LABELS[1]} labels, {draws} draws each")
    result = payoff(
        run,
        (train, validation, test),
        output / "payoff",
        label_counts=LABELS,
        methods=tuple(NETWORKS),
        seeds=draws,
        settings=NETWORKS,
        unlabelled=unlabelled.texts,
        overwrite=True,
        quiet=quiet,
    )
    say("4/4  One classifier to keep, the language model's scores, a sample, and the report")
    rows = draw(train, LABELS[-1], 0)
    kept = {"settings": LSTM, "overwrite": True, "quiet": True}
    tuned = finetune(run, (rows, validation), output / "finetuned", **kept)
    scores = evaluate(tuned, test, with_baselines=False, quiet=True)
    language = evaluate(run, quiet=True)
    sample = generate(run, findings.PROMPT, max_new_tokens=60, temperature=0.6, seed=seed)
    seconds = time.perf_counter() - began
    page = findings.write_page(output, run, tuned, result, scores, language, sample, seconds)
    say(f"\n{findings.verdict(result)}\n{findings.bits(language)}", style="bold")
    say(f"Sample: {sample!r}")
    say(f"\nDone in {seconds:.0f} s. Open {page} in a browser. Then try:")
    for command in findings.next_commands(output):
        say(f"  {command}")
    return page
