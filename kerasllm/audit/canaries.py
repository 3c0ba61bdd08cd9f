"""Canaries: random secrets, planted into a text before training, and asked for afterwards.

- `plant` writes the text again, with lines such as "the code of amber is 314", and a file that says
  which secrets they hold, and how often. Some are planted 0 times: the control.
- `canaries` ranks each secret among all that it could have been. A model that repeats what it has
  read ranks those first that it read often.
"""

import json
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from kerasllm.models import CausalLM
from kerasllm.reference import exposure
from kerasllm.text import pad_sequences
from kerasllm.training.run_folder.run import as_run
from kerasllm.utils.errors import writing
from kerasllm.utils.files import whole_file
from kerasllm.utils.json_text import read_object
from kerasllm.utils.tables import Shown, Table

FORMAT = "the code of {name} is {secret}"
NAMES = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "indigo", "jade",
    "kelp", "lotus", "maple", "north", "ochre", "pearl", "quartz", "raven", "sable", "thyme",
)  # fmt: skip
REPEATS = (0, 0, 1, 1, 4, 4, 16, 16)
AT_ONCE = 250  # candidates that are scored side by side


class Canary(NamedTuple):
    """A planted line."""

    before: str  # what stands before the secret
    after: str
    secret: str
    repeats: int

    def text(self, secret=None):
        """Return the line, with this secret or another."""
        return f"{self.before}{self.secret if secret is None else secret}{self.after}"


class Exposures(Shown):
    """How much of each canary a run gives away; see `canaries`.

    Attributes:
        rows: (canary, rank, exposure in bits) of each.
        candidates: how many each was ranked among.
    """

    def __init__(self, rows, candidates, title):
        self.rows, self.candidates, self.title = tuple(rows), candidates, title

    @property
    def table(self):
        """A row for each canary, those planted most often last."""
        rows = [(c.text(), c.repeats, rank, bits)
                for c, rank, bits in sorted(self.rows, key=lambda row: row[0].repeats)]  # fmt: skip
        most = np.log2(self.candidates)
        title = f"{self.title}: bits of exposure, at most {most:.1f}; 1.44 for what was never read"
        return Table(("canary", "planted", f"rank of {self.candidates:,}", "exposure"), rows, title)


