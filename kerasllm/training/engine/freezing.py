"""What a fine-tuning method trains, and when: freezing in stages.

Keras reads `trainable` when a model is compiled. Each stage therefore freezes first and compiles
anew with a fresh optimizer.
"""

import keras
import numpy as np

from kerasllm.text.batching import ArrayBatches, pad_bucketed

METHODS = ("scratch", "frozen", "full", "gradual", "lora")


def stages(model, settings):
    """Return [(trainable groups, epochs)]: groups counted from the top, the head being 0."""
    groups, epochs = len(used_groups(model)), settings.epochs
    head = [(0, settings.head_epochs)] if settings.head_epochs else []
    if settings.method == "frozen":
        return [*head, (0, epochs)] if not head else [(0, settings.head_epochs + epochs)]
    if settings.method == "gradual":
        each = epochs / (groups + 1)
        return [*head, *((top, each) for top in range(groups + 1))]
    return [*head, (groups, epochs)]


def used_groups(model):
    """Return the backbone's groups of layers that the pooled features depend on."""
    layer = model.task_config["layer"]
    groups = model.backbone.layer_groups()
    return groups if layer == -1 else groups[: layer + 1]


def freeze_below(model, top, discriminative=1.0):
    """Make only the `top` highest groups of the backbone trainable, the head always being so.

    Args:
        model: a `TextClassifier`.
        top: how many groups.
        discriminative: the rate of each group is divided by this once more than the one above.

    Returns:
        {variable path: factor on the learning rate} of the backbone's trainable variables.
    """
    for layer in (layer for group in model.backbone.layer_groups() for layer in group):
        layer.trainable = False
    factors = {}
    for height, group in enumerate(reversed(used_groups(model)), start=1):
        for layer in group:
            layer.trainable = height <= top
            for variable in layer.trainable_variables:
                factors[variable.path] = discriminative**-height
    return factors


def head_alone(model, batches):
    """Return the layers above the pooling as a model, and their inputs, computed once.

    Under a frozen backbone without dropout, of features or words, the pooled features of a text
    never change.
    """
    pooled = keras.Model(model.input, model.get_layer("pooling").output)
    features = np.zeros((len(batches.sequences), pooled.output.shape[-1]), "float32")
    order = np.argsort(batches.lengths, kind="stable")
    for start in range(0, len(order), 256):
        rows = order[start : start + 256]
        texts = [batches.sequences[row] for row in rows]
        ids = pad_bucketed(texts, batches.bucket, batches.lengths.max())
        features[rows] = pooled.predict_on_batch(ids)
    inputs = outputs = keras.Input((features.shape[1],), name="pooled")
    for name in ("pooled_norm", "dropout", "classes"):
        outputs = model.get_layer(name)(outputs)
    head = keras.Model(inputs, outputs)
    return head, ArrayBatches(features, batches.targets, batches.batch_size, batches.seed)
