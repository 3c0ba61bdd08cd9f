"""The settings, one file a command; those of a shape of task say how it is trained.

A shape is found by the file of this folder that defines it: whoever adds one adds a file.
"""

import functools
import importlib
import pkgutil

from kerasllm.training.settings.task import ShapeSettings

__all__ = ["settings_for", "shapes"]


@functools.cache
def shapes():
    """Return {task of the data sets: settings of the shape}, the shapes in order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found = [kind for module in modules for kind in vars(module).values() if _is_shape(kind)]
    return {kind.task: kind for kind in found}


def _is_shape(kind):
    return isinstance(kind, type) and issubclass(kind, ShapeSettings) and bool(kind.task)


def settings_for(task):
    """Return the settings of the shape that is trained on data sets for `task`.

    Raises:
        ValueError: there is no such shape.
    """
    if task not in shapes():
        raise ValueError(
            f"expected data for one of {sorted(shapes())}, received data for {task!r}: there is "
            "no task that is trained on them."
        )
    return shapes()[task]
