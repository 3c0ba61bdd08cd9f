"""Known mistakes in activations, dense layer, embedding, dropout, norms, letters and LoRA."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake


@mistake("softmax")
def softmax_over_the_first_axis(x, axis=-1):
    """The probabilities sum to 1 over the first axis instead of the last."""
    return ref.softmax(x, axis=0)


@mistake("softmax")
def softmax_over_everything(x, axis=-1):
    """The sum runs over the whole array, and not over one axis."""
    output, trace = ref.softmax(np.ravel(x))
    return output.reshape(np.shape(x)), trace._replace(x=x, output=output.reshape(np.shape(x)))


@mistake("softmax")
def softmax_not_normalized(x, axis=-1):
    """The exponentials are not divided by their sum."""
    weights = np.exp(x - x.max(axis, keepdims=True))
    return weights, ref.ActivationTrace(x, weights, axis)


@mistake("softmax")
def softmax_without_maximum(x, axis=-1):
    """The largest score is not subtracted first, so that exp overflows for large scores."""
    with np.errstate(all="ignore"):
        output = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    return output, ref.ActivationTrace(x, output, axis)


@mistake("softmax")
def softmax_less_the_global_maximum(x, axis=-1):
    """The largest of all scores is subtracted, not each row's own: far lower rows become 0 / 0."""
    weights = np.exp(x - x.max())
    with np.errstate(invalid="ignore"):
        output = weights / weights.sum(axis, keepdims=True)
    return output, ref.ActivationTrace(x, output, axis)


@mistake("softmax")
def softmax_of_negative_scores(x, axis=-1):
    """The scores have the wrong sign, so that the largest becomes the least likely."""
    return ref.softmax(-x, axis)


@mistake("softmax_backward")
def softmax_backward_diagonal_only(d_output, trace):
    """Each probability is taken to depend on its own score only: p (1 - p)."""
    return ref.ActivationGrads(d_output * trace.output * (1 - trace.output))


@mistake("softmax_backward")
def softmax_backward_sum_forgets_p(d_output, trace):
    """The sum is over d_output, where it should be over d_output · p."""
    total = d_output.sum(trace.axis, keepdims=True)
    return ref.ActivationGrads(trace.output * (d_output - total))


@mistake("log_softmax")
def log_softmax_without_sum(x, axis=-1):
    """The logarithm of the sum of exponentials is not subtracted."""
    output = x - x.max(axis, keepdims=True)
    return output, ref.ActivationTrace(x, output, axis)


@mistake("log_softmax")
def log_softmax_in_bits(x, axis=-1):
    """The logarithm is to base 2."""
    output, trace = ref.log_softmax(x, axis)
    return output / np.log(2), trace


@mistake("log_softmax_backward")
def log_softmax_backward_like_softmax(d_output, trace):
    """The gradient of softmax is used for its logarithm."""
    return ref.softmax_backward(d_output, trace._replace(output=np.exp(trace.output)))


@mistake("sigmoid")
def sigmoid_sign_forgotten(x):
    """The minus in exp(-x) is missing."""
    return ref.sigmoid(-x)


@mistake("sigmoid_backward")
def sigmoid_backward_at_the_input(d_output, trace):
    """The slope σ (1 - σ) is computed with x in the place of σ."""
    return ref.ActivationGrads(d_output * trace.x * (1 - trace.x))


@mistake("tanh_backward")
def tanh_backward_square_forgotten(d_output, trace):
    """The slope is 1 - tanh, and the square is missing."""
    return ref.ActivationGrads(d_output * (1 - trace.output))


@mistake("tanh_backward")
def tanh_backward_at_the_input(d_output, trace):
    """The slope is computed with the input, 1 - x², where it is 1 - tanh(x)²."""
    return ref.ActivationGrads(d_output * (1 - trace.x**2))


@mistake("relu_backward")
def relu_backward_through_zero(d_output, trace):
    """The gradient also passes where x is exactly 0: x >= 0, and not x > 0."""
    return ref.ActivationGrads(d_output * (trace.x >= 0))


@mistake("relu_backward")
def relu_backward_lets_all_through(d_output, trace):
    """The gradient also passes where x was negative."""
    return ref.ActivationGrads(d_output)


@mistake("gelu")
def gelu_always_approximate(x, approximate=False):
    """The tanh form is used where the exact one was asked for."""
    return ref.gelu(x, approximate=True)


@mistake("gelu")
def gelu_root_of_two_forgotten(x, approximate=False):
    """The argument of erf is not divided by √2."""
    output, trace = ref.gelu(np.sqrt(2) * x, approximate)
    return output / np.sqrt(2), trace._replace(x=x)


@mistake("gelu_backward")
def gelu_backward_product_rule_forgotten(d_output, trace):
    """The term x · Φ'(x) of the product rule is missing."""
    return ref.ActivationGrads(d_output * trace.phi)


@mistake("dense")
def dense_bias_forgotten(x, kernel, bias=None):
    """The bias is not added."""
    output, trace = ref.dense(x, kernel)
    return output, trace._replace(bias=bias)


