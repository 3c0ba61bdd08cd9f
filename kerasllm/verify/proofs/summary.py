"""What a proof says of each function."""

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
Digits of agreement, the worst of all cases (random weights, masks, directions).
1  backward by hand against centred differences, float64: 8 digits pass
2  forward against Keras: 12 digits in float64, 5 in float32
3  every gradient against automatic differentiation: 10 digits, 4 in float32
4  weights of a twin trained beside Keras: 9 digits after 300 steps in float64,
   4 after 10 steps in float32"""


class FunctionProof(NamedTuple):
    """What was found for one function.

    Attributes:
        name: of the function; its backward is part of the proof.
        topic: where it belongs.
        comparisons: number of compared arrays.
        digits: {check: worst digits of agreement}, the keys of `CHECKS`.
        ok: whether every comparison passes.
    """

    name: str
    topic: str
    comparisons: int
    digits: dict
    ok: bool

    def cells(self, checks):
        """Return the digits of each check as text, "" where there are none."""
        return [f"{self.digits[check]:.1f}" if check in self.digits else "" for check in checks]


def exempt():
    """Return {reason: functions} that have nothing to compare on the checks."""
    reasons = {}
    for name, reason in EXEMPT.items():
        reasons.setdefault(reason, []).append(name)
    return reasons


def covers():
    """Return {(whether of check 4, case name): its (topic, function) pairs}.

    What check 4 trains belongs to the topic of its first case.
    """
    cases, home = {}, {}
    for topic, found in CASES_OF.items():
        for case in found:
            cases[False, case.name] = [(topic, name) for name in case.covers]
            home |= {name: (topic, name) for name in case.covers if name not in home}
    return cases | {
        (True, one.name): [home.get(name, ("optimizers", name)) for name in one.covers]
        for one in TRAJECTORIES
    }


def of_function(topic, name, rows):
    """Return the `FunctionProof` of the rows that concern a function."""
    digits = {}
    for row in rows:
        check = row.name[0]
        if check in "23":
            check += " float64" if "(float64)" in row.quantity else " float32"
        digits[check] = min(row.digits, digits.get(check, 16.0))
    return FunctionProof(name, topic, len(rows), digits, all(row.ok for row in rows))
