"""Tasks: a backbone, a preprocessor, a head, and the ways to train, score and ask them."""

import keras

from kerasllm.baselines import BASELINES
from kerasllm.models import presets
from kerasllm.models.logits import check_targets, losses_of_logits, metrics_of_logits
from kerasllm.models.optimizers import make_optimizer
from kerasllm.models.raw_model import RawModel
from kerasllm.models.saved import rebuild
from kerasllm.text.cleaning import speechless

AUTO = "auto"
WEIGHTED = "mean_with_sample_weight"  # an example of weight 0 is as if left out


class Task(RawModel):
    """An ordinary Keras model that also takes raw examples.

        model = TextClassifier.from_preset("runs/lm", num_classes=6)
        model.fit(texts, labels, epochs=3)
        model.evaluate(texts, labels)
        model.predict(texts)                # answers
        model.save("mine.keras")

    With `preprocessor=None`, and wherever arrays are given, it is the Keras model of token ids that
    its class describes, and `predict` returns arrays.

    Attributes:
        backbone: token ids to features.
        preprocessor: a `Preprocessor`, or None.
        preprocessor_class: the kind that this task has.
        scoring: module with the functions `answers`, `scores` and `evaluation` of a task.
        data_task: the `task` of the data sets that it is trained on, of `datasets.TASKS`.
        monitor: the score of `scores` that a training is chosen by.
        shown: names of the scores in the table of an evaluation, the task's own first; None: all.
        counted: what an evaluation counts: "rows" or "tokens".
        loss_name: of several losses the one that `scores` measures too.
        learning_rate: the highest, in a training without settings.
        causal: whether its backbone must see the past only; None: either.

    A subclass calls `_finish` at the end of its constructor, and names the module `scoring`, or
    defines the three methods itself.
    """

    preprocessor_class = None
    scoring = None
    data_task = None
    monitor = "loss"
    shown = None
    counted = "rows"
    loss_name = "loss"
    learning_rate = 1e-3
    causal = None

    def __init__(self, inputs, outputs, name=None, trainable=None):
        # Keras drops what it does not know: a mistyped option must not be lost.
        super().__init__(inputs, outputs, name=name, trainable=trainable)

    def _finish(self, backbone, preprocessor, **config):
        """Keep what the constructor was given."""
        self.backbone, self.preprocessor, self.task_config = backbone, preprocessor, config
        self._given, self._scheduled = None, False

    # === From weights, or from a size ===

    @classmethod
    def from_preset(cls, source, *, preprocessor=AUTO, revision=None, **options):
        """Return the task with the weights of a run, a checkpoint, or a model on the hub.

        A trained task of this very class is returned as it is, but for options that only change how
        examples are read, such as `length`. Otherwise the backbone is taken, and the head begins
        anew.

        Args:
            source: run folder; folder of a checkpoint of another project; or its name on the hub.
            preprocessor: a `Preprocessor`; None for a model of ids; left out, that of the source.
            revision: branch, tag or commit on the hub.
            **options: of this class, such as `num_classes=6`, and of its preprocessor, such as
                `length=128`.

        Raises:
            FileNotFoundError: no such run or checkpoint.
            ValueError: the backbone does not suit this task.
        """
        preset = presets.load(source, revision)
        reading = cls._reading_options(options)
        if cls._is_of(preset.task) and not {*options, *reading} - cls._only_read():
            if preprocessor is not AUTO:
                preset.task.preprocessor = preprocessor
            elif reading:
                preset.task.preprocessor = preset.task.preprocessor.changed(**reading)
            return preset.task
        cls._check_backbone(preset.backbone, source)
        if preprocessor is AUTO:
            preprocessor = cls._new_preprocessor(preset, source, reading)
        return cls(presets.copy_of(preset.backbone), preprocessor=preprocessor, **options)

    @classmethod
    def _is_of(cls, task):
        """Return whether a trained task is what this class would be made of it."""
        return type(task) is cls

    @classmethod
    def _check_backbone(cls, backbone, source):
        """Raise unless this task can begin from a backbone, which turns one text into features."""
        if isinstance(backbone.output, dict):
            raise ValueError(
                f"{source} holds a {type(backbone).__name__}, which no {cls.__name__} can begin "
                "from: give a run of `kerasllm pretrain` or `kerasllm import`."
            )

    @classmethod
    def _new_preprocessor(cls, preset, source, options):
        """Return a preprocessor with the tokenizer of a preset, and what it inherits from it."""
        if preset.tokenizer is None:
            raise ValueError(
                f"{source} has no tokenizer: give a preprocessor, or preprocessor=None for a model "
                "of ids."
            )
        kind, known = cls.preprocessor_class, preset.settings
        inherited = {n: known[n] for n in kind.inherited if known.get(n) is not None}
        return kind(preset.tokenizer, **{**inherited, **options})

    @classmethod
    def from_size(
        cls, size, vocabulary_size=None, *, backbone="recurrent", preprocessor=None, **options
    ):
        """Return an untrained task on a backbone of the size "tiny", "small" or "base".

        Args:
            size: of the backbone.
            vocabulary_size: V; that of the preprocessor's tokenizer when None.
            backbone: "recurrent" or "transformer".
            preprocessor: a `Preprocessor`; None for a model of ids.
            **options: of this class, and of the backbone's settings.
        """
        if vocabulary_size is None:
            if preprocessor is None:
                raise ValueError(
                    "expected vocabulary_size, or a preprocessor, whose tokenizer has one."
                )
            vocabulary_size = preprocessor.tokenizer.vocabulary_size
        own = presets.constructor_names(cls)
        head = {name: options.pop(name) for name in list(options) if name in own}
        causal = bool(cls.causal)
        made = presets.make_backbone(backbone, size, vocabulary_size, causal, **options)
        return cls(made, preprocessor=preprocessor, **head)

    @classmethod
    def _reading_options(cls, options):
        """Take the preprocessor's options out of `options`, and return them."""
        names = presets.constructor_names(cls.preprocessor_class) - presets.constructor_names(cls)
        return {name: options.pop(name) for name in list(options) if name in names}

    @classmethod
    def _only_read(cls):
        """Return the options that change neither backbone nor head."""
        names = presets.constructor_names(cls.preprocessor_class)
        return names - set(cls.preprocessor_class.of_the_head)

    # === Training ===

    def compile(self, optimizer=AUTO, loss=AUTO, *, metrics=AUTO, jit_compile=AUTO, **options):
        """Configure the training; left out, as the training commands do it.

        The optimizer is AdamW with warm-up and cosine decay over the steps of the next `fit`, and
        clipping; the loss and the metrics are those of this task. Losses and metrics of Keras are
        told that they are given logits, in whatever form they come; those that take probabilities
        only are refused.

        Args:
            optimizer: as in Keras; "auto" for the default.
            loss: as in Keras; "auto" for the default.
            metrics: as in Keras; "auto" for the default.
            jit_compile: as in Keras. "auto" leaves XLA out on TensorFlow, where it would compile
                anew for each length of the texts.
            **options: of `keras.Model.compile`.
        """
        self._given = {"loss": loss, "metrics": metrics, "jit_compile": jit_compile, **options}
        self._scheduled = optimizer != AUTO
        self._compile(
            make_optimizer(learning_rate=self.learning_rate) if optimizer == AUTO else optimizer
        )

    def _compile(self, optimizer):
        given = dict(self._given)
        if given["jit_compile"] == AUTO and keras.backend.backend() == "tensorflow":
            given["jit_compile"] = False
        metrics, loss = given["metrics"], given["loss"]
        given["metrics"] = (
            self.default_metrics() if _is_auto(metrics) else metrics_of_logits(metrics)
        )
        given["loss"] = self.default_loss() if _is_auto(loss) else losses_of_logits(loss)
        super().compile(optimizer, **given)

    def _schedule(self, steps):
        """Give the default optimizer its schedule, once it is known how many steps there are."""
        self._scheduled = True
        self._compile(make_optimizer(steps, learning_rate=self.learning_rate))

    @property
    def has_loss_of_keras(self):
        """Whether it was compiled with another loss than the task's own."""
        loss = (self._given or {}).get("loss")
        return loss is not None and not _is_auto(loss)

    def compile_from_config(self, config):
        """Compile as the saved model was."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss; the weight of an example counts for each of its targets.

        Keras asks for a weight of each target, where they are numbers of classes.
        """
        if self.has_loss_of_keras:
            check_targets(self.loss, y, y_pred)
        rank, weights = len(getattr(y, "shape", ())), sample_weight
        if weights is not None and len(weights.shape) < rank < len(y_pred.shape):
            weights = keras.ops.reshape(weights, (-1, *[1] * (rank - 1)))
            weights = weights * keras.ops.ones_like(y, dtype=weights.dtype)
        return super().compute_loss(x, y, y_pred, weights, training)

    def default_loss(self):
        """Return the loss that this task is trained with."""
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def default_metrics(self):
        """Return the metrics that Keras shows beside the loss."""
        return None

    def used_groups(self):
        """Return the backbone's groups of layers that the head depends on, from the bottom."""
        return self.backbone.layer_groups()

    def head_weights(self):
        """Return the weights that are not the backbone's."""
        theirs = {id(weight) for weight in self.backbone.weights}
        return [weight for weight in self.weights if id(weight) not in theirs]

    def head_alone(self, batches):
        """Return a model of the head, and its batches, to train under a frozen backbone.

        By default the whole task: a shape whose features never change can compute them once.
        """
        return self, batches

    def prepare_for(self, dataset):
        """Take over from the training data what a preprocessor made without it does not know."""

    # === What a shape of task says of itself ===

    def answers(self, x, **options):
        """Return a dict for each raw example: what was found, and a warning or None."""
        found = self.scoring.answers(self, x, **options)
        for row in found:
            said = (speechless(row[name], name) for name in ("question", "text") if name in row)
            row["warning"] = row["warning"] or next(filter(None, said), None)
        return found

    def scores(self, dataset):
        """Return {name: number}: the loss and the scores on a `Dataset`, "loss" among them."""
        return self.scoring.scores(self, dataset)

    def baselines_for(self, dataset):  # noqa: ARG002 - some shapes look at the rows
        """Return what a network must beat on a `Dataset`: {name: baseline}."""
        return BASELINES.get(self.data_task, {})

    def baseline_scores(self, dataset, train):
        """Return {name: scores} of what a network must beat, on the same rows; {} without train."""
        if train is None:
            return {}
        return {
            name: baseline(train, dataset).metrics
            for name, baseline in self.baselines_for(dataset).items()
        }

    def evaluation(self, dataset, train=None):
        """Return {"model", "interval", "baselines"}: scores, their intervals, and what to beat.

        Args:
            dataset: a `Dataset` that is scored.
            train: a `Dataset` for the baselines to learn from; None leaves them out.
        """
        return self.scoring.evaluation(self, dataset, train)

    def review(self, dataset):  # noqa: ARG002 - the shapes look at it
        """Return the `Review` of a task's answers, row by row; None where a shape has none."""
        return None

    def reading(self, x):
        """Return the `Reading` of one raw example: what the model is given, token by token."""
        return self.preprocessor.reading(x)

    # === Keeping ===

    def get_config(self):
        """Return the settings that rebuild this task, its backbone and preprocessor included."""
        parts = {
            name: part and keras.saving.serialize_keras_object(part)
            for name, part in (("backbone", self.backbone), ("preprocessor", self.preprocessor))
        }
        return {**parts, "name": self.name, **self.task_config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuild a task, its backbone and its preprocessor."""
        config = dict(config)
        backbone, preprocessor = (
            part and rebuild(part, custom_objects)
            for part in (config.pop("backbone"), config.pop("preprocessor", None))
        )
        return cls(backbone, preprocessor=preprocessor, **config)


def _is_auto(given):
    return isinstance(given, str) and given == AUTO