@mistake("dense_backward")
def dense_backward_bias_averaged(d_output, trace):
    """The gradient of the bias is the mean over all positions, and not the sum."""
    grads = ref.dense_backward(d_output, trace)
    positions = d_output[..., 0].size
    return grads._replace(d_bias=None if grads.d_bias is None else grads.d_bias / positions)


@mistake("dense_backward")
def dense_backward_kernel_overwritten(d_output, trace):
    """The gradient of the kernel is that of the last row of the batch, and not a sum."""
    last = ref.dense_backward(d_output[-1:], trace._replace(x=trace.x[-1:]))
    return ref.dense_backward(d_output, trace)._replace(d_kernel=last.d_kernel)


@mistake("embedding")
def embedding_off_by_one(ids, table):
    """Ids are taken to count from 1, so that each reads the row before its own."""
    ids = np.asarray(ids)
    output, trace = ref.embedding((ids - 1) % len(table), table)
    return output, trace._replace(ids=ids)


@mistake("embedding_backward")
def embedding_backward_overwritten(d_output, trace):
    """Repeated ids overwrite one another's gradient instead of adding it up."""
    d_table = np.zeros(trace.table.shape, d_output.dtype)
    d_table[trace.ids] = d_output
    return ref.EmbeddingGrads(d_table)


@mistake("embedding_backward")
def embedding_backward_averaged(d_output, trace):
    """A token that occurs often gets the mean of its gradients, and not their sum."""
    counts = np.bincount(trace.ids.ravel(), minlength=len(trace.table))
    d_table = ref.embedding_backward(d_output, trace).d_table
    return ref.EmbeddingGrads(d_table / np.maximum(counts, 1)[:, None])


@mistake("dropout")
def dropout_not_scaled(x, keep, rate):
    """What survives is not divided by 1 - rate."""
    return ref.dropout(x, keep, 0.0)


@mistake("dropout")
def dropout_scaled_by_rate(x, keep, rate):
    """What survives is divided by the rate, and not by 1 - rate."""
    return ref.dropout(x, keep, 1 - rate)


@mistake("dropout")
def dropout_mask_inverted(x, keep, rate):
    """The entries to be kept are dropped, and the others kept."""
    return ref.dropout(x, ~np.asarray(keep, bool), rate)


@mistake("dropout_backward")
def dropout_backward_mask_forgotten(d_output, trace):
    """The gradient also passes through what was dropped."""
    return ref.DropoutGrads(d_output / (1 - trace.rate))


@mistake("character_cnn")
def character_cnn_padding_wins(ids, table, kernel, bias):
    """The maximum runs over the padding too."""
    _, trace = ref.character_cnn(ids, table, kernel, bias)
    return trace.z.max(axis=2), trace


@mistake("character_cnn")
def character_cnn_kernel_flipped(ids, table, kernel, bias):
    """The kernel is turned round, as in a convolution of mathematics."""
    return ref.character_cnn(ids, table, kernel[::-1], bias)


@mistake("character_cnn")
def character_cnn_bias_forgotten(ids, table, kernel, bias):
    """The bias is not added."""
    return ref.character_cnn(ids, table, kernel, 0 * bias)


@mistake("character_cnn")
def character_cnn_looks_back_only(ids, table, kernel, bias):
    """All K - 1 letters of padding stand before the word: a filter sees no letter to come."""
    wide = np.concatenate([kernel, 0 * kernel[1:]])
    _, trace = ref.character_cnn(ids, table, kernel, bias)
    return ref.character_cnn(ids, table, wide, bias)[0], trace


@mistake("character_cnn")
def character_cnn_mean(ids, table, kernel, bias):
    """The letters' answers are averaged, where the strongest one should be kept."""
    _, trace = ref.character_cnn(ids, table, kernel, bias)
    return (trace.z * trace.real).sum(axis=2) / np.maximum(trace.real.sum(axis=2), 1), trace


@mistake("character_cnn_backward")
def character_cnn_backward_to_every_letter(d_output, trace):
    """Every letter gets the gradient, and not the one alone that won the maximum."""
    everyone = np.broadcast_to(trace.real, trace.z.shape).astype(trace.z.dtype)
    return ref.character_cnn_backward(d_output, trace._replace(share=everyone))


@mistake("lora")
def lora_not_scaled(w, a, b, alpha):
    """The correction is not multiplied by alpha / r."""
    return ref.lora(w, a, b, len(b))


@mistake("lora")
def lora_not_divided_by_the_rank(w, a, b, alpha):
    """The correction is multiplied by alpha, and not divided by the rank."""
    return ref.lora(w, a, b, alpha * len(b))


@mistake("lora")
def lora_replaces(w, a, b, alpha):
    """The product stands in the place of w, instead of being added to it."""
    return ref.lora(0 * w, a, b, alpha)


@mistake("lora_backward")
def lora_backward_scale_forgotten(d_output, trace):
    """The gradients of a and b lack the factor alpha / r."""
    return ref.lora_backward(d_output, trace._replace(scale=1.0))
