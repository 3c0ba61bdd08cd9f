"""Losses and metrics of Keras for models that give logits.

A cross-entropy of Keras takes probabilities unless told otherwise, and given logits it sticks or
becomes NaN without a word. The tasks always give logits: what takes probabilities is told so, or
refused.
"""

import inspect
import math

import keras

# They have no form for logits.
_OF_PROBABILITIES = (
    "KLDivergence", "Poisson", "Dice", "Tversky", "CategoricalGeneralizedCrossEntropy",
)  # fmt: skip


def losses_of_logits(given):
    """Return losses as `compile` takes them, those of Keras told that they are given logits.

    Args:
        given: a name, a function or an object, None, or a dict or list of these.

    Raises:
        ValueError: an unknown name, or a loss that takes probabilities only.

    Example:
        >>> losses_of_logits("sparse_categorical_crossentropy").get_config()["from_logits"]
        True
    """
    return _each(given, keras.losses)


def metrics_of_logits(given):
    """Return metrics as `compile` takes them, those of Keras told that they are given logits."""
    return _each(given, keras.metrics)


def _each(given, module):
    if isinstance(given, dict):
        return {name: _each(part, module) for name, part in given.items()}
    if isinstance(given, list | tuple):
        return [_each(part, module) for part in given]
    return _told(given, module)


def _told(given, module):
    """Return a loss or metric of Keras that takes logits; all others as they are."""
    kind = _kind(given, module)
    if kind is None:
        return given
    if kind.__name__ in _OF_PROBABILITIES:
        raise ValueError(
            f"{kind.__name__} takes probabilities, and this model gives logits: leave it out for "
            "the task's own, or put keras.activations.softmax into a function of yours."
        )
    if getattr(given, "from_logits", False):
        return given
    config = {} if inspect.isclass(given) or not hasattr(given, "get_config") else _config(given)
    if "from_logits" in inspect.signature(kind).parameters:
        return kind(**{**config, "from_logits": True})
    if kind.__name__ == "BinaryAccuracy":
        p = config.get("threshold", 0.5)
        return kind(**{**config, "threshold": math.log(p / (1 - p))})
    return given


def _config(given):
    """Return the arguments of a loss or metric, with an axis that its own config leaves out."""
    return {**given.get_config(), **getattr(given, "_fn_kwargs", {})}


def check_targets(loss, y, y_pred):
    """Raise for a loss of Keras that would compare numbers of classes with scores one by one.

    Raises:
        ValueError: targets of fewer dimensions than the logits.
    """
    kind = _kind(loss, keras.losses) if isinstance(loss, keras.losses.Loss) else None
    ranks = [len(getattr(part, "shape", ())) for part in (y, y_pred)]
    if kind is None or kind.__name__.startswith("Sparse") or not 0 < ranks[0] < ranks[1]:
        return
    raise ValueError(
        f"{kind.__name__} compares targets with logits one by one, received targets of shape "
        f"{tuple(y.shape)} and logits of shape {tuple(y_pred.shape)}: for numbers of classes take "
        '"sparse_categorical_crossentropy", or leave the loss out.'
    )


def _kind(given, module):
    """Return the class of Keras that a name, a function, a class or an object stands for."""
    if isinstance(given, str):
        if given in ("accuracy", "acc"):  # Keras chooses by the shapes
            return None
        try:
            given = module.get(given)
        except ValueError as error:
            from kerasllm.utils.errors import check_choice

            what = "loss" if module is keras.losses else "metric"
            check_choice(what, given, [name for name in dir(module) if name[0].islower()])
            raise error
    if not inspect.isclass(given) and inspect.isroutine(given):
        name = getattr(given, "__name__", "")
        if given is not getattr(module, name, None):
            return None  # a function of the user's own
        words = "".join(part.capitalize() for part in name.split("_"))
        return getattr(module, {"KlDivergence": "KLDivergence"}.get(words, words), None)
    kind = given if inspect.isclass(given) else type(given)
    return kind if getattr(module, kind.__name__, None) is kind else None
