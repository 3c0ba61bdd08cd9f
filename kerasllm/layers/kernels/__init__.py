"""What needs a backend's own functions: the only place of the layers where one is imported."""

import importlib

import keras


def backend():
    """Return the kernels of the backend that Keras runs on."""
    return importlib.import_module(f"{__name__}.of_{keras.backend.backend()}")
