"""The pay-off meter: what pretraining is worth, at several numbers of labels, with its spread."""

import dataclasses
import itertools
import json
from functools import partial

import numpy as np

from kerasllm import datasets
from kerasllm.baselines import classification as baselines
from kerasllm.baselines.features import semantic_space
from kerasllm.training.engine.progress import Progress
from kerasllm.training.run_folder.folder import RunFolder, check_free, in_use, weights_hash
from kerasllm.training.run_folder.run import as_run
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.settings.method import METHODS
from kerasllm.training.trainer import trained_task
from kerasllm.utils.errors import check_choice
from kerasllm.utils.tables import Table

BASELINES = ("majority", "linear", "latent_semantic")


def payoff(
    run,
    data,
    output=None,
    *,
    label_counts=(100, 1000),
    methods=("scratch", "frozen", "full", "gradual"),
    seeds=5,
    settings=None,
    unlabelled=None,
    resume=False,
    overwrite=False,
    quiet=False,
    **overrides,
):
    """Compare fine-tuning methods and baselines at several numbers of labels, over several draws.

    For each number of labels and each seed, rows are drawn from the training split; every method
    and every baseline is trained on exactly these, and scored on the whole test split. Weights
    are chosen on validation rows, of which there are as many as training rows at most.

    Args:
        run: run folder or `Run` of `pretrain`.
        data: name of a data set or path of a file, or (train, validation, test). Where the test
            labels of a set are not published, its validation split is the test, and a tenth of
            its training rows the validation.
        output: folder for payoff.json and figures; the run folder's `payoff` when None.
        label_counts: numbers of labelled training rows.
        methods: of "scratch", "frozen", "full", "gradual"; or names of one's own, for which
            `settings` says what they mean.
        seeds: number of draws.
        settings: `ClassificationSettings`, or {name: settings}; the defaults when None. The
            settings of a name that is no method say their method themselves.
        unlabelled: texts for latent semantic analysis; the training texts when None.
        resume: keep the scores that an earlier call left in payoff.json, and go on after them.
        overwrite: lose the scores that are there already.
        quiet: print nothing.
        **overrides: single settings.

    Returns:
        dict: `rows` (method, labels, seed, accuracy, matthews), `summary` (mean, sd) and `made_of`
        (what a later call must share to resume).

    Raises:
        FileExistsError: the folder holds scores already.
        ValueError: a setting or the data cannot be used, or what was left is of other data,
            weights or settings.
    """
    _check_counts(label_counts, methods, seeds, settings)
    run, report = as_run(run), Progress(quiet)
    output = output or run.path / "payoff"
    check_free(output, overwrite, resume, results=("payoff.json",))
    train, validation, test = _splits(data)
    settings = _settings_by_method(settings, methods, overrides, run, train, report)
    classes = len(train.labels)
    if max(label_counts) > len(train) or min(label_counts) < classes:
        raise ValueError(
            f"expected label_counts from {classes}, one label a class, to {len(train)}, the "
            f"training rows of {train.name}, received {tuple(label_counts)}."
        )
    space = semantic_space(unlabelled or train.texts)
    with in_use(output):
        cells = _Cells(output, run, train, test, settings, resume, report)
        for count, seed in itertools.product(label_counts, range(seeds)):
            drawn = draw(train, count, seed)
            held = draw(validation, min(count, len(validation)), seed)
            for method, score in _scorers(run, drawn, held, test, space, settings, seed).items():
                cells.fill(method, count, seed, score)
            report.say(f"  {count} labels, draw {seed + 1}: {cells.line(count, seed)}")
        report.result(table_of(cells.result))
        with report.despite("the figure"):
            _draw(cells.folder, cells.rows)
    return cells.result


def _check_counts(label_counts, methods, seeds, settings):
    """Raise for numbers and methods that nothing can be measured with."""
    for method in methods:
        if method in BASELINES:
            raise ValueError(f"{method!r} is a baseline, which is always there: use another name.")
        if not (isinstance(settings, dict) and method in settings):
            check_choice("method", method, METHODS)
    if not (methods and label_counts and seeds >= 1):
        raise ValueError(
            "expected at least one method, one number of labels and one draw, received "
            f"methods={tuple(methods)}, label_counts={tuple(label_counts)}, seeds={seeds}."
        )


def _scorers(run, drawn, held, test, space, settings, seed):
    """Return {method: () -> scores on the test rows}, the baselines first."""

    def network(chosen):
        examples = ClassificationSettings.examples(drawn, held)
        return trained_task(chosen, examples, run).evaluation(test)["model"]

    return {
        "majority": lambda: baselines.majority(drawn, test).metrics,
        "linear": lambda: baselines.linear(drawn, test).metrics,
        "latent_semantic": lambda: baselines.latent_semantic(drawn, test, space).metrics,
    } | {
        name: partial(network, dataclasses.replace(chosen, seed=seed))
        for name, chosen in settings.items()
    }


