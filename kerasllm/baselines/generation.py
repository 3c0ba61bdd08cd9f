"""What an encoder-decoder has to beat: the nearest training pair, the beginning of the source."""

import numpy as np

from kerasllm.baselines.features import fit_tf_idf, tf_idf
from kerasllm.metrics.generation import is_chinese


def nearest_neighbour(train, sources):
    """Return, for each source, the target of the training pair whose source is most like it.

    Args:
        train: `Dataset` of pairs.
        sources: texts.
    """
    vectorizer = tf_idf(train.texts)
    known = fit_tf_idf(vectorizer, train.texts)
    answers = []
    for start in range(0, len(sources), 256):
        likeness = vectorizer.transform(sources[start : start + 256]) @ known.T
        answers += [train[int(row)].target for row in np.asarray(likeness.argmax(axis=1)).ravel()]
    return answers


def lead(train, sources):
    """Return the first words of each source, as many as targets have in the middle (the median).

    Chinese is counted in characters.
    """
    targets = [pair.target for pair in train]
    if is_chinese(targets):
        k = int(np.median([len(target) for target in targets]))
        return [source[:k] for source in sources]
    k = int(np.median([len(target.split()) for target in targets]))
    return [" ".join(source.split()[:k]) for source in sources]


BASELINES = {"nearest": nearest_neighbour, "lead": lead}
