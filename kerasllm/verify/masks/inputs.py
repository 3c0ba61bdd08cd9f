"""Which inputs of a model are texts, and random texts for it."""

import keras
import numpy as np

from kerasllm.verify.twins import graph

TEXTS, STEPS = 5, 7


def text_inputs(model):
    """Return the places of the inputs that are texts: ids of an embedding, or features (B, T, D).

    Raises:
        ValueError: there is none.
    """
    places = [
        place
        for place, symbol in enumerate(graph.functional(model)._inputs)
        if len(symbol.shape) == 3 or (len(symbol.shape) == 2 and vocabulary(model, place))
    ]
    if not places:
        shapes = [tuple(symbol.shape) for symbol in graph.functional(model)._inputs]
        raise ValueError(
            "expected a model that reads texts, token ids (B, T) or features (B, T, D), received "
            f"one of vectors: {shapes}."
        )
    return places


def vocabulary(model, place):
    """Return the size of the smallest embedding that reads an input, or None."""
    model = graph.functional(model)
    symbol, sizes = model._inputs[place], []
    for nodes in model._nodes_by_depth.values():
        for node in nodes:
            read = [k for k, x in enumerate(node.arguments.keras_tensors) if x is symbol]
            sizes += [size for k in read if (size := _size(node.operation, k))]
    return min(sizes, default=None)


def _size(layer, place):
    """Return how many ids a layer knows, or a model at one of its inputs."""
    if isinstance(layer, keras.Model):
        return vocabulary(layer, place)
    size = getattr(layer, "vocabulary_size", getattr(layer, "input_dim", None))
    return size if isinstance(size, int) else None


def draw(model, texts, seed):
    """Return random inputs: texts of full length, each input of another length.

    Integers that are no ids stay below 2: as positions they are within the shortest text.
    """
    rng = np.random.default_rng(seed)
    limits = [getattr(layer, "max_length", None) for layer in model._flatten_layers()]
    longest = min([STEPS + len(texts) - 1, *(n for n in limits if n)])
    arrays = []
    for place, symbol in enumerate(graph.functional(model)._inputs):
        _, *sizes = symbol.shape
        steps = longest - texts.index(place) if place in texts else 3
        shape = (TEXTS, *(size or steps for size in sizes))
        if "int" not in symbol.dtype and len(shape) == 3:
            arrays.append(rng.standard_normal(shape).astype(symbol.dtype))
        else:
            below = vocabulary(model, place) if place in texts else 2
            arrays.append(rng.integers(min(1, below - 1), below, shape).astype(symbol.dtype))
    return arrays
