"""What the verbs share: common arguments, and flags made from settings."""

import dataclasses
import inspect
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

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
Quiet = Annotated[bool, typer.Option(help="print nothing but the result")]


def load_keras():
    """Load Keras and its backend without their start-up notices, which no setting silences."""
    import tempfile

    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            import keras

            keras.ops.ones(1)
            logging.getLogger("tensorflow").addFilter(_is_news)
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


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
