"""What is seen of a training: a bar of one line in a terminal, a line every so often elsewhere."""

import io
import re

import pytest

from kerasllm.training.engine import progress
from kerasllm.training.engine.progress import Progress
from kerasllm.utils.terminal import console


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


def log_of(steps, seconds, done=0, **options):
    """Return the lines that a stage of so many steps prints into a file."""
    stream, clock = io.StringIO(), Clock()
    report = Progress(console=console(file=stream, width=80), clock=clock, **options)
    with report.stage("training", steps, done):
        for _ in range(steps - done):
            clock.seconds += seconds
            report.advance(2.5, 12345.6)
    return stream.getvalue().splitlines()


def test_a_log_gets_a_line_every_so_often():
    lines = log_of(1000, 0.5)
    assert lines[0] == ("  training step 10 of 1,000: loss 2.500 12,346 tokens/s, about 8 min left")
    steps = [int(re.search(r"step ([\d,]+)", line)[1].replace(",", "")) for line in lines]
    assert steps == list(range(10, 1000, 60))  # after 5 s, then every 30
    assert lines[-1].endswith("about 15 s left")
    assert max(map(len, lines)) <= 80


def test_a_slow_step_is_told_at_once():
    assert len(log_of(5, 100)) == 5


def test_what_is_left_counts_the_steps_of_this_call_alone():
    assert "step 910 of 1,000" in log_of(1000, 0.5, done=900)[0]
    assert "about 45 s left" in log_of(1000, 0.5, done=900)[0]


def test_a_short_training_prints_no_line_and_quiet_none_at_all():
    assert log_of(9, 0.5) == []
    assert log_of(1000, 1.0, quiet=True) == []


@pytest.mark.parametrize("width", [40, 60, 72, 80, 100, 200])
@pytest.mark.parametrize("steps", [9, 1_000, 100_000])
@pytest.mark.parametrize(
    "name", ["stage 0: all weights", "stage 12: head and corrections of rank 8"]
)
def test_the_bar_takes_one_line_and_breaks_no_number(width, steps, name):
    stream = io.StringIO()
    screen = console(file=stream, width=width, force_terminal=True, color_system=None)
    bar = progress._bar(screen, True, name, steps)
    bar.add_task(name, total=steps, completed=7, numbers="loss 12.345 999,999 tokens/s")
    screen.print(bar.get_renderable())
    (line,) = filter(None, stream.getvalue().splitlines())
    assert len(line) <= width and "…" not in line
    assert line.startswith(name.split(":")[0])
    assert f"7/{steps}" in line.replace(" ", "") and "left" in line
    assert ("loss 12.345 999,999 tokens/s" in line) == (width >= 72)
