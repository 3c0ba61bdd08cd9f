"""See inside a model in a browser: one HTML page that computes it, changes it and proves itself."""

import importlib

_OF = {"explore": "page", "page_of": "page", "show": "showing"}
__all__ = list(_OF)


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(f"{__name__}.{_OF[name]}"), name)


def __dir__():
    return __all__
