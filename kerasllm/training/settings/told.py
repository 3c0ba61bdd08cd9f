"""What a person is told of a tokenizer and the texts before a training begins, a line each."""


def unknown_told(train, validation):
    """Return a line that says how many tokens are unknown, none where all are known.

    Example:
        >>> unknown_told(0.0, 0.013)
        ['unknown tokens: 0.0% in training, 1.3% in validation']
        >>> unknown_told(0.0, 0.13)
        ['unknown tokens: 0.0% in training, 13.0% in validation: words that no training text has']
    """
    if not (train or validation):
        return []
    line = f"unknown tokens: {train:.1%} in training, {validation:.1%} in validation"
    if max(train, validation) > 0.5:
        line += (
            ": does the tokenizer belong to this language? Train from scratch, or pretrain on it"
        )
    elif validation > 0.05 and train < 0.005:
        line += ": words that no training text has"
    elif max(train, validation) > 0.05:
        line += ': use a larger vocabulary, or tokenizer="bpe", which knows every text'
    return [line]


def script_told(tokenizer, train):
    """Return a line that says where a tokenizer's Chinese is of another script than the texts'.

    Args:
        tokenizer: a `Tokenizer`.
        train: what is trained on; its `texts`, where it has any.

    Example:
        >>> from types import SimpleNamespace as Some
        >>> script_told(Some(vocabulary=["這", "說"]), Some(texts=["这是说"]))
        ['the tokenizer knows traditional Chinese, the texts are simplified: pretrain on simplified
        texts, as "chinese_poetry?part=song300" is, or convert one of them']
        >>> script_told(Some(vocabulary=["这"]), Some(texts=["说"]))
        []
    """
    from kerasllm.text.script import script_of

    ours = script_of(tokenizer.vocabulary).name
    theirs = script_of(getattr(train, "texts", ())[:2000]).name
    part = {"simplified": "?part=song300", "traditional": ""}
    if ours == theirs or not {ours, theirs} <= part.keys():
        return []
    return [
        f"the tokenizer knows {ours} Chinese, the texts are {theirs}: pretrain on {theirs} texts, "
        f'as "chinese_poetry{part[theirs]}" is, or convert one of them'
    ]
