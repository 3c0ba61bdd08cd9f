"""Gradient accumulation: a batch goes through the model in parts, and the weights move once.

- A loss here is a mean over what counts (real tokens, words, texts): L = Σ_k w_k L_k / W, with w_k
  what counts in part k and W = Σ_k w_k. A mean of the parts' means is another number.
- One compiled step loops over the parts and sums w_k / W ∇L_k: optimizer, clipping, schedule,
  averages and checkpoints know of whole batches only, and only one part is in memory.
- Rows that lack for equal parts are repeated with weight 0. Dropout draws anew in each part.
- Private training (`private.py`) has one example a part: each counts 1 / K, is clipped, and the sum
  has noise.
"""

import keras
from keras import ops

from kerasllm.models.private import clipped, noisy


class Accumulating:
    """A Keras model whose training step can take its batch in parts.

    Attributes:
        accumulate: how many parts a batch is computed in, one after the other.
        private: a `Private`, or None. `accumulate` is then the batch size.
    """

    accumulate = 1
    private = None

    def train_step(self, *args):
        """Take one step, as Keras does; in parts where there are several."""
        if self.accumulate == 1 and self.private is None:
            return super().train_step(*args)
        steps = {"tensorflow": _tensorflow_step, "jax": _jax_step, "torch": _torch_step}
        return steps[keras.backend.backend()](self, *args)

    def amount(self, y, sample_weight):
        """Return what counts in a batch: that over which its loss is a mean.

        Args:
            y: targets, as the loss is given them.
            sample_weight: (B,), or of each target.
        """
        of_loss = getattr(self.loss, "amount", None)
        return of_loss(y, sample_weight) if of_loss else ops.sum(sample_weight)


def in_parts(model, data):
    """Return (x, y, weight) as arrays (R, K, …) of K parts, and what counts in all of them, W.

    Part k has the rows k, K + k, 2 K + k, … of the batch.

    Args:
        model: an `Accumulating`.
        data: (x, y) or (x, y, weight) of B rows.
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    rows, count = ops.shape(keras.tree.flatten(x)[0])[0], model.accumulate
    weight = ops.ones((rows,)) if weight is None else ops.convert_to_tensor(weight)
    whole, lacking = model.amount(y, weight), -rows % count
    number = ops.arange(rows + lacking)

    def parted(array):
        array = ops.convert_to_tensor(array)
        # Rows that lie on several devices stay there, where none lacks.
        if not isinstance(lacking, int) or lacking:
            array = ops.take(array, number % rows, axis=0)
        return ops.reshape(array, (-1, count, *ops.shape(array)[1:]))

    x, y, weight = keras.tree.map_structure(parted, (x, y, weight))
    real = ops.reshape(number < rows, (-1, count, *[1] * (len(weight.shape) - 2)))
    return (x, y, weight * ops.cast(real, weight.dtype)), whole


def _share(model, y, weight, whole, loss):
    """Return w_k / W as a number that a loss can be multiplied by."""
    if model.private is not None:  # whatever the other examples are
        return ops.cast(1 / model.accumulate, loss.dtype)
    return ops.cast(model.amount(y, weight) / whole, loss.dtype)


def _tensorflow_step(model, data):
    import tensorflow as tf

    variables, optimizer = model.trainable_weights, model.optimizer
    batch, whole = in_parts(model, data)
    unused = []  # by the loss: what has no gradient, which is known once a part is traced

    def body(k, *sums):
        x, y, weight = keras.tree.map_structure(lambda array: array[:, k], batch)
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(x, y, y_pred, weight, training=True)
            loss = loss * _share(model, y, weight, whole, loss)
            scaled = optimizer.scale_loss(loss)
        found = [g if g is None else tf.convert_to_tensor(g)
                 for g in tape.gradient(scaled, variables)]  # fmt: skip
        unused[:] = [gradient is None for gradient in found]
        found = clipped(model.private, found, model.accumulate)
        _note(model, loss, x)
        model.compute_metrics(x, y, y_pred, weight)
        pairs = zip(sums, found, strict=True)
        return k + 1, *(a if b is None else a + b for a, b in pairs)

    zeros = [tf.zeros(v.shape, v.dtype) for v in variables]
    going_on = lambda k, *_: k < model.accumulate  # noqa: E731
    _, *sums = tf.while_loop(going_on, body, (0, *zeros), parallel_iterations=1)
    gradients = [None if no else total for total, no in zip(sums, unused, strict=True)]
    gradients = noisy(model.private, gradients, model.accumulate, optimizer.iterations)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return model.get_metrics_result()


def _jax_step(model, state, data):
    import jax

    trainable, others, optimizer, metrics = state
    batch, whole = in_parts(model, data)

    def loss_of(trainable, others, metrics, x, y, weight):
        loss, (unscaled, *rest) = model.compute_loss_and_updates(
            trainable, others, metrics, x, y, weight, training=True, optimizer_variables=optimizer
        )
        share = _share(model, y, weight, whole, loss)
        return loss * share, (unscaled * share, *rest)

    def body(carry, part):
        sums, others, metrics = carry
        x, y, weight = part
        found, gradients = jax.value_and_grad(loss_of, has_aux=True)(
            trainable, others, metrics, x, y, weight
        )
        gradients = clipped(model.private, gradients, model.accumulate)
        loss, y_pred, others, metrics = found[1]
        logs, metrics = model._update_metrics_variables(
            metrics, loss * model.accumulate, x, y, y_pred, weight
        )
        return (jax.tree.map(jax.numpy.add, sums, gradients), others, metrics), logs

    parts = jax.tree.map(lambda array: jax.numpy.moveaxis(array, 1, 0), batch)
    begin = jax.tree.map(jax.numpy.zeros_like, trainable), others, metrics
    (gradients, others, metrics), logs = jax.lax.scan(body, begin, parts)
    gradients = noisy(model.private, gradients, model.accumulate, optimizer[0])
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
    return jax.tree.map(lambda log: log[-1], logs), (trainable, others, optimizer, metrics)


def _torch_step(model, data):
    import torch

    variables, optimizer = model.trainable_weights, model.optimizer
    batch, whole = in_parts(model, data)
    model.zero_grad()
    sums = [None] * len(variables)
    for k in range(model.accumulate):
        x, y, weight = keras.tree.map_structure(lambda array, k=k: array[:, k], batch)
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, weight, training=True)
        loss = loss * _share(model, y, weight, whole, loss)
        optimizer.scale_loss(loss).backward()  # which adds to the gradients of the parts before
        if model.private is not None:
            found = clipped(model.private, [v.value.grad for v in variables], model.accumulate)
            sums = [a if b is None else b if a is None else a + b
                    for a, b in zip(sums, found, strict=True)]  # fmt: skip
            model.zero_grad()
        _note(model, loss.detach(), x)
        model.compute_metrics(x, y, y_pred.detach(), weight)
    with torch.no_grad():
        gradients = [v.value.grad for v in variables]
        if model.private is not None:
            gradients = noisy(model.private, sums, model.accumulate, optimizer.iterations.value)
        optimizer.apply(gradients, variables)
    return model.get_metrics_result()


def _note(model, loss, x):
    """Let the mean of the losses know a part; it weighs them by their rows, which are equal."""
    rows = ops.shape(keras.tree.flatten(x)[0])[0]
    model._loss_tracker.update_state(loss * model.accumulate, sample_weight=rows)
