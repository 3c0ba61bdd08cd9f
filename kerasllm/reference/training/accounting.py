"""What a private training gives away at most: ε for a δ, of the Gaussian mechanism."""

import math

__all__ = ["gaussian_epsilon", "sampled_gaussian_epsilon"]

MOST_ORDER = 256  # of the moments that are tried


def gaussian_epsilon(noise, rounds, delta):
    """Return ε where every row takes part once in each round.

        μ = √rounds / σ                                                     of all rounds together
        δ(ε) = Φ(-ε/μ + μ/2) - e^ε Φ(-ε/μ - μ/2)                            solved for ε

    Nothing is assumed about how the rows were drawn: this holds for epochs of shuffled batches. A
    row is protected against being replaced by one whose gradient is 0.

    Args:
        noise: σ, the noise multiplier: the standard deviation of the noise, over the clip.
        rounds: how often a row takes part: the epochs.
        delta: δ, say a tenth of 1 / rows.

    Returns:
        ε, a number; infinite without noise.

    Raises:
        ValueError: a number out of its range.

    Example:
        >>> round(gaussian_epsilon(4.0, 4, 1e-5), 2)
        1.99

    Source:
        Balle and Wang, Improving the Gaussian mechanism (2018), theorem 8; Dong, Roth and Su,
        Gaussian differential privacy (2019), corollary 3.3.
    """
    _check(noise, rounds, delta)
    if rounds == 0:
        return 0.0
    if noise == 0:
        return math.inf
    mu = math.sqrt(rounds) / noise
    if mu > 35:  # e^ε would overflow before δ is reached
        return mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta))  # an upper bound
    low, high = 0.0, mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _delta(middle, mu) > delta else (low, middle)
    return high


def _delta(epsilon, mu):
    tail = 0.5 * math.erfc((epsilon / mu + mu / 2) / math.sqrt(2))
    inner = math.exp(epsilon + math.log(tail)) if tail > 0 else 0.0
    return 0.5 * math.erfc((epsilon / mu - mu / 2) / math.sqrt(2)) - inner


def sampled_gaussian_epsilon(noise, rate, steps, delta):
    """Return ε where every step draws each row by a coin of its own.

        R(α) = steps / (α - 1) · ln Σ_k C(α, k) (1 - q)^(α-k) q^k e^{k (k-1) / (2 σ²)}
        ε = min over α = 2, 3, … of  R(α) + ln((α - 1) / α) - ln(δ α) / (α - 1)

    Batches cut from a shuffled list are not such draws: for them `gaussian_epsilon` holds.

    Args:
        noise: σ, the noise multiplier.
        rate: q, the probability that a row is in a batch: mean batch size over rows.
        steps: how many.
        delta: δ, say a tenth of 1 / rows.

    Returns:
        ε, a number, an upper bound; infinite without noise.

    Raises:
        ValueError: a number out of its range.

    Example:
        >>> round(sampled_gaussian_epsilon(1.1, 256 / 60_000, 60 * 234, 1e-5), 2)
        2.59

    Source:
        Mironov, Talwar and Zhang, Rényi differential privacy of the sampled Gaussian mechanism
        (2019), 3.3; Canonne, Kamath and Steinke, The discrete Gaussian (2020), proposition 12.
    """
    _check(noise, steps, delta)
    if not 0 <= rate <= 1:
        raise ValueError(f"expected a rate from 0 to 1, received {rate}: batch size over rows")
    if steps == 0 or rate == 0:
        return 0.0
    if noise == 0:
        return math.inf
    found = []
    for order in range(2, MOST_ORDER + 1):
        moment = steps * _log_moment(order, rate, noise) / (order - 1)
        spent = moment + math.log1p(-1 / order) - math.log(delta * order) / (order - 1)
        found.append(spent)
    return max(0.0, min(found))


def _log_moment(order, rate, noise):
    """Return ln of the sum over k, computed by logarithms: its terms are huge."""
    terms = []
    for k in range(order + 1):
        if (rate == 1 and k < order) or not math.isfinite(noise):
            continue
        chosen = math.lgamma(order + 1) - math.lgamma(k + 1) - math.lgamma(order - k + 1)
        kept = (order - k) * math.log1p(-rate) if k < order else 0.0
        terms.append(chosen + kept + k * math.log(rate) + k * (k - 1) / (2 * noise**2))
    most = max(terms, default=0.0)
    return most + math.log(sum(math.exp(term - most) for term in terms)) if terms else 0.0


def _check(noise, rounds, delta):
    if not noise >= 0:
        raise ValueError(f"expected a noise multiplier of 0 or more, received {noise}")
    if not rounds >= 0:
        raise ValueError(f"expected 0 rounds or more, received {rounds}")
    if not 0 < delta < 1:
        raise ValueError(f"expected a delta between 0 and 1, received {delta}: say 1e-5")
