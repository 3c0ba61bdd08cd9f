"""What a model has learned of groups and of single texts, and the step that bounds the latter."""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks

__all__ = ["Association", "association", "exposure", "private_gradient"]


class Association(NamedTuple):
    """How much nearer each word is to one set than to the other, and how far two sets differ."""

    effect: float  # from -2 to 2 where both sets have as many words
    of_x: np.ndarray  # (X,)
    of_y: np.ndarray  # (Y,)


def association(x, y, a, b):
    """Measure how much nearer the words of x are to a rather than b, compared with those of y.

        cos(u, v) = u · v / (‖u‖ ‖v‖)
        s_w = mean over a of cos(w, a) - mean over b of cos(w, b)
        effect = (mean of s_w over x - mean of s_w over y) / std of s_w over x and y

    The standard deviation is that of the words at hand: it divides by their number.

    Args:
        x: (X, D) vectors of the first set of targets.
        y: (Y, D) of the second one.
        a: (A, D) of the first set of attributes.
        b: (B, D) of the second one.

    Returns:
        `Association`: effect and s_w. An effect of 0 where all s_w are equal.

    Raises:
        ValueError: an empty set, vectors of different lengths, a vector of zeros.

    Example:
        Two words to the right, two upward; a is to the right, b is up.

        >>> x, y = np.array([[1.0, 0], [2, 0]]), np.array([[0, 1.0], [0, 3]])
        >>> found = association(x, y, x[:1], y[:1])
        >>> float(found.effect), found.of_x.tolist()
        (2.0, [1.0, 1.0])

    Source:
        Caliskan, Bryson and Narayanan, Semantics derived automatically from language corpora
        contain human-like biases (2017).
    """
    x, y, a, b = (_directions(name, w) for name, w in (("x", x), ("y", y), ("a", a), ("b", b)))
    for name, vectors in (("y", y), ("a", a), ("b", b)):
        checks.shape(name, vectors, (len(vectors), x.shape[1]), because=f"x has shape {x.shape}")
    toward = a.mean(axis=0) - b.mean(axis=0)  # the mean of cosines is a cosine with the mean
    of_x, of_y = x @ toward, y @ toward
    spread = np.concatenate([of_x, of_y]).std()
    difference = of_x.mean() - of_y.mean()
    return Association(float(difference / spread) if spread > 1e-12 else 0.0, of_x, of_y)


def _directions(name, vectors):
    vectors = checks.floats(**{name: vectors})
    checks.rank(name, vectors, "WD")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not len(vectors) or not (lengths > 0).all():
        raise ValueError(
            f"expected at least one vector in {name}, and none of zeros, received shape "
            f"{vectors.shape}: leave out words that the model does not know"
        )
    return vectors / lengths


def exposure(losses, secret):
    """Return how many bits of a random secret a model gives away.

        rank = how many of the R candidates have a loss of at most that of the secret
        exposure = log₂ R - log₂ rank

    A model that has never seen the secret ranks it anywhere: 1.44 bits on average where there are
    many candidates (log₂ e). A secret that is found first has log₂ R bits, the most.

    Args:
        losses: (R,) -ln p of the whole text, with each of the candidates in its place.
        secret: number of the candidate that was in the training text.

    Returns:
        A number of bits, from 0 to log₂ R.

    Raises:
        ValueError: no candidates, or a secret that is none of them.

    Example:
        >>> exposure([2.0, 0.5, 3.0, 4.0], 1), exposure([2.0, 0.5, 3.0, 4.0], 0)
        (2.0, 1.0)

    Source:
        Carlini et al., The Secret Sharer (2019), definition 5.
    """
    losses = np.asarray(losses, dtype="float64")
    checks.rank("losses", losses, "R")
    if not 0 <= secret < len(losses):
        raise ValueError(
            f"expected the number of a candidate, 0 to {len(losses) - 1}, received {secret}"
        )
    rank = np.sum(losses <= losses[secret])
    return float(np.log2(len(losses)) - np.log2(max(rank, 1)))


def private_gradient(gradients, clip, noise):
    """Return the gradient of a batch in which no example counts for more than the others may hide.

        norm_i = √(Σ over all arrays ‖g_i‖²)
        gradient = (Σ_i g_i · min(1, clip / norm_i) + clip · noise) / B

    Clipped, one example moves the sum by at most `clip`; the noise is as large as `clip`, times
    the noise multiplier σ.

    Args:
        gradients: list of arrays (B, …), the gradient of each example for each weight.
        clip: the longest gradient that one example may have, over all weights together.
        noise: list of arrays (…), σ times standard normal numbers; zeros for none.

    Returns:
        A list of arrays (…).

    Raises:
        ValueError: shapes that do not fit, or a clip of 0 or less.

    Example:
        The first example is cut to length 1, the second is short enough.

        >>> private_gradient([np.array([[3.0, 4.0], [0.0, 0.5]])], 1.0, [np.zeros(2)])
        [array([0.3 , 0.65])]

    Source:
        Abadi et al., Deep Learning with Differential Privacy (2016), algorithm 1.
    """
    if not clip > 0:
        raise ValueError(f"expected a clip above 0, received {clip}")
    gradients = [checks.floats(gradients=g) for g in gradients]
    noise = [checks.floats(noise=z) for z in noise]
    if len(gradients) != len(noise) or not gradients or not all(np.ndim(g) for g in gradients):
        raise ValueError(
            f"expected a noise for each of {len(gradients)} gradients of shape (B, …), received "
            f"{len(noise)} and shapes {[np.shape(g) for g in gradients]}"
        )
    B = len(gradients[0])
    for g, z in zip(gradients, noise, strict=True):
        checks.shape("gradients", g, (B, *z.shape), because=f"noise has shape {z.shape}")
    norms = np.sqrt(sum((g.reshape(B, -1) ** 2).sum(axis=1) for g in gradients))  # (B,)
    factors = np.minimum(1, clip / np.maximum(norms, 1e-30))
    return [
        (np.tensordot(factors.astype(g.dtype), g, axes=1) + g.dtype.type(clip) * z) / B
        for g, z in zip(gradients, noise, strict=True)
    ]
