"""The catalogue: mistakes that people really make, one small wrong function each.

Two uses. `planted(mistake)` plants one in the library, and the proof must go red: a check that no
mistake can turn red checks nothing. And `kerasllm.exercises` compares a learner's numbers with
every mistake's numbers, and can say which one it is.

A topic is a module beside this one, or in a folder as `reference` has it; how to write one more
stands in `mistake.py`.
"""

import importlib

from kerasllm.utils.errors import nearest
from kerasllm.verify.mistakes.mistake import Mistake

TOPICS = (
    "elementary", "normalization", "training.losses", "lstm", "recurrent",
    "attention.scaled_dot_product", "attention.heads", "attention.transformer", "attention.llama",
    "attention.decoder", "training.optimizers", "sequence", "training.evaluation",
    "training.audit",
)  # fmt: skip
_MODULES = [importlib.import_module(f"kerasllm.verify.mistakes.{topic}") for topic in TOPICS]

MISTAKES = tuple(
    mistake
    for module in _MODULES
    for mistake in vars(module).values()
    if isinstance(mistake, Mistake)
)


def mistakes_of(*functions):
    """Return the known mistakes in some functions of `kerasllm.reference`.

    Args:
        *functions: their names.

    Returns:
        A tuple of `Mistake`, in the order of the catalogue.

    Example:
        >>> [mistake.name for mistake in mistakes_of("padding_mask")]
        ['padding_mask_inverted', 'padding_mask_without_axis', 'padding_mask_of_queries']
    """
    return tuple(mistake for mistake in MISTAKES if mistake.function in functions)


def find_mistake(name):
    """Return the mistake of that name.

    Raises:
        ValueError: there is none.

    Example:
        >>> find_mistake("adam_betas_swapped").function
        'adam'
    """
    by_name = {mistake.name: mistake for mistake in MISTAKES}
    if name in by_name:
        return by_name[name]
    hint = nearest(name, by_name)
    raise ValueError(f"expected the name of a known mistake, received {name!r}.{hint}")
