"""What a training command shows while it works: loss, tokens per second, time left."""

import sys
import time
from contextlib import contextmanager

import keras
import numpy as np
import rich


class Progress:
    """A live bar in a terminal; one line a validation elsewhere.

    Args:
        quiet: show nothing.
        console: a rich console; standard error when None.
    """

    def __init__(self, quiet=False, console=None):
        from rich.console import Console

        self.quiet = quiet
        self.console = console or Console(file=sys.stderr)
        self._bar = self._task = None

    def say(self, text, style=None):
        """Print a line; brackets in it are text, not markup."""
        if not self.quiet:
            self.console.print(
                str(text), style=style, markup=False, highlight=False, soft_wrap=True
            )

    def warn(self, text):
        """Print what has to be known even where nothing else is shown."""
        self.console.print(str(text), markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def despite(self, what):
        """Warn where something that the result can do without could not be written."""
        try:
            yield
        except (OSError, MemoryError) as error:
            self.warn(f"warning: {what} could not be kept: {error or type(error).__name__}")

    def result(self, table):
        """Print what the command was called for, on standard output."""
        if not self.quiet:
            rich.get_console().print(table)

    @contextmanager
    def stage(self, name, steps, done=0):
        """Show a bar while a stage runs."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        shown = not self.quiet and self.console.is_terminal
        with Bar(*columns, console=self.console, disable=not shown, transient=True) as self._bar:
            self._task = self._bar.add_task(name, total=steps, completed=done, numbers="")
            yield
        self._bar = None

    def callback(self, stage):
        """Return a Keras callback that moves the bar."""
        return _Mover(self, stage.batches)

    def advance(self, loss, tokens_a_second):
        """Move the bar by one step."""
        if self._bar is not None:
            numbers = f"loss {loss:.3f}  {tokens_a_second:,.0f} tokens/s"
            self._bar.update(self._task, advance=1, numbers=numbers)

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
