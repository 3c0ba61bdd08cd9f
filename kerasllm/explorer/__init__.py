"""See inside a model in a browser: one HTML page that computes it, changes it and proves itself."""

import importlib

__all__ = ["explore", "page_of"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(f"{__name__}.page"), name)


def __dir__():
    return __all__
