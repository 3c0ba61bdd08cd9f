"""Mutants as a gate: is a test red when one small thing in the equations is wrong?

    python -m tests.long mutants --seed 0 --count 200

A seed draws mutants of `kerasllm/reference`, `layers` and `verify` (`sites.py` says which changes
there are). Each is planted in a copy of the repository, and the tests that run its line are run
until one fails: the mutant has died. If none does, the same tests record what leaves the file, with
the mutant and without; a mutant that changes no value in them is equal, as far as the trials go. A
mutant on a line that no test runs has survived.

The rate is died / (died + survived). It is written into `figures/mutants.json` and, from there,
into docs/proof.md. A run that was broken off goes on where it stopped, from `figures/mutants.jsonl`
(committed); what died once is not tried again as long as the function around it is the same
(`--anew` forgets that).

Not drawn are `verify/mistakes` (they are mutants themselves) and `verify/proofs/cases` (the inputs
of checks, which may be any numbers).
"""

import argparse
import json
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]
FIGURES = Path(__file__).parents[1] / "figures" / "mutants.json"
NOT_DRAWN = ("kerasllm/verify/mistakes/", "kerasllm/verify/proofs/cases/")
BAR = 0.97


def main(arguments):
    """Try mutants, print what became of each, and write the figures; 0 if enough of them die."""
    parser = argparse.ArgumentParser(prog="python -m tests.long mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--count", type=int, default=200, help="mutants to try")
    parser.add_argument("--file", default="", help="only files whose path holds this")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--anew", action="store_true", help="forget earlier runs")
    parser.add_argument("--list", action="store_true", help="print the mutants, try none")
    options = parser.parse_args(arguments)
    chosen = drawn(options.seed, options.count, options.file)
    if options.list:
        print(*map(described, chosen), sep="\n")
        return 0
    done = try_all(chosen, options)
    figures = counted(done, options)
    print(sentence(figures))
    if not options.file:
        FIGURES.parent.mkdir(exist_ok=True)
        FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(figures["rate"] < BAR)


def drawn(seed, count=None, part=""):
    """Return the mutants that a seed draws."""
    from tests.long.mutants.sites import draw, sites
    from tests.long.mutants.workshop import SUBJECTS

    paths = sorted(p for folder in SUBJECTS for p in (ROOT / folder).rglob("*.py"))
    files = [p.relative_to(ROOT).as_posix() for p in paths]
    files = [file for file in files if part in file and not file.startswith(NOT_DRAWN)]
    return draw([site for file in files for site in sites(ROOT, file)], seed, count)


def described(site):
    """Return a mutant in one line."""
    old, new = (" ".join(text.split())[:70] for text in (site.old, site.new))
    place = f"{site.file.removeprefix('kerasllm/')}:{site.first} {site.function}"
    return f"{place}  [{site.kind}] {old} → {new or '(nothing)'}"


def try_all(chosen, options):
    """Try mutants in turn; return {key: result} of those that were tried."""
    from tests.long.mutants.mapping import Map
    from tests.long.mutants.trial import Trial
    from tests.long.mutants.workshop import Zygote, workshop

    folder, done = ROOT / "build" / "mutants", {}
    folder.mkdir(parents=True, exist_ok=True)
    with workshop(ROOT) as copy:
        zygote, known = Zygote(copy), Map(folder / "map.json", copy)
        known.complete(zygote)
        print(f"{len(known.failed())} tests fail or are skipped without any mutant", flush=True)
        trial = Trial(copy, zygote, known)
        results = _Results(FIGURES.with_suffix(".jsonl"), known.state(), options.anew)
        until = time.monotonic() + 60 * options.minutes
        for k, site in enumerate(chosen, 1):
            if site.key not in results.kept and time.monotonic() > until:
                continue
            result = results.kept.get(site.key) or results.add(site, trial(site))
            done[site.key] = {**result, "mutant": described(site)}
            print(f"{k:>4} {result['fate']:<9} {result['seconds']:6.1f} s  {described(site)}"
                  f"  | {result['by']}", flush=True)  # fmt: skip
        zygote.close()
    return done


def counted(done, options):
    """Return the figures of a run."""
    fates = [result["fate"] for result in done.values()]
    counts = {fate: fates.count(fate) for fate in ("died", "survived", "equal")}
    named = {
        fate: [f"{r['mutant']}  ({r['by']})".replace("  ()", "") for r in done.values()
               if r["fate"] == fate]
        for fate in ("survived", "equal")
    }  # fmt: skip
    return {
        "command": f"python -m tests.long mutants --seed {options.seed} --count {options.count}",
        "seed": options.seed,
        "tried": len(done),
        **counts,
        "rate": round(counts["died"] / max(counts["died"] + counts["survived"], 1), 4),
        "minutes": round(sum(result["seconds"] for result in done.values()) / 60),
        "survivors": named["survived"],
        "equals": named["equal"],
    }


def sentence(figures):
    """Return the figures in a sentence."""
    return (
        f"{figures['tried']} mutants in {figures['minutes']} minutes: {figures['equal']} change no "
        f"value, and of the other {figures['died'] + figures['survived']} die {figures['died']}, "
        f"{100 * figures['rate']:.1f} %."
    )


class _Results:
    """What became of earlier mutants, a line each in a file."""

    def __init__(self, path, state, anew):
        self.path, self.state = path, state
        if anew:
            path.unlink(missing_ok=True)
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        kept = [json.loads(line) for line in lines if line.endswith("}")]
        # What has not died is tried again when the tests have changed since.
        self.kept = {r["key"]: r for r in kept if r["fate"] == "died" or r["state"] == state}

    def add(self, site, result):
        result = {"key": site.key, "state": self.state, **result}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        return result
