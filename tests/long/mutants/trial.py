"""What becomes of one mutant: it dies, it survives, or it is equal as far as the trials go."""

import time

from tests.long.mutants.watching import differ
from tests.long.mutants.workshop import first_failure_at_import, groups, planted, values


class Trial:
    """Call it with a site; it answers {"fate": "died", "equal" or "survived", "by": …}.

    Args:
        copy: the copy of the repository.
        zygote: a `Zygote` of that copy.
        known: the `Map` of that copy.
    """

    def __init__(self, copy, zygote, known):
        self.copy, self.zygote, self.known = copy, zygote, known
        self.reliable, self.moody = set(), set()

    def __call__(self, site):
        """Try a mutant."""
        began, source = time.monotonic(), (self.copy / site.file).read_bytes()
        tests = self._tests(site)
        by = self._killer(site, source, tests) if tests else ""
        fate = "died" if by else "survived"
        if not by:
            by = self._changed_value(site, source, tests) if tests else "no test runs this line"
            fate = "survived" if by else "equal"
        return {"fate": fate, "by": by, "seconds": round(time.monotonic() - began, 1)}

    def _tests(self, site):
        """Return the tests that run the mutant; those of its file if it runs at import alone."""
        tests = self.known.covering(site)
        if self._early(site):
            tests = tests or self.known.of_file(site.file)
        return tests if site.inside else tests | self.known.of_defaults()

    def _early(self, site):
        return not site.inside or self.known.runs_at_import(site)

    def _killer(self, site, source, tests):
        """Return the test that notices the mutant, "" if none does."""
        while True:
            tests = {test: seconds for test, seconds in tests.items() if test not in self.moody}
            by = self._first_failure(site, source, tests)
            if not by or by not in tests or self._passes(by, tests[by], site, source):
                return by
            self.moody.add(by)

    def _first_failure(self, site, source, tests):
        wrong = site.planted(source)
        # What runs at import alone has done its work before code can be exchanged.
        later = site.inside and self.known.covering(site)
        by = self.zygote.ask("first failure", site.file, wrong, tests) if later else ""
        if by or not self._early(site):
            return by
        with planted(self.copy, site.file, wrong):
            return first_failure_at_import(self.copy, tests)

    def _passes(self, test, seconds, site, source):
        """Whether a test passes without the mutant: on a busy machine some do not."""
        if test not in self.reliable:
            if self.zygote.ask("first failure", site.file, source, {test: seconds}):
                return False
            self.reliable.add(test)
        return True

    def _changed_value(self, site, source, tests):
        """Return the first value that a mutant changes, "" if it changes none."""
        for _, part in groups(tests):
            with planted(self.copy, site.file, source):
                right = values(self.copy, site.file, part)
            with planted(self.copy, site.file, site.planted(source)):
                wrong = values(self.copy, site.file, part)
            if right is None or wrong is None:
                return "its values could not be recorded"
            for test in sorted(right.keys() | wrong.keys()):
                before, after = right.get(test, []), wrong.get(test, [])
                pairs = zip(before, after, strict=False)
                changed = next((a[0] for a, b in pairs if differ(a, b)), "")
                if changed or len(before) != len(after):
                    return f"changes {changed or 'the calls'} in {test}"
        return ""
