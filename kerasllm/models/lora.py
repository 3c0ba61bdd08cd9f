"""Low-rank adaptation: fine-tune a few thousand numbers instead of every weight.

One mechanism serves every layer, recurrent ones included. A Keras variable that is read inside a
`keras.StatelessScope` gives the value that the scope holds for it. `LoRA` runs the task it wraps
in a scope where the chosen matrices have their low-rank corrections added, so that no layer has to
know of it, and the gradient reaches the corrections by the ordinary rules.
"""

import contextlib
import fnmatch
import hashlib
import json

import keras
from keras import ops

from kerasllm.models.accumulation import Accumulating


class LoRA(Accumulating, keras.Model):
    """A task whose backbone stays as it is, while chosen matrices learn a low-rank correction.

        W' = W + (α / r) A B,   A (m, r) random, B (r, n) from 0

    Trained are A, B and the task's own head. Before the first step W' = W exactly.

    Args:
        task: a task with a backbone, such as `TextClassifier`; its backbone is frozen.
        rank: r.
        alpha: α; 2 r when None.
        targets: patterns of the weights to correct, by name: "*kernel" stands for dense,
            attention and recurrent matrices, "embeddings" for the token table.
        seed: of A.

    Raises:
        ValueError: a rank below 1 or not below the sides of a matrix, or no such weights.

    Differences from the paper: the fused kernels (an LSTM's four gates, an attention's Q, K and V)
    have one A in common, so that the r directions that they read are shared.

    Source: Hu et al. 2022, equation 3.

    Example:
        >>> from kerasllm.models import RecurrentBackbone, TextClassifier
        >>> task = TextClassifier(RecurrentBackbone.from_size("tiny", 31), 2)
        >>> adapted = LoRA(task, rank=3)
        >>> [w.path.split("/")[-1] for w in adapted.adapted]
        ['kernel', 'recurrent_kernel', 'kernel']
    """

    def __init__(self, task, rank=8, alpha=None, targets=("*kernel",), seed=0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.task, self.rank, self.alpha = task, rank, 2 * rank if alpha is None else alpha
        self.targets = tuple([targets] if isinstance(targets, str) else targets)
        self.adapted = matrices_of(task.backbone, self.targets, rank)
        self.fingerprint = fingerprint(task.backbone)
        task.backbone.trainable = False
        for number, weight in enumerate(self.adapted):
            rows, columns = weight.shape
            draw = keras.initializers.RandomNormal(stddev=rows**-0.5, seed=seed + number)
            self.add_weight(name=f"a_{number}", shape=(rows, rank), initializer=draw)
            self.add_weight(name=f"b_{number}", shape=(rank, columns), initializer="zeros")
        self.built = True

    @property
    def backbone(self):
        """Return the frozen backbone."""
        return self.task.backbone

    @property
    def corrections(self):
        """Return [(A, B)] of the adapted weights, in their order."""
        own = [v for v in self._trainable_variables if v.path.split("/")[-1][:2] in ("a_", "b_")]
        return list(zip(own[::2], own[1::2], strict=True))

    def call(self, inputs, training=None):
        """Return the task's output with W' in the place of W."""
        values = {id(v): v.value for v in self.task.variables}
        for weight, (a, b) in zip(self.adapted, self.corrections, strict=True):
            values[id(weight)] = values[id(weight)] + self.alpha / self.rank * ops.matmul(a, b)
        mapping = [(v, values[id(v)]) for v in self.task.variables]
        with keras.StatelessScope(mapping) as scope:
            outputs = self.task(inputs, training=training)
        # The scope kept what the call wrote, such as the next seeds of dropout.
        for variable in self.task.non_trainable_variables:
            if not any(variable is weight for weight in self.task.backbone.weights):
                variable.assign(scope.get_current_value(variable))
        return outputs

    def train_step(self, *args, **kwargs):
        """Take one step, as Keras does; head and loss as one where the task does so."""
        together = getattr(self.task, "together", None)
        with contextlib.nullcontext() if together is None else together(self):
            return super().train_step(*args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss that it was compiled with, or else the task's own."""
        owner = self.task if self.loss is None else super()
        return owner.compute_loss(x, y, y_pred, sample_weight, training)

    def amount(self, y, sample_weight):
        """Return what counts in a batch for that loss."""
        owner = self.task if self.loss is None else super()
        return owner.amount(y, sample_weight)

    @contextlib.contextmanager
    def merged(self):
        """Let the task itself compute with W', as long as the `with` block lasts."""
        before = [ops.copy(weight.value) for weight in self.adapted]
        for weight, (a, b) in zip(self.adapted, self.corrections, strict=True):
            weight.assign(weight + self.alpha / self.rank * ops.matmul(a, b))
        try:
            yield self.task
        finally:
            for weight, value in zip(self.adapted, before, strict=True):
                weight.assign(value)

    def merge(self):
        """Add the corrections to the weights, set B to 0, and return the task."""
        for weight, (a, b) in zip(self.adapted, self.corrections, strict=True):
            weight.assign(weight + self.alpha / self.rank * ops.matmul(a, b))
            b.assign(ops.zeros(b.shape))
        return self.task


def matrices_of(backbone, targets, rank):
    """Return the matrices of the backbone whose names are among the targets.

    Raises:
        ValueError: no such matrix, or a rank that is none below its sides.
    """
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise ValueError(f"rank must be a positive integer, received {rank!r}.")
    matrices = [weight for weight in backbone.weights if len(weight.shape) == 2]
    names = [weight.path.split("/")[-1] for weight in matrices]
    chosen = [
        weight
        for weight, name in zip(matrices, names, strict=True)
        if any(fnmatch.fnmatch(name, pattern) for pattern in targets)
    ]
    if not chosen:
        raise ValueError(
            f"no matrix of the backbone has a name like {' or '.join(map(repr, targets))}: choose "
            f"targets among {sorted(set(names))}."
        )
    if small := [weight for weight in chosen if rank >= min(weight.shape)]:
        raise ValueError(
            f"rank={rank} is no low rank for {small[0].path} of shape {tuple(small[0].shape)}: "
            f"choose a rank below {min(small[0].shape)}, or other targets."
        )
    return chosen


# Settings that came later: at these values they are left out, so that older adapters still fit.
_LATER = {
    "normalization": "layer", "use_bias": True, "num_kv_heads": None, "key_dim": None,
    "rotary_base": 10000.0, "interleaved": False, "tied": True, "pairs": 0, "deviation": None,
}  # fmt: skip


def fingerprint(backbone):
    """Return sha256 (hex) of a backbone's settings and weights."""
    config = {
        name: value
        for name, value in backbone.get_config().items()
        if name not in ("name", "trainable") and (name not in _LATER or value != _LATER[name])
    }
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for weight in backbone.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()
