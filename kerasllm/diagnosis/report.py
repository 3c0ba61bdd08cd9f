"""What is installed, what is missing, what is known to go wrong, and the cure for each.

- Works with packages missing: versions are read from their metadata, nothing is imported.
- The backend is started in another process, for a broken one may take the whole process down.
"""

import os
import platform
import re
from dataclasses import asdict, dataclass
from importlib import metadata

from kerasllm.diagnosis import checks as examine
from kerasllm.diagnosis.checks import NOTE, OK, PROBLEM, Check

REQUIRED = {
    "keras": "3.14.1", "numpy": "2.0", "nltk": "3.9.2", "matplotlib": "3.10.8",
    "tokenizers": "0.21", "scikit-learn": "1.6", "threadpoolctl": "3.5", "scipy": "1.15",
    "h5py": "3.11", "sacrebleu": "2.5", "rouge-score": "0.1.2", "typer": "0.26", "rich": "13.9",
    "charset-normalizer": "3.3",
}  # fmt: skip
BACKENDS = {"tensorflow": "2.20", "jax": "0.5", "torch": "2.4"}

# (package, below this version, other package, from this version, what happens, cure)
BAD_PAIRS = (
    ("tensorflow", "2.18", "numpy", "2", "was built for NumPy 1", "pip install -U tensorflow"),
    ("tensorflow", "2.16", "keras", "3", "brings Keras 2", "pip install -U tensorflow keras"),
    ("torch", "2.3", "numpy", "2", "was built for NumPy 1", "pip install -U torch"),
    ("jax", "0.4.26", "numpy", "2", "was built for NumPy 1", "pip install -U jax"),
    ("scikit-learn", "1.4.2", "numpy", "2", "was built for NumPy 1", "pip install -U scikit-learn"),
    ("matplotlib", "3.9", "numpy", "2", "was built for NumPy 1", "pip install -U matplotlib"),
)


@dataclass(frozen=True)
class DoctorReport:
    """All checks. `ok` is False if one of them is a problem."""

    checks: tuple[Check, ...]

    @property
    def problems(self) -> tuple[Check, ...]:
        """The checks that need a cure."""
        return tuple(check for check in self.checks if check.status == PROBLEM)

    @property
    def ok(self) -> bool:
        """Whether nothing needs a cure."""
        return not self.problems

    def to_json(self) -> dict:
        """Return plain values."""
        return {"ok": self.ok, "checks": [asdict(check) for check in self.checks]}

    def __str__(self):
        marks = {OK: "  ", NOTE: "i ", PROBLEM: "! "}
        lines = []
        for check in self.checks:
            lines.append(f"{marks[check.status]}{check.name:<18} {check.found}")
            if check.cure:
                lines.append(f"{'':<20} -> {check.cure}")
        count = len(self.problems)
        lines.append("All is well." if self.ok else f"{count} problem{'s' * (count > 1)}, see '!'.")
        return "\n".join(lines)


def doctor(show: bool = True, probe: bool = True) -> DoctorReport:
    """Look at this installation and print what is found, with a cure for each problem.

    Args:
        show: print the report.
        probe: start the backend, to name its devices; takes some seconds.

    Returns:
        `DoctorReport`.

    Example:
        >>> report = doctor(show=False, probe=False)
        >>> report.checks[0].name
        'python'
    """
    versions = installed_versions()
    checks = [_python(), *_packages(versions), *_bad_pairs(versions), *examine.settings()]
    checks += examine.backend() if probe else []
    checks += [examine.font(), *examine.data(), examine.cache(), examine.terminal()]
    report = DoctorReport(tuple(checks))
    if show:
        print(report)
    return report


def installed_versions() -> dict[str, str | None]:
    """Return the version of every package that matters here, None for one that is missing."""
    versions = {name: _version(name) for name in (*REQUIRED, *BACKENDS)}
    if versions["tensorflow"] is None:  # the same library under other names
        others = (_version(name) for name in ("tensorflow-cpu", "tf-nightly", "tensorflow-intel"))
        versions["tensorflow"] = next((v for v in others if v), None)
    return versions


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _older(version, limit):
    return _numbers(version) < _numbers(limit)


def _numbers(version):
    """Return the leading numbers of a version: '2.13.0+cpu' is (2, 13, 0)."""
    return tuple(int(part) for part in re.match(r"[\d.]*", version)[0].strip(".").split("."))


def _python():
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, "
    found += f"{os.cpu_count()} cores"
    return Check("python", found)


def _packages(versions):
    for name, lowest in REQUIRED.items():
        yield _package(name, versions[name], lowest)
    for name, lowest in BACKENDS.items():
        if versions[name] is None and name != "tensorflow":  # the others are a choice
            cure = f"to use it: pip install {name}"
            yield Check(name, "not installed (an optional backend)", NOTE, cure)
        else:
            yield _package(name, versions[name], lowest)


def _package(name, version, lowest):
    cure = f"pip install -U '{name}>={lowest}'"
    if version is None:
        return Check(name, "missing", PROBLEM, cure)
    if _older(version, lowest):
        return Check(name, f"{version}, older than {lowest}", PROBLEM, cure)
    return Check(name, version)


def _bad_pairs(versions):
    for name, below, other, since, what, cure in BAD_PAIRS:
        version, other_version = versions[name], versions[other]
        if not (version and other_version) or _older(other_version, since):
            continue
        if _older(version, below):
            found = f"{name} {version} {what}, found {other} {other_version}"
            yield Check(f"{name} + {other}", found, PROBLEM, cure)
