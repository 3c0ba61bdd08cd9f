"""Known mistakes in exposures, private steps and weights of few bits."""
# ruff: noqa: D401 - docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake


@mistake("exposure")
def exposure_of_the_likeliest_last(losses, secret):
    """The rank is counted from the least likely candidate."""
    return ref.exposure(-np.asarray(losses), secret)


@mistake("exposure")
def exposure_in_nats(losses, secret):
    """The logarithm is the natural one: these are nats, and not bits."""
    return ref.exposure(losses, secret) * np.log(2)


@mistake("exposure")
def exposure_rank_from_0(losses, secret):
    """The secret is not counted itself: the first has rank 0, whose logarithm is infinite."""
    losses = np.asarray(losses)
    with np.errstate(divide="ignore"):
        return float(np.log2(len(losses)) - np.log2(np.sum(losses < losses[secret])))


@mistake("exposure")
def exposure_is_the_rank(losses, secret):
    """It is the logarithm of the rank, which has to be taken from that of all candidates."""
    return float(np.log2(len(losses)) - ref.exposure(losses, secret))


@mistake("private_gradient")
def private_gradient_clips_the_mean(gradients, clip, noise):
    """The mean gradient is clipped, and not that of each example: one may still outweigh all."""
    means = [g.mean(axis=0) for g in gradients]
    clipped = ref.clip_by_global_norm(means, clip)
    return [g + clip * z / len(gradients[0]) for g, z in zip(clipped, noise, strict=True)]


@mistake("private_gradient")
def private_gradient_clips_each_array(gradients, clip, noise):
    """Each array is clipped for itself, and not all arrays of an example together."""
    return [ref.private_gradient([g], clip, [z])[0] for g, z in zip(gradients, noise, strict=True)]


@mistake("private_gradient")
def private_gradient_makes_all_as_long(gradients, clip, noise):
    """Short gradients are stretched to the clip, too: the smaller of 1 and clip / norm is meant."""
    norms = np.sqrt(sum((g.reshape(len(g), -1) ** 2).sum(axis=1) for g in gradients))
    long = [np.moveaxis(np.moveaxis(g, 0, -1) / norms * clip, -1, 0) for g in gradients]
    return ref.private_gradient(long, clip, noise)


@mistake("private_gradient")
def private_gradient_noise_not_scaled(gradients, clip, noise):
    """The noise is not multiplied by the clip."""
    return ref.private_gradient(gradients, clip, [z / clip for z in noise])


@mistake("private_gradient")
def private_gradient_noise_not_divided(gradients, clip, noise):
    """The noise is added to the mean, B times too much: it belongs to the sum."""
    return ref.private_gradient(gradients, clip, [z * len(gradients[0]) for z in noise])


@mistake("private_gradient")
def private_gradient_noise_forgotten(gradients, clip, noise):
    """There is no noise: clipped gradients alone hide nobody."""
    return ref.private_gradient(gradients, clip, [np.zeros_like(z) for z in noise])


@mistake("private_gradient")
def private_gradient_is_the_sum(gradients, clip, noise):
    """It is the sum of the examples, not divided by B."""
    return [len(gradients[0]) * g for g in ref.private_gradient(gradients, clip, noise)]


@mistake("quantize")
def quantize_one_scale(kernel, bits=8):
    """One scale for the whole kernel: columns of small numbers lose most of theirs."""
    kernel = np.asarray(kernel)
    restored, _ = ref.quantize(kernel.reshape(-1, 1), bits)
    return restored.reshape(kernel.shape), None


@mistake("quantize")
def quantize_scale_of_rows(kernel, bits=8):
    """The scales are those of the rows, and not of the columns."""
    return ref.quantize(np.asarray(kernel).T, bits)[0].T, None


@mistake("quantize")
def quantize_cut_off(kernel, bits=8):
    """What stands behind the point is cut off, and not rounded."""
    most = 2 ** (bits - 1) - 1
    scale = np.abs(kernel).max(axis=0) / most
    return np.trunc(np.asarray(kernel) / scale) * scale, None


@mistake("quantize")
def quantize_negative_forgotten(kernel, bits=8):
    """The scale is that of the largest number, where a negative one may be larger in size."""
    scale = np.max(kernel, axis=0) / (2 ** (bits - 1) - 1)
    return np.rint(np.asarray(kernel) / scale) * scale, None


@mistake("quantize")
def quantize_sign_forgotten(kernel, bits=8):
    """The bit of the sign is not counted: the whole numbers go up to 2^bits - 1."""
    most = 2**bits - 1
    scale = np.abs(kernel).max(axis=0) / most
    return np.rint(np.asarray(kernel) / scale) * scale, None


@mistake("quantize")
def quantize_not_restored(kernel, bits=8):
    """The whole numbers are not multiplied by their scale again."""
    return ref.quantize(kernel, bits)[1].values.astype(float), None
