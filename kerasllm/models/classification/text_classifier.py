"""Text classification: one label, or several, for a text."""

import keras
import numpy as np

from kerasllm.baselines import BASELINES
from kerasllm.layers import MaskedPooling
from kerasllm.models.accumulation import Accumulating
from kerasllm.models.classification import scoring
from kerasllm.models.classification.preprocessor import ClassificationPreprocessor, class_names
from kerasllm.models.classification.review import review
from kerasllm.models.task import WEIGHTED, Task
from kerasllm.text.batching import ArrayBatches, WeightedBatches, pad_bucketed


@keras.saving.register_keras_serializable("kerasllm")
class TextClassifier(Task):
    """Give a text one label.

        p(label | text) = softmax(dropout(norm(pool(features))) W + b)

    The norm (a layer norm) brings pooled features of any backbone to one size, so that one
    learning rate fits the head on all of them.

    Args:
        backbone: any backbone.
        num_classes: C ≥ 2; as many as the preprocessor has labels when None.
        pooling: "mean", "max", "last", "first" or "attention", over the real tokens.
        layer: whose features are pooled: 0 the embeddings, -1 the top.
        dropout: on the pooled features.
        preprocessor: a `ClassificationPreprocessor`; None for a model of ids.

    Inputs: ids (B, T). Outputs: logits (B, C). The loss is the cross-entropy of the softmax; with a
    multilabel preprocessor that of a sigmoid for each class.
    """

    preprocessor_class = ClassificationPreprocessor
    scoring = scoring
    review = review
    data_task = "classification"

    def __init__(
        self,
        backbone,
        num_classes=None,
        pooling="mean",
        layer=-1,
        dropout=0.0,
        preprocessor=None,
        **kwargs,
    ):
        num_classes = _number_of_classes(num_classes, preprocessor)
        pooled = MaskedPooling(pooling, name="pooling")(backbone.features(layer))
        pooled = keras.layers.LayerNormalization(epsilon=1e-6, name="pooled_norm")(pooled)
        pooled = keras.layers.Dropout(dropout, name="dropout")(pooled)
        # From 0, so that few labels move the head where they point and nowhere else.
        head = keras.layers.Dense(num_classes, kernel_initializer="zeros", name="classes")
        super().__init__(backbone.input, head(pooled), **kwargs)
        self._finish(
            backbone,
            preprocessor,
            num_classes=num_classes,
            pooling=pooling,
            layer=layer,
            dropout=dropout,
        )

    def default_loss(self):
        """Return the cross-entropy of the classes, or of each label where there are several."""
        if self.preprocessor is not None and self.preprocessor.multilabel:
            return keras.losses.BinaryCrossentropy(from_logits=True, reduction=WEIGHTED)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=WEIGHTED)

    def default_metrics(self):
        """Return the accuracy, of one label a text."""
        multilabel = self.preprocessor is not None and self.preprocessor.multilabel
        return None if multilabel else ["accuracy"]

    @property
    def shown(self):
        """The scores in the table of an evaluation."""
        if self.preprocessor.multilabel:
            return "f1_micro", "precision_micro", "recall_micro", "f1_macro", "accuracy"
        return "accuracy", "precision_macro", "recall_macro", "f1_macro", "matthews"

    def baselines_for(self, dataset):  # noqa: ARG002
        """Return what a network must beat: {name: baseline}."""
        return BASELINES["multilabel" if self.preprocessor.multilabel else "classification"]

    def prepare_for(self, dataset):
        """Take over the labels of the first data that it is trained on."""
        if self.preprocessor.labels is None:
            labels, count = class_names(dataset), self.task_config["num_classes"]
            numbers = list(map(str, range(count)))
            if set(labels) <= set(numbers):
                labels = numbers  # those that do not occur too, and 10 behind 9
            if len(labels) != count:
                raise ValueError(
                    f"expected {count} classes, the data has {len(labels)}: {labels}. Give labels "
                    "to the preprocessor, or another num_classes."
                )
            self.preprocessor.labels = labels

    def head_alone(self, batches):
        """Return the layers above the pooling as a model, and their inputs, computed once.

        Under a frozen backbone without dropout, of features or words, the pooled features of a text
        never change.
        """
        if isinstance(batches, WeightedBatches):
            head, inner = self.head_alone(batches.batches)
            return head, WeightedBatches(inner, table=batches.table)
        if self.backbone.settings.dropout or batches.transform:
            return self, batches
        pooled = keras.Model(self.input, self.get_layer("pooling").output)
        features = np.zeros((len(batches.sequences), pooled.output.shape[-1]), "float32")
        order = np.argsort(batches.lengths, kind="stable")
        for start in range(0, len(order), 256):
            rows = order[start : start + 256]
            texts = [batches.sequences[row] for row in rows]
            ids = pad_bucketed(texts, batches.bucket, batches.lengths.max())
            features[rows] = pooled.predict_on_batch(ids)
        inputs = outputs = keras.Input((features.shape[1],), name="pooled")
        for name in ("pooled_norm", "dropout", "classes"):
            outputs = self.get_layer(name)(outputs)
        head = _Head(inputs, outputs, name="head")
        return head, ArrayBatches(features, batches.targets, batches.batch_size, batches.seed)

    def used_groups(self):
        """Return the backbone's groups of layers that the pooled features depend on."""
        groups, layer = self.backbone.layer_groups(), self.task_config["layer"]
        return groups if layer == -1 else groups[: layer + 1]


class _Head(Accumulating, keras.Model):
    """The layers above the pooling."""


def _number_of_classes(given, preprocessor):
    labels = None if preprocessor is None else preprocessor.labels
    found = given if given is not None or labels is None else len(labels)
    if found is None:
        raise ValueError("expected num_classes, or a preprocessor with labels.")
    if found < 2:
        raise ValueError(f"a classifier needs at least 2 classes, received {found}.")
    if labels is not None and len(labels) != found:
        raise ValueError(
            f"num_classes={found} differs from the {len(labels)} labels of the preprocessor."
        )
    return found
