"""What the verbs share: common arguments, and flags made from settings."""

import contextlib
import dataclasses
import gc
import inspect
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli import launching
from kerasllm.cli.command import run
from kerasllm.training.settings import settings_for, shapes
from kerasllm.utils.terminal import say

RunFolder = Annotated[Path, typer.Argument(help="a run folder", show_default=False)]
Data = Annotated[
    str,
    typer.Argument(
        help="name of a data set, or path of a file; its options behind a question mark: "
        "'reviews.csv?text=review&label=stars'",
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option(help="go on where the run was cut off")]
Overwrite = Annotated[bool, typer.Option(help="lose what an earlier call left there")]
Processes = Annotated[
    int, typer.Option(help="processes that train together on this machine (JAX; docs/scale.md)")
]
Quiet = Annotated[bool, typer.Option(help="print nothing but the result")]


# Keras imports these for wrappers and pictures that no verb uses, and does without where they are
# not installed: with SciPy and pandas behind them they take 2 s of 5 on a slow machine.
UNUSED_BY_KERAS = ("sklearn", "matplotlib")


def begin_training(processes=1):
    """Load Keras for a training: in this process, or in several, which are waited for here.

    Args:
        processes: how many are asked for; a launcher may have started several already.
    """
    if launching.must_launch(processes):
        raise typer.Exit(launching.launch(sys.argv[1:], processes))
    load_keras(together=True)


def load_keras(together=False):
    """Load Keras and its backend alone, and without their start-up notices.

    No setting silences these notices, or keeps Keras from importing `UNUSED_BY_KERAS`.

    Args:
        together: join the processes that a launcher started beside this one.
    """
    import tempfile

    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            with _hidden(UNUSED_BY_KERAS), _kept():
                import keras

            if together:
                from kerasllm.training.engine.processes import join

                join()
            keras.ops.ones(1)
            keras.config.disable_traceback_filtering()  # which rewords the errors of layers
            logging.getLogger("tensorflow").addFilter(_is_news)
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def _hidden(packages):
    """Let an import of these packages fail as if they were not installed, unless it was done."""
    names = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


@contextlib.contextmanager
def _kept():
    """Let the garbage collector pass over what is loaded: it stays until the process ends.

    This saves a second while Keras is loaded, and another when the interpreter ends.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _is_news(record):
    """Drop TensorFlow's advice on retracing: texts have many lengths here, on purpose."""
    return "tf.function retracing" not in record.getMessage()


def settings_flags(kind, example):
    """Give a verb one flag for each field of a settings dataclass, and an example in its help."""

    def decorate(function):
        own = [p for p in inspect.signature(function).parameters.values() if p.name != "settings"]
        fields = dataclasses.fields(kind)
        extra = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=Annotated[field.type, typer.Option(help=field.metadata["help"])],
            )
            for field in fields
        ]

        def verb(**given):
            values = {field.name: given.pop(field.name) for field in fields}
            return function(settings=kind(**values), **given)

        verb.__signature__ = inspect.Signature(
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + extra
        )
        verb.__doc__ = f"{function.__doc__}\n\n\b\nExample: {example}"
        verb.__name__ = function.__name__
        return verb

    return decorate


# A verb whose flags depend on its data passes them on: they are parsed once that is known.
PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def flags_of_the_data(example):
    """Give a verb the flags of the shape of task that its data is for.

    The data is the verb's last argument. Without it the help page says where the flags are.
    """

    def decorate(function):
        own = inspect.signature(function).parameters.values()
        names = [p.name for p in own if _is_argument(p.annotation)]

        def verb(context: typer.Context):
            words = _positional(context.args)
            if len(words) < len(names):
                _explain(context, names)
            from kerasllm import datasets

            shape = settings_for(datasets.task_of(words[len(names) - 1]))
            inner = typer.Typer(add_completion=False, rich_markup_mode="rich")
            inner.command()(settings_flags(shape, example)(function))
            run(inner, f"kerasllm {context.info_name}", context.args)

        place = " ".join(name.upper() for name in names)
        verb.__name__ = function.__name__
        verb.__doc__ = (
            f"{function.__doc__}\n\n    The flags depend on the data: see "
            f"kerasllm {function.__name__} {place} --help.\n\n\b\nExample: {example}"
        )
        return verb

    return decorate


def _is_argument(annotation):
    found = getattr(annotation, "__metadata__", ())
    return any(isinstance(part, typer.models.ArgumentInfo) for part in found)


def _explain(context, names):
    """Print the general help of a verb that lacks an argument, and end."""
    asked = not context.args or "--help" in context.args
    typer.echo(context.get_help(), err=not asked)
    if not asked:
        say(f"expected {' and '.join(name.upper() for name in names)}", error=True)
    raise typer.Exit(0 if asked else 2)


def _positional(words):
    """Return the words of a command line that are no flags and no values of flags."""
    switches, found, skip = _switches(), [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("--"):
            skip = "=" not in word and word not in switches
        else:
            found.append(word)
    return found


def _switches():
    """Return the flags that take no value, of all shapes."""
    fields = [field for shape in shapes().values() for field in dataclasses.fields(shape)]
    names = {field.name for field in fields if field.type in (bool, bool | None)}
    names |= {"resume", "overwrite", "quiet", "help"}
    return {f"--{off}{name.replace('_', '-')}" for name in names for off in ("", "no-")}