class _Cells:
    """The scores of each method, number of labels and draw; kept in payoff.json one by one."""

    def __init__(self, folder, run, train, test, settings, resume, report):
        self.folder, self.report = RunFolder(folder), report
        (self.folder.path / "figures").mkdir(parents=True, exist_ok=True)
        self.about = {"data": train.name, "test_rows": len(test)}
        self.made_of = {
            "data": [train.fingerprint, test.fingerprint],
            "pretrained_weights": weights_hash(run.model),
            "settings": {m: dataclasses.asdict(s) for m, s in settings.items()},
        }
        self.rows = self._kept() if resume else []

    @property
    def result(self):
        """Return what payoff.json holds."""
        return {
            **self.about, "rows": self.rows, "summary": summary(self.rows), "made_of": self.made_of
        }  # fmt: skip

    def fill(self, method, count, seed, score):
        """Score a cell and write it down, unless it was before."""
        if method not in self._scores(count, seed):
            scores = score()
            found = {name: float(scores[name]) for name in ("accuracy", "matthews")}
            self.rows.append({"method": method, "labels": count, "seed": seed, **found})
            with self.report.despite("the scores so far"):
                self.folder.write_json("payoff.json", self.result)

    def line(self, count, seed):
        """Return the accuracies of a draw on one line."""
        found = self._scores(count, seed)
        return "  ".join(f"{method} {row['accuracy']:.3f}" for method, row in found.items())

    def _scores(self, count, seed):
        rows = [row for row in self.rows if (row["labels"], row["seed"]) == (count, seed)]
        return {row["method"]: row for row in rows}

    def _kept(self):
        """Return the rows that an earlier call left, after making sure that they belong here."""
        path = self.folder.path / "payoff.json"
        if not path.exists():
            return []
        before = self.folder.read_json("payoff.json")
        if changed := _changed(before.get("made_of", {}), json.loads(json.dumps(self.made_of))):
            raise ValueError(
                f"cannot resume {path}: other {', '.join(changed)} than those that it was made "
                "with. Give the same ones, or another --output."
            )
        return before["rows"]


def _changed(before, now):
    """Return the names of what differs; methods of one side only may be added."""
    changed = [name for name in ("data", "pretrained_weights") if before.get(name) != now[name]]
    old, new = before.get("settings", {}), now["settings"]
    return changed + [f"settings of {m}" for m in new if m in old and old[m] != new[m]]


def _settings_by_method(settings, methods, overrides, run, train, report):
    given = settings if isinstance(settings, dict) else dict.fromkeys(methods, settings)
    examples, resolved = ClassificationSettings.examples(train, train), {}
    for method in methods:
        own = {"method": method} if method in METHODS else {}
        chosen = resolve(ClassificationSettings, given[method], **{**overrides, **own})
        chosen.check(run)
        first = method == methods[0] or isinstance(settings, dict)
        resolved[method] = chosen.suited(examples, run, report if first else Progress(quiet=True))
    return resolved


def draw(dataset, count, seed):
    """Draw `count` rows with the same share of each class as in the whole, every class present.

    Draws of one seed are nested: a larger one holds the smaller ones.
    """
    if count >= len(dataset):
        return dataset
    rng, ids = np.random.default_rng(seed), dataset.label_ids
    classes = np.unique(ids)
    if count < len(classes):
        raise ValueError(f"expected at least a label a class ({len(classes)}), received {count}.")
    rank = np.empty(len(ids))  # a class of n rows: 1/2n, 3/2n, ...; its first row before all others
    for label in classes:
        rows = rng.permutation(np.flatnonzero(ids == label))
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        rank[rows[0]] = -1
    chosen = np.argsort(rank, kind="stable")[:count]
    return dataset.select(rng.permutation(chosen))


def summary(rows):
    """Return mean and standard deviation over the seeds for each method and number of labels."""
    groups = {}
    for row in rows:
        groups.setdefault((row["method"], row["labels"]), []).append(row["accuracy"])
    return [
        {
            "method": method,
            "labels": labels,
            "accuracy": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        }
        for (method, labels), values in groups.items()
    ]


def table_of(result):
    """Return a `Table`: one row a method, one column a number of labels."""
    counts = sorted({row["labels"] for row in result["summary"]})
    cells = {
        (r["method"], r["labels"]): f"{r['accuracy']:.3f} ± {r['sd']:.3f}"
        for r in result["summary"]
    }
    methods = dict.fromkeys(r["method"] for r in result["summary"])
    rows = [(method, *(cells[method, count] for count in counts)) for method in methods]
    title = f"{result['data']}: accuracy on {result['test_rows']:,} test rows"
    names = ("method", *(f"{count} labels" for count in counts))
    return Table(names, rows, title, right=range(1, len(names)))


def _splits(data):
    """Return (train, validation, test).

    A set whose test labels are not published is scored on its validation split; a tenth of its
    training rows, which repeats no text of the rest, takes the place of that.
    """
    if isinstance(data, tuple | list):
        train, validation, test = data
    elif data in datasets.names() and "test" in datasets.info(data).missing:
        test = datasets.load(data, "validation")
        validation, train = datasets.split(datasets.load(data, "train"), (0.1, 0.9))
    else:
        train, validation, test = (datasets.load(data, s) for s in ("train", "validation", "test"))
    found = ClassificationSettings.read((train, validation))
    return found.train, found.validation, test


def _draw(folder, rows):
    from kerasllm import plots

    points = [{**row, "score": row["accuracy"]} for row in rows]
    folder.write_figure("payoff", plots.payoff(points))
