"""Known mistakes in normalisation."""
# ruff: noqa: ARG005, D401 - forgotten arguments are mistakes; docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake, symbols_of, with_formulas


def _normalized(*arguments, **formulas):
    """Normalise with other formulas, by symbol; each is given what was computed before."""
    return with_formulas("layer_norm", formulas, _computed, *arguments)


def _computed(formulas, x, gamma=None, beta=None, epsilon=1e-3):
    right = {
        "x": lambda s: x,
        "epsilon": lambda s: epsilon,
        "mean": lambda s: x.mean(-1, keepdims=True),
        "variance": lambda s: x.var(-1, keepdims=True),
        "deviation": lambda s: np.sqrt(s["variance"] + epsilon),
        "normalized": lambda s: (x - s["mean"]) / s["deviation"],
    }
    s = symbols_of(right, formulas)
    output = s["normalized"] if gamma is None else gamma * s["normalized"]
    output = output if beta is None else output + beta
    deviation = s["deviation"]
    return output, ref.LayerNormTrace(
        x, gamma, beta, s["mean"], deviation**2, deviation, s["normalized"]
    )


@mistake("layer_norm")
def layer_norm_unbiased_variance(x, gamma=None, beta=None, epsilon=1e-3):
    """The sum of squares is divided by D - 1, and not by D."""
    unbiased = x.var(-1, keepdims=True, ddof=1)
    return _normalized(x, gamma, beta, epsilon, variance=lambda s: unbiased)


@mistake("layer_norm")
def layer_norm_epsilon_outside_the_root(x, gamma=None, beta=None, epsilon=1e-3):
    """The epsilon is added to the root, and not inside of it."""
    return _normalized(
        x, gamma, beta, epsilon, deviation=lambda s: np.sqrt(s["variance"]) + s["epsilon"]
    )


@mistake("layer_norm")
def layer_norm_divided_by_variance(x, gamma=None, beta=None, epsilon=1e-3):
    """The root is missing, and x is divided by the variance."""
    return _normalized(x, gamma, beta, epsilon, deviation=lambda s: s["variance"] + s["epsilon"])


@mistake("layer_norm")
def layer_norm_over_the_batch(x, gamma=None, beta=None, epsilon=1e-3):
    """Mean and variance are taken over the batch (batch norm), and not over the features."""
    statistics = {
        "mean": lambda s: s["x"].mean(0, keepdims=True),
        "variance": lambda s: s["x"].var(0, keepdims=True),
    }
    return _normalized(x, gamma, beta, epsilon, **statistics)


@mistake("layer_norm")
def layer_norm_mean_not_subtracted(x, gamma=None, beta=None, epsilon=1e-3):
    """The mean is not subtracted from x."""
    return _normalized(x, gamma, beta, epsilon, mean=lambda s: 0.0 * s["x"][..., :1])


@mistake("layer_norm")
def layer_norm_beta_scaled_too(x, gamma=None, beta=None, epsilon=1e-3):
    """The offset is added before the scale: gamma · (normalized + beta)."""
    both = gamma is not None and beta is not None
    return ref.layer_norm(x, gamma, gamma * beta if both else beta, epsilon)


@mistake("layer_norm_backward")
def layer_norm_backward_statistics_constant(d_output, trace):
    """Mean and variance are treated as constants, although they depend on every feature."""
    d_normalized = d_output if trace.gamma is None else d_output * trace.gamma
    return ref.layer_norm_backward(d_output, trace)._replace(d_x=d_normalized / trace.deviation)


@mistake("layer_norm_backward")
def layer_norm_backward_variance_constant(d_output, trace):
    """The variance is treated as a constant, although it depends on every feature."""
    d = d_output if trace.gamma is None else d_output * trace.gamma
    d_x = (d - d.mean(-1, keepdims=True)) / trace.deviation
    return ref.layer_norm_backward(d_output, trace)._replace(d_x=d_x)


@mistake("layer_norm_backward")
def layer_norm_backward_gamma_sees_x(d_output, trace):
    """The gradient of gamma is computed with x, and not with the normalized x."""
    d_gamma = (d_output * trace.x).reshape(-1, d_output.shape[-1]).sum(0)
    grads = ref.layer_norm_backward(d_output, trace)
    return grads._replace(d_gamma=None if trace.gamma is None else d_gamma)


@mistake("layer_norm_backward")
def layer_norm_backward_gamma_forgotten(d_output, trace):
    """The gradient is not multiplied by gamma on its way to x."""
    grads = ref.layer_norm_backward(d_output, trace)
    return grads._replace(d_x=ref.layer_norm_backward(d_output, trace._replace(gamma=None)).d_x)


@mistake("rms_norm")
def rms_norm_epsilon_outside_the_root(x, scale=None, epsilon=1e-6):
    """The epsilon is added to the root, and not inside of it."""
    rms = np.sqrt((x**2).mean(-1, keepdims=True)) + epsilon
    normalized = x / rms
    output = normalized if scale is None else scale * normalized
    return output, ref.RMSNormTrace(x, scale, rms, normalized)


@mistake("rms_norm")
def rms_norm_mean_subtracted(x, scale=None, epsilon=1e-6):
    """The mean is subtracted as in layer normalisation, which RMS normalisation leaves out."""
    return ref.rms_norm(x - x.mean(-1, keepdims=True), scale, epsilon)


@mistake("rms_norm")
def rms_norm_sum_of_squares(x, scale=None, epsilon=1e-6):
    """The squares are added up, and not averaged."""
    D = x.shape[-1]
    output, trace = ref.rms_norm(x, scale, epsilon / D)
    return output / np.sqrt(D), trace


@mistake("rms_norm_backward")
def rms_norm_backward_rms_constant(d_output, trace):
    """The root mean square is treated as a constant, although it depends on every feature."""
    d_normalized = d_output if trace.scale is None else d_output * trace.scale
    return ref.rms_norm_backward(d_output, trace)._replace(d_x=d_normalized / trace.rms)
