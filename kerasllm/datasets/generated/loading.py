"""Generated languages whose true entropy is known, so that a model's loss has a known optimum.

- `markov`: a sparse random Markov chain over made-up words (`markov.py`).
- `grammar`: a probabilistic grammar of English-like sentences (`grammar.py`).

A text begins afresh and its end counts as one token, so that

    entropy rate = entropy of a text / (expected words + 1)       in nats per token.

No model has a lower expected loss, if its tokens are the words and no text is cut off. The splits
are independent draws from one language: short sentences recur across them, as they have to for the
optimum to be the same in each.
"""

from kerasllm.datasets.examples import Dataset, Text
from kerasllm.datasets.generated.grammar import grammar_language
from kerasllm.datasets.generated.markov import markov_language
from kerasllm.utils.errors import check_choice

LANGUAGES = {"markov": markov_language, "grammar": grammar_language}
SIZES = {"train": 5000, "validation": 500, "test": 500}


def load_synthetic(name, split="train", *, n_texts=None, seed=0, **options):
    """Draw one split of a generated language.

    Args:
        name: "markov" or "grammar".
        split: "train", "validation" or "test": the same language, other texts.
        n_texts: How many texts; left out, 5,000 for training and 500 for each of the others.
        seed: Draws the language and its texts.
        **options: What `markov_language` or `grammar_language` takes.

    Returns:
        A language-model `Dataset`; `.info["entropy_rate"]` is the optimum in nats per token,
        `.info["mean_tokens"]` the expected tokens of a text with its end.

    Raises:
        ValueError: For an unknown name or split, or an option out of range.

    Example:
        >>> texts = load_synthetic("grammar", "test", n_texts=2)
        >>> len(texts), texts.info["entropy_rate"] < 3
        (2, True)
    """
    check_choice("name", name, LANGUAGES)
    check_choice("split", split, SIZES)
    language = LANGUAGES[name](seed=seed, **options)
    n_texts = SIZES[split] if n_texts is None else n_texts
    texts = language.sample(n_texts, seed=(seed, list(SIZES).index(split)))
    info = {
        "entropy_rate": language.entropy_rate,
        "mean_tokens": language.mean_tokens,
        "vocabulary_size": len(language.vocabulary),
        "seed": seed,
        **options,
    }
    kept = map(Text, texts)
    return Dataset(kept, name=name, split=split, task="language_model", info=info)
