"""The optimizer of all training here: AdamW, warm-up, cosine decay, and a rate for each layer."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasllm")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Rise linearly to the peak, then fall as half a cosine.

        η_s = η s / W                                                    s ≤ W
        η_s = η (r + (1 - r) (1 + cos(π (s - W) / (S - W))) / 2)          s > W

    with s = step + 1, so that the first step already moves the weights.

    Args:
        peak: η.
        steps: S, all steps.
        warmup_steps: W.
        final: r, the share of the peak at the end.

    Source: Loshchilov and Hutter 2017, equation 5.

        >>> schedule = WarmupCosine(1.0, steps=100, warmup_steps=10, final=0.1)
        >>> [round(float(schedule(step)), 3) for step in (0, 9, 54, 99)]
        [0.1, 1.0, 0.55, 0.1]
    """

    def __init__(self, peak, steps, warmup_steps=0, final=0.0):
        self.peak, self.steps, self.warmup_steps, self.final = peak, steps, warmup_steps, final

    def __call__(self, step):
        """Return the learning rate of a step, counted from 0."""
        s = ops.cast(step, "float32") + 1.0
        warm = s / max(self.warmup_steps, 1)
        past = ops.clip((s - self.warmup_steps) / max(self.steps - self.warmup_steps, 1), 0.0, 1.0)
        cosine = self.final + (1 - self.final) * (1 + ops.cos(math.pi * past)) / 2
        return self.peak * ops.where(s < self.warmup_steps, warm, cosine)

    def get_config(self):
        """Return the settings that rebuild this schedule."""
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "final": self.final,
        }


@keras.saving.register_keras_serializable("kerasllm")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW with a factor on the learning rate of each variable.

        θ_l ← θ_l - η f_l (m̂_l / (√v̂_l + ε) + λ θ_l)

    Args:
        factors: {variable path: f}; 1 for those not named.
        no_decay: names of variables without weight decay, or parts of them.
        **kwargs: of `keras.optimizers.AdamW`.

    Differences from `keras.optimizers.AdamW`: the factors, which scale the weight decay too, and
    `no_decay`, which is kept when it is saved (`exclude_from_weight_decay` there is not). On
    TensorFlow one operation updates m, v and θ, where Keras reads and writes each of them several
    times; and the gradient of an embedding's row is the sum over its uses before it is clipped and
    squared, as on the other backends, where Keras there measures and squares each use alone.

    Source: Howard and Ruder 2018, section 3.2 (discriminative fine-tuning).
    """

    def __init__(self, *args, factors=None, no_decay=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.factors, self.no_decay = dict(factors or {}), list(no_decay)
        if no_decay:
            self.exclude_from_weight_decay(var_names=self.no_decay)

    def update_step(self, gradient, variable, learning_rate):
        """Take one step for one variable, at its own rate."""
        rate = learning_rate * self._factor(variable)
        fused = keras.backend.backend() == "tensorflow" and not self.amsgrad
        (self._fused_step if fused else super().update_step)(gradient, variable, rate)

    def _fused_step(self, gradient, variable, rate):
        import tensorflow as tf

        index, dtype = self._get_variable_index(variable), variable.dtype
        step = ops.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=ops.power(ops.cast(self.beta_1, dtype), step),
            beta2_power=ops.power(ops.cast(self.beta_2, dtype), step),
            lr=ops.cast(rate, dtype),
            beta1=tf.constant(self.beta_1, dtype),
            beta2=tf.constant(self.beta_2, dtype),
            epsilon=tf.constant(self.epsilon, dtype),
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),  # rows of a table summed up
        )

    def _clip_gradients(self, grads):
        if keras.backend.backend() == "tensorflow":
            grads = [_with_rows_summed(gradient) for gradient in grads]
        return super()._clip_gradients(grads)

    def _factor(self, variable):
        # TensorFlow hands over its own variable, which has no path: look the Keras one up.
        variable = self._trainable_variables[self._get_variable_index(variable)]
        return self.factors.get(variable.path, 1.0)

    def _apply_weight_decay(self, variables):
        if self.weight_decay is None:
            return
        for variable in variables:
            if self._use_weight_decay(variable):
                rate = ops.cast(self.learning_rate, variable.dtype)
                variable.assign(variable * (1 - rate * self._factor(variable) * self.weight_decay))

    def get_config(self):
        """Return the settings that rebuild this optimizer."""
        return {**super().get_config(), "factors": self.factors, "no_decay": self.no_decay}


def _with_rows_summed(gradient):
    """Return a gradient of N uses of a table's rows as one of N rows, each of them once.

    Sums take the first places, and the places that are left hold 0 for row 0: shapes stay static,
    as XLA wants them. Other gradients are returned as they are.
    """
    import tensorflow as tf

    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    order = tf.argsort(gradient.indices)
    rows, values = (tf.gather(part, order) for part in (gradient.indices, gradient.values))
    is_next = tf.concat([[0], tf.cast(rows[1:] != rows[:-1], "int32")], 0)
    place, uses = tf.cumsum(is_next), tf.shape(rows)[0]
    sums = tf.math.unsorted_segment_sum(values, place, uses)
    rows = tf.maximum(tf.math.unsorted_segment_max(rows, place, uses), 0)
    return tf.IndexedSlices(sums, rows, gradient.dense_shape)


def make_optimizer(
    steps=None,
    factors=None,
    *,
    learning_rate=1e-3,
    warmup=0.05,
    final_rate=0.1,
    weight_decay=0.01,
    clip=1.0,
    beta_2=0.99,
):
    """Return the optimizer of all training here, with its schedule over a number of steps.

    Args:
        steps: of the whole training; without them the rate stays where it is.
        factors: {variable path: factor on the learning rate}.
        learning_rate: the highest, reached after the warm-up.
        warmup: share of the steps in which the rate rises from 0.
        final_rate: share of the highest rate that the cosine ends at.
        weight_decay: decoupled weight decay; not of biases and norms, as in GPT-2 and BERT.
        clip: largest global norm of the gradients; 0 for none.
        beta_2: decay of the second moment.
    """
    if steps:
        learning_rate = WarmupCosine(learning_rate, steps, int(warmup * steps), final_rate)
    return LayerwiseAdamW(
        learning_rate,
        beta_2=beta_2,
        weight_decay=weight_decay,
        global_clipnorm=clip or None,
        factors=factors,
        no_decay=("bias", "beta", "gamma", "scale"),
    )
