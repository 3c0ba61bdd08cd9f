"""What `kerasllm verify` says before and while it works: what is proven, how long, how far.

- It is said before Keras is loaded, which takes seconds: nothing here needs Keras.
- `Progress` gives a sign of life every second in a terminal, every ten in a file, also while one
  comparison takes long: a thread of its own writes it.
"""

import threading
import time
from contextlib import contextmanager
from pathlib import Path

# Seconds of one processor core, measured with TensorFlow; JAX compiles each equation first.
SECONDS = {
    "elementary": 2, "recurrent": 14, "losses": 1, "optimizers": 1, "attention": 3,
    "transformer": 3, "llama": 3, "decoder": 6, "sequence": 1, "layers": 6, "training": 56,
}  # fmt: skip
LOADING, QUICKLY = 6, 4  # importing Keras; the comparisons of --quick
SLOWER = {"tensorflow": 1, "jax": 6, "torch": 1}  # than TensorFlow
PRESET_SECONDS = {"tiny": 40, "small": 240, "base": 900}
PRINTED_EVERY = 10  # seconds, where there is no terminal


def announcement(model=None, preset=None, quick=False, backend="tensorflow"):
    """Return what will be proven and about how long that takes, in two lines.

    Args:
        model: a run folder that is proven in the place of the equations.
        preset: preset whose backbones are trained beside their twins, or "all".
        quick: whether only one case of each equation is proven.
        backend: the one that Keras runs on.
    """
    if model is not None:
        covers = f"{model}: each layer's output, the loss, every gradient, 3 optimizer steps"
        return _told(covers, LOADING + _run_seconds(model))
    if preset is not None:
        names = PRESET_SECONDS if preset == "all" else [preset]
        covers = f"the backbones of {', '.join(names)}: 300 optimizer steps beside their twins"
        return _told(covers, sum(PRESET_SECONDS.get(name, 0) for name in names))
    seconds = QUICKLY if quick else sum(SECONDS.values())
    covers = "one case of each equation, forward, backward and gradients, without training"
    if not quick:
        covers = f"every equation in every case, in {len(SECONDS) - 1} topics, and their training"
    return _told(covers, LOADING + seconds * SLOWER.get(backend, 1))


def _told(covers, seconds):
    return f"Proves {covers}.\nTakes about {_duration(seconds)} of one free core. Loading Keras …"


def _run_seconds(run):
    """Return how long a run takes, by the size of its weights: 0.6 MB 3 s, 4 MB 6 s, 44 MB 22 s."""
    file = Path(run) / "model.keras"
    return 4 + 0.45e-6 * (file.stat().st_size if file.exists() else 0)


def _duration(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


class Progress:
    """Lines and signs of life on a console; without one, nothing.

    Args:
        console: a rich console or None.
        seconds: {topic: expected seconds} of all work, from which the time left follows.
    """

    def __init__(self, console=None, seconds=None):
        self.console, self.seconds = console, dict(seconds or {})
        self.began = time.perf_counter()
        self.topic, self.done, self.count, self.step, self.finished = "", 0, 1, "", 0.0

    def begin(self, topic, count):
        """Begin a topic of so many steps."""
        self.topic, self.done, self.count, self.step = topic, 0, count, ""
        self.topic_began = time.perf_counter()

    def advance(self, step):
        """Begin a step of the topic."""
        self.done += bool(self.step)
        self.step = step

    def end(self, rows):
        """End the topic: print its line."""
        self.finished += self.seconds.get(self.topic, 0)
        self.step, self.done, self.count = "", 0, 1
        if self.console is None:
            return
        from rich.text import Text

        failed = sum(not row.ok for row in rows)
        sign = ("✗", "bold red") if failed else ("✓", "green")
        wrong = (f"  {failed} fail" if failed else "", "bold red")
        seconds = time.perf_counter() - self.topic_began
        line = f" {self.topic:<12}{len(rows):>5} comparisons {seconds:5.1f} s"
        self.console.print(Text.assemble(sign, line, wrong))

    def text(self):
        """Return where the work stands, in one line."""
        elapsed = time.perf_counter() - self.began
        place = f"{self.topic} {self.done + 1} of {self.count}: {self.step}" if self.step else "…"
        return f"{place}  {elapsed:.0f} s, {self._left(elapsed)}"

    def _left(self, elapsed):
        """Say how long the rest takes: by what was expected, then by what was seen."""
        whole = sum(self.seconds.values())
        done = self.finished + self.seconds.get(self.topic, 0) * self.done / self.count
        if not whole:
            return "working"
        seen = elapsed / done if done > 0.05 * whole else 1.0
        return f"about {_duration(max((whole - done) * seen, 1))} left"

    @contextmanager
    def alive(self):
        """Show `text()` every so often while the block lasts."""
        if self.console is None:
            yield self
            return
        ended = threading.Event()
        every = 1 if self.console.is_terminal else PRINTED_EVERY
        with self.console.status("…") as status:
            thread = threading.Thread(target=self._show, args=(ended, every, status), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                ended.set()
                thread.join()

    def _show(self, ended, every, status):
        from rich.text import Text

        while not ended.wait(every):
            if self.console.is_terminal:
                status.update(Text(self.text()))
            else:
                self.console.print(f"  {self.text()}", markup=False, highlight=False)
