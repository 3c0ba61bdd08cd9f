"""The learning rate of a training from new weights, where nobody says one.

Wider layers add up more terms and want smaller steps; few steps must be large ones. The numbers are
those of `benchmarks/rates.py`, on validation text.
"""

PEAK = 0.5  # the rate of a layer as wide as 1, of a short training
SHORT = 1000  # steps, up to which the rate is the highest
LOWEST, HIGHEST = 3e-4, 1e-2


def rate_for(width, steps):
    """Return the learning rate that suits a width and a number of steps, two digits of it.

        η = 0.5 / width                            steps ≤ 1000
        η = 0.5 / width · (1000 / steps)^¼         more steps

    but no less than 0.0003, and no more than 0.01.

    Args:
        width: units of a recurrent layer, features of a Transformer.
        steps: of the whole training.

    Example:
        >>> [rate_for(width, 1000) for width in (9, 64, 256, 4096)], rate_for(256, 16_000)
        ([0.01, 0.0078, 0.002, 0.0003], 0.00098)
    """
    rate = PEAK / width * min(1, SHORT / steps) ** 0.25
    return min(HIGHEST, max(LOWEST, float(f"{rate:.2g}")))
