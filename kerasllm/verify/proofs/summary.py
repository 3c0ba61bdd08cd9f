"""What a proof says of each function."""

import math
from typing import NamedTuple

from kerasllm.verify.proofs.equations import CASES_OF, EXEMPT, TRAJECTORIES

CHECKS = {
    "1": "1",
    "2 float64": "2 f64",
    "2 float32": "2 f32",
    "3 float64": "3 f64",
    "3 float32": "3 f32",
    "4": "4",
}


LEGEND = """\
Digits of agreement / digits that pass, the worst of all cases (random weights,
masks, directions).
1  backward by hand against centred differences, float64
2  forward against Keras
3  every gradient against automatic differentiation
4  weights of a twin trained beside Keras, after 300 steps in float64 or 10 in
   float32
Ulps / ulps that pass: on checks 2 and 3 the entry that is furthest from Keras',
in steps of its own size (if below 2^-20 of the largest entry, float32 2^-7: of
that size), as a power of 2."""
ULPS = {"float64": "ulps f64", "float32": "ulps f32"}

# What no proof of the equations can say, and what does.
BEYOND = {
    "a model that you trained": "kerasllm verify --model RUN",
    "whole backbones over 300 steps": "kerasllm verify --preset all",
    "other backends": "kerasllm verify --backend jax, and torch",
    "half precision, other devices than this one": "no proof; losses are watched in training",
}
BEYOND_QUICK = {
    "other cases (masks, directions, options), float32, training": "kerasllm verify",
}


class FunctionProof(NamedTuple):
    """What was found for one function.

    Attributes:
        name: of the function; its backward is part of the proof.
        topic: where it belongs.
        comparisons: number of compared arrays.
        digits: {check: (digits of agreement, digits that pass)} of the comparison that comes
            nearest to failing; the keys of `CHECKS`.
        ok: whether every comparison passes.
        ulps: {dtype: (most ulps of an entry, ulps that pass)} on checks 2 and 3.
    """

    name: str
    topic: str
    comparisons: int
    digits: dict
    ok: bool
    ulps: dict

    def cells(self, checks, dtypes=()):
        """Return the figures of each check and dtype and their bounds, "" where there are none."""
        digits = [beside(*self.digits[check]) if check in self.digits else "" for check in checks]
        return digits + [powers(*self.ulps[d]) if d in self.ulps else "" for d in dtypes]


def beside(digits, bound):
    """Return digits beside the bound that they are held to.

    Example:
        >>> beside(9.81, 8.0)
        '9.8/8'
    """
    return f"{digits:.1f}/{bound:.3g}"


def powers(ulps, bound):
    """Return ulps beside their bound, as powers of 2.

    Example:
        >>> powers(3000.0, 2.0**24), powers(0.0, 2.0**14)
        ('2^11.6/2^24', '0/2^14')
    """
    shown = f"2^{math.log2(ulps):.1f}" if ulps else "0"
    return f"{shown}/2^{math.log2(bound):.0f}"


def exempt():
    """Return {reason: functions} that have nothing to compare on the checks."""
    reasons = {}
    for name, reason in EXEMPT.items():
        reasons.setdefault(reason, []).append(name)
    return reasons


def not_covered(quick=False):
    """Return {what the proof does not cover: why, or what does}."""
    functions = {", ".join(names): reason for reason, names in exempt().items()}
    return (BEYOND_QUICK if quick else {}) | functions | BEYOND


def nearest_to_failing(rows):
    """Return (digits, digits that pass) of the row with the least to spare."""
    # A bar of 0 asks for the same bits, which is 16 digits.
    bounds = ((row.digits, -math.log10(max(row.bar, 1e-16))) for row in rows)
    return min(bounds, key=lambda pair: pair[0] - pair[1])


def covers():
    """Return {(whether of check 4, case name): its (topic, function or layer) pairs}.

    What check 4 trains belongs to the topic of its first case.
    """
    cases, home = {}, {}
    for topic, found in CASES_OF.items():
        for case in found:
            cases[False, case.name] = [(topic, name) for name in case.covers] + _layers(case)
            home |= {name: (topic, name) for name in case.covers if name not in home}
    return cases | {
        (True, one.name): [home.get(name, ("optimizers", name)) for name in one.covers]
        + _layers(one)
        for one in TRAJECTORIES
    }


def _layers(case):
    return [("layers", name) for name in case.layers]


def of_function(topic, name, rows):
    """Return the `FunctionProof` of the rows that concern a function."""
    checks = {}
    for row in rows:
        check = row.name[0]
        if check in "23":
            check += " float64" if "(float64)" in row.quantity else " float32"
        checks.setdefault(check, []).append(row)
    digits = {check: nearest_to_failing(found) for check, found in checks.items()}
    return FunctionProof(
        name, topic, len(rows), digits, all(row.ok for row in rows), _ulps_by_dtype(rows)
    )


def _ulps_by_dtype(rows):
    found = {}
    for row in rows:
        for dtype in ULPS:
            if f"({dtype})" in row.quantity and row.ulps_bar < math.inf:
                found.setdefault(dtype, []).append((row.ulps, row.ulps_bar))
    return {dtype: max(pairs, key=lambda pair: pair[0] / pair[1]) for dtype, pairs in found.items()}