def plant(source, output, *, form=FORMAT, repeats=REPEATS, digits=3, seed=0):
    r"""Write a text file again, with canaries in random places, and say which beside it.

    Args:
        source: a .txt file, a text a line.
        output: the file to write; `OUTPUT.canaries.json` holds the secrets. Keep that file as you
            would keep a password.
        form: the line, with {name} and {secret} in it.
        repeats: how often each canary is planted; 0 for those that are not, the control.
        digits: of each secret, 1 to 4.
        seed: of the secrets and the places.

    Returns:
        The path of the file that says which.

    Raises:
        FileNotFoundError: no such source.
        FileExistsError: one of the two files is there already.
        ValueError: another kind of file, or a form without its two places.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.txt").write_text("one line\n" * 9)
        >>> planted = plant(folder / "a.txt", folder / "b.txt", repeats=(0, 2))
        >>> len((folder / "b.txt").read_text().splitlines())
        11
    """
    source, output = Path(source), Path(output)
    beside = output.with_name(f"{output.name}.canaries.json")
    _check_planting(source, (output, beside), form, repeats, digits)
    rng = np.random.default_rng(seed)
    planted = []
    for name, count in zip(NAMES, repeats, strict=False):
        before, after = form.format(name=name, secret="\0").split("\0")
        secret = f"{rng.integers(10**digits):0{digits}d}"
        planted.append(Canary(before, after, secret, int(count)))
    lines = source.read_text("utf-8").splitlines()
    copies = [canary.text() for canary in planted for _ in range(canary.repeats)]
    places = np.sort(rng.integers(len(lines) + 1, size=len(copies)))
    written = np.insert(np.array(lines, object), places, rng.permutation(np.array(copies, object)))
    with writing(output, "choose another file"), whole_file(output) as file:
        file.write("\n".join(written) + "\n")
    kept = {"canaries": [canary._asdict() for canary in planted]}
    with writing(beside, "choose another file"), whole_file(beside) as file:
        file.write(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
    return beside


def _check_planting(source, written, form, repeats, digits):
    if source.suffix.lower() != ".txt":
        raise ValueError(f"expected a .txt file, a text a line, received {source.name}.")
    if not source.is_file():
        raise FileNotFoundError(f"there is no file {source}: give a .txt file, a text a line.")
    for path in written:
        if path.exists():
            raise FileExistsError(f"{path} is there already: name another file to write.")
    try:
        once = form.format(name="\1", secret="\0").count("\0") == 1
    except (KeyError, IndexError, ValueError):
        once = False
    if not once or "{name}" not in form:
        raise ValueError(
            f"expected a form with {{name}} and {{secret}}, once each, received {form!r}: such as "
            f"{FORMAT!r}."
        )
    if digits not in range(1, 5):
        raise ValueError(f"expected secrets of 1 to 4 digits, received {digits}.")
    if not 1 <= len(repeats) <= len(NAMES) or min(repeats) < 0:
        raise ValueError(
            f"expected how often each of 1 to {len(NAMES)} canaries is planted, 0 or more, "
            f"received {list(repeats)}."
        )


def canaries(run, planted):
    """Measure how much of the planted secrets a language model gives away.

    Args:
        run: run folder or `Run` of a causal language model, trained on what `plant` wrote.
        planted: the file that `plant` returned, or a list of `Canary`.

    Returns:
        `Exposures`.

    Raises:
        ValueError: the run is no causal language model, or the file is not one of `plant`.
        FileNotFoundError: no such file.

    Source:
        Carlini et al., The Secret Sharer (2019); see `kerasllm.reference.exposure`.
    """
    run = as_run(run)
    if not isinstance(run.model, CausalLM):
        raise ValueError(
            f"{run.path} holds a {type(run.model).__name__}: canaries are asked of a causal "
            'language model (`kerasllm pretrain`, objective "causal").'
        )
    planted = _read(planted) if isinstance(planted, str | Path) else list(planted)
    digits = len(planted[0].secret)
    candidates = [f"{k:0{digits}d}" for k in range(10**digits)]
    rows = []
    for canary in planted:
        losses = _losses(run, [canary.text(secret) for secret in candidates])
        secret = int(canary.secret)
        rank = int(np.sum(losses <= losses[secret]))
        rows.append((canary, rank, exposure(losses, secret)))
    return Exposures(rows, len(candidates), str(run.path))


def _read(path):
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: `kerasllm audit plant` writes one.")
    try:
        found = [Canary(**canary) for canary in read_object(path)["canaries"]]
        if not found or len({len(c.secret) for c in found}) > 1 or len(found[0].secret) > 4:
            raise ValueError("no secrets of one length, of 4 digits at most")
        for canary in found:
            int(canary.secret)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is not a file of canaries ({error}): `kerasllm audit plant` writes one."
        ) from None
    return found


def _losses(run, texts):
    """Return -ln p (R,) of whole texts, each read as a text of its own."""
    rows = [run.model.preprocessor.prompt(text) for text in texts]
    if len(set(map(tuple, rows))) < len(texts):
        raise ValueError(
            f"the tokenizer of {run.path} reads several secrets as the same, such as those in "
            f"{texts[0]!r} and {texts[-1]!r}: train with one of characters or pieces (bpe)."
        )
    ids = pad_sequences(rows)
    found = []
    for start in range(0, len(ids), AT_ONCE):
        part = ids[start : start + AT_ONCE]
        logits = keras.ops.cast(run.model(part[:, :-1], training=False), "float32")
        log_p = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))
        targets = part[:, 1:]
        nats = -np.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]
        found.append((nats * (targets > 0)).sum(axis=1, dtype="float64"))
    return np.concatenate(found)
