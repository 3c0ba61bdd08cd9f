"""Which test runs which line: made once for each test file, and made anew where code has changed.

A part of the map belongs to a file of tests. It holds as long as that file and all subjects that
its tests run are what they were.
"""

import hashlib
import json
import os


class Map:
    """The parts of the map on disk, and what they say together.

    Args:
        path: the file of the map.
        copy: the copy of the repository that it is a map of.
    """

    def __init__(self, path, copy):
        self.path, self.copy, self.parts = path, copy, {}
        if path.exists():
            self.parts = json.loads(path.read_text("utf-8"))

    def complete(self, zygote):
        """Make what is missing or out of date; each part is written as soon as it is there."""
        files = zygote.ask("files")
        stale = [file for file in files if not self._holds(file)]
        for k, file in enumerate(stale, 1):
            print(f"mapping {k} of {len(stale)}: {file}", flush=True)
            self.parts[file] = self._part(file, zygote.ask("map", file))
            self._write()
        self.parts = {file: part for file, part in self.parts.items() if file in files}
        self.at_import = zygote.at_import

    def _part(self, file, found):
        if found is None:
            raise RuntimeError(f"the tests of {file} did not end")
        tests = list(found["seconds"])
        number = {test: k for k, test in enumerate(tests)}
        lines = {
            subject: {line: [number[t] for t in ran if t] for line, ran in seen.items()}
            for subject, seen in found["lines"].items()
        }
        return {
            "hashes": {name: self._hash(name) for name in (file, *lines)},
            "tests": tests,
            "seconds": list(found["seconds"].values()),
            "failed": found["failed"],
            "lines": lines,
        }

    def _holds(self, file):
        part = self.parts.get(file)
        return part and all(self._hash(name) == h for name, h in part["hashes"].items())

    def _hash(self, name):
        path = self.copy / name
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""

    def _write(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.parts), "utf-8")
        os.replace(part, self.path)

    def failed(self):
        """Return the tests that fail or are skipped without any mutant."""
        return [test for part in self.parts.values() for test in part["failed"]]

    def covering(self, site):
        """Return {test: processor seconds} of the tests that run a line of a mutant."""
        lines = range(site.first, site.last + 1)
        return self._tests(site.file, lambda line: line in lines)

    def runs_at_import(self, site):
        """Whether a line of the mutant runs when its file is imported."""
        ran = self.at_import.get(site.file, [])
        return any(site.first <= line <= site.last for line in ran)

    def of_defaults(self):
        """Return {test: processor seconds} of the tests that look at what functions are given."""
        found = {}
        for file, part in self.parts.items():
            if file.endswith("test_defaults.py"):
                found |= dict(zip(part["tests"], part["seconds"], strict=True))
        return found

    def of_file(self, file):
        """Return {test: processor seconds} of the tests that run any line of a file."""
        return self._tests(file, lambda line: True)

    def _tests(self, file, wanted):
        found = {}
        for part in self.parts.values():
            for line, ran in part["lines"].get(file, {}).items():
                if wanted(int(line)):
                    found |= {part["tests"][k]: part["seconds"][k] for k in ran}
        return found

    def state(self):
        """Return a hash of all that the map depends on."""
        text = json.dumps({file: part["hashes"] for file, part in sorted(self.parts.items())})
        return hashlib.sha256(text.encode()).hexdigest()[:12]
