"""A conditional random field on hand-made features: what taggers were before networks."""

import importlib.util
import tempfile
from pathlib import Path

from kerasllm.baselines.baseline import Baseline, check_examples
from kerasllm.baselines.tagging import scored, word_features

# Penalties on the weights' sizes and squares, and steps of L-BFGS.
SETTINGS = {"c1": 0.1, "c2": 0.01, "max_iterations": 100}


def is_installed():
    """Return whether python-crfsuite is here (the extra `crf`)."""
    return importlib.util.find_spec("pycrfsuite") is not None


def crf_tags(train, test, entities=None) -> Baseline:
    """Tag sentences by a linear-chain CRF on words, their spelling and their neighbours.

    The features are those of `linear_tags`; what follows what is learned too.

    Args:
        train: tagging `Dataset`.
        test: likewise.
        entities: whether the tags mark entities; as the training tags look when None.

    Returns:
        `Baseline`, whose predictions are a list of tags for each test sentence.

    Raises:
        ImportError: python-crfsuite is not installed.
        ValueError: no sentences.

    Source: Lafferty et al. 2001; the library is python-crfsuite.
    """
    if not is_installed():
        raise ImportError(
            "the CRF baseline needs python-crfsuite, which is not installed: pip install "
            "'kerasllm[crf]'."
        )
    import pycrfsuite

    check_examples(train, test)
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", params=SETTINGS, verbose=False)
    for example in train:
        trainer.append(word_features(example.tokens), list(example.tags))
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "crf.bin")  # the library reads and writes files alone
        trainer.train(file)
        tagger = pycrfsuite.Tagger()
        tagger.open(file)
        predicted = [tagger.tag(word_features(example.tokens)) for example in test]
        tagger.close()
    return scored("crf", predicted, train, test, entities, SETTINGS)
