"""The default settings on small files: networks from scratch beside the linear baseline.

    python benchmarks/defaults.py --sets sst2_sentence ag_news --rows 600 3000 --seeds 3
    python benchmarks/defaults.py --sets conll2003 --rows 150 600 --trial tagger
    python benchmarks/defaults.py --trial recurrent --settings '{"backbone": "recurrent"}'
    python benchmarks/defaults.py --final                 # sets that no search has seen

A file of so many rows is drawn from the training split of a set, another one for each seed, and
trained on as a person's own file is: a tenth of it validates. Both are scored on other rows. In the
search these are rows of the training split too, so that no test row chooses a setting; `--final`
scores rows of the test split, of other sets. The baseline learns from the same rows. Results are
kept in `benchmarks/results/defaults/TRIAL.json`, and `--page` makes `benchmarks/defaults.md` of
them.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import kerasllm
from kerasllm import baselines, datasets

SEARCH = ("sst2_sentence", "ag_news", "thucnews", "chnsenticorp_htl", "sms_spam")
FINAL = ("subjectivity", "nps_chat", "waimai_10k", "online_shopping_10_cats")
SCORED = 1000  # rows that both are scored on
FOLDER = Path(__file__).parent / "results" / "defaults"


def rows_of(name, rows, seed, final):
    """Return (rows to train on, rows to score), both drawn by the seed; scored ones are others."""
    train = datasets.load(name, split="train")
    order = np.random.default_rng(seed).permutation(len(train))
    scored = train.select(order[:SCORED], split="validation")
    if final:
        test = datasets.load(name, split="test")
        drawn = np.random.default_rng(0).permutation(len(test))[:SCORED]  # of every seed
        scored = test.select(drawn, split="test")
    return train.select(order[SCORED : SCORED + rows], split="train"), scored


def trial(name, rows, seed, settings, final=False):
    """Train on one file, and return how network and baselines did on the rows scored."""
    given, scored = rows_of(name, rows, seed, final)
    parts = datasets.split(given, (0.9, 0.1))  # as `train` divides one data set
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = kerasllm.train(parts, Path(folder) / "run", quiet=True, seed=seed, **settings)
        seconds = time.perf_counter() - began
        found = (tags if scored.task == "tagging" else classes)(run, scored, parts[0])
        kept, used = run.metrics["kept"], run.settings
    keras.backend.clear_session()
    return {
        "set": name, "rows": rows, "seed": seed, "scored": len(scored), **found,
        "seconds": round(seconds, 1), "kept": kept,
        "settings": {n: v for n, v in used.items() if n in TOLD},
    }  # fmt: skip


def classes(run, scored, train):
    """Return the accuracies of both, and on how many rows one of them alone is right."""
    answers = [row["label"] for row in run.predict(list(scored.texts))]
    linear = baselines.linear(train, scored)
    right = np.array(answers) == np.array(scored.labels_of)
    theirs = np.array(linear.labels)[linear.predicted] == np.array(scored.labels_of)
    return {
        "measure": "accuracy", "network": float(right.mean()), "linear": float(theirs.mean()),
        "network_alone": int((right & ~theirs).sum()), "linear_alone": int((theirs & ~right).sum()),
    }  # fmt: skip


def tags(run, scored, train):
    """Return the F1 of entities, of the network and of the best baseline."""
    found = run.model.evaluation(scored, train)
    others = {name: scores["f1"] for name, scores in found["baselines"].items()}
    best = max(others, key=others.get)
    return {
        "measure": "F1", "network": found["model"]["f1"], "linear": others["linear"],
        "best": best, "best_score": others[best],
    }  # fmt: skip


TOLD = ("backbone", "tokenizer", "learning_rate", "units", "batch_size", "epochs", "dropout",
        "backbone_dropout", "pooling", "pairs", "lowercase", "word_dropout", "metric")  # fmt: skip


def main():
    """Run the trials, print a line each, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--rows", nargs="+", type=int, default=[600, 3000])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--trial", default="default", help="name of these settings")
    parser.add_argument("--final", action="store_true", help="test rows of sets not searched on")
    given = parser.parse_args()
    path = FOLDER / f"{'final' if given.final else given.trial}.json"
    path.parent.mkdir(exist_ok=True)
    kept = json.loads(path.read_text())["trials"] if path.exists() else []
    for name in given.sets or (FINAL if given.final else SEARCH):
        for rows in given.rows:
            for seed in range(given.first_seed, given.first_seed + given.seeds):
                found = trial(name, rows, seed, given.settings, given.final)
                print(json.dumps(found), flush=True)
                same = ("set", "rows", "seed")
                kept = [t for t in kept if [t[k] for k in same] != [found[k] for k in same]]
                kept.append(found)
                content = {"given": given.settings, "trials": kept}
                path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
