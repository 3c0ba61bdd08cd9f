"""What a training command shows while it works: loss, tokens per second, time left.

In a terminal a bar moves, as wide as there is room for. Elsewhere (a log, a pipe, a notebook) a
line is printed every so often.
"""

import time
from contextlib import contextmanager

import keras
import numpy as np

from kerasllm.utils import terminal
from kerasllm.utils.terminal import visible

EVERY = 30.0  # seconds from one line to the next
FIRST = 5.0  # seconds to the first one: it is known then how fast the steps are
_SHORTEST_BAR = 5


class Progress:
    """A live bar in a terminal; elsewhere a line every so often, and one a validation.

    Args:
        quiet: show nothing.
        console: a rich console; standard error when None.
        clock: () -> seconds.
    """

    def __init__(self, quiet=False, console=None, clock=time.monotonic):
        self.quiet, self.clock = quiet, clock
        self.console = console or terminal.console(error=True)
        self._bar = self._task = None

    def say(self, text, style=None):
        """Print a line; brackets in it are text, not markup."""
        if not self.quiet:
            self.warn(text, style)

    def warn(self, text, style=None):
        """Print what has to be known even where nothing else is shown."""
        whole = not self.console.is_terminal  # which would break a line within a word
        options = {"markup": False, "highlight": False, "soft_wrap": whole}
        self.console.print(visible(text), style=style, **options)

    @contextmanager
    def despite(self, what):
        """Warn where something that the result can do without could not be written."""
        try:
            yield
        except (OSError, MemoryError) as error:
            self.warn(f"warning: {what} could not be kept: {error or type(error).__name__}")

    def result(self, table):
        """Print the `Table` that the command was called for, on standard output."""
        if not self.quiet:
            table.print()

    @contextmanager
    def stage(self, name, steps, done=0):
        """Show a bar while a stage runs."""
        self._name, self._step, self._steps, self._done = name, done, steps, done
        self._began, self._due = self.clock(), self.clock() + FIRST
        seen = not self.quiet and self.console.is_terminal
        with _bar(self.console, seen, name, steps) as self._bar:
            self._task = self._bar.add_task(name, total=steps, completed=done, numbers="")
            yield
        self._bar = None

    def callback(self, stage):
        """Return a Keras callback that moves the bar."""
        return _Mover(self, stage.batches)

    def advance(self, loss, tokens_a_second):
        """Move the bar by one step, or print a line where one is due."""
        if self._bar is None:
            return
        self._step += 1
        numbers = f"loss {loss:.3f} {tokens_a_second:,.0f} tokens/s"
        self._bar.update(self._task, advance=1, numbers=numbers)
        if not self.console.is_terminal and self.clock() >= self._due:
            self._due = self.clock() + EVERY
            place = f"{self._name} step {self._step:,} of {self._steps:,}"
            self.say(f"  {place}: {numbers}, {self._left()}")

    def _left(self):
        """Return how long the stage still takes, in words."""
        done = self._step - self._done
        seconds = (self.clock() - self._began) / done * (self._steps - self._step)
        return (
            f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"
        )

    def row(self, row):
        """Print a validation."""
        if self.quiet:
            return
        numbers = "  ".join(
            f"{name.replace('_', ' ')} {value:.4g}"
            for name, value in row.items()
            if isinstance(value, float) and name not in ("seconds", "learning_rate")
        )
        self.say(f"  {row['stage']} step {row['step']}: {numbers}  ({row['seconds']:.0f} s)")


def silent():
    """Return a `Progress` that shows nothing, not even warnings: of a process beside the first."""
    return Progress(quiet=True, console=terminal.console(error=True, quiet=True))


def _bar(console, seen, name, steps):
    """Return a live bar that takes one line, however narrow the terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    numbers = "loss 99.999 999,999 tokens/s" if console.width >= 72 else ""
    room = console.width - len(f" {steps}/{steps} {numbers} 9:99:99 left") - 1
    shown = name if len(name) < room else name.partition(":")[0][: max(room, 7)]
    columns = [TextColumn(shown, markup=False)]
    if room - len(shown) > _SHORTEST_BAR:
        columns.append(BarColumn(min(40, room - len(shown) - 1)))
    columns.append(MofNCompleteColumn())
    if numbers:
        columns.append(TextColumn("{task.fields[numbers]}", markup=False))
    columns += [TimeRemainingColumn(), TextColumn("left")]
    return Bar(*columns, console=console, disable=not seen, transient=True)


class _Mover(keras.callbacks.Callback):
    def __init__(self, progress, batches):
        super().__init__()
        self.progress, self.batches = progress, batches
        self.began, self.steps = time.perf_counter(), 0
        inputs = batches.batch(0)[0]
        ids = inputs.get("ids", inputs.get("target")) if isinstance(inputs, dict) else inputs
        self.tokens = int(np.count_nonzero(ids))

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002 - Keras passes it
        self.steps += 1
        seconds = time.perf_counter() - self.began
        self.progress.advance(float(logs["loss"]), self.tokens * self.steps / seconds)
