"""A word language model of the Penn Treebank: two LSTM layers, one table for input and output.

    python -m kerasllm.recipes.word_lm

Dropout on the embeddings, between the layers and before the scores (Zaremba et al. 2014), tied
tables (Press and Wolf 2017). The official validation text chooses the epoch, the test text is
scored once, beside a Kneser-Ney model of five words.
"""

from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.record import record
from kerasllm.training import PretrainSettings

SETTINGS = PretrainSettings(
    tokenizer="word",
    word_splitter="space",
    vocabulary_size=20_000,  # all of the 10,000 that there are
    min_frequency=1,
    hidden_dim=256,
    units=256,
    num_layers=2,
    residual=True,
    dropout=0.3,
    output_dropout=0.4,
    length=64,
    batch_size=20,
    learning_rate=4e-3,
    weight_decay=0.05,
    final_rate=0.01,
)
STEPS = 7000  # of 1,280 words each: about ten passes


def main(output: Path = Path("runs/word_lm"), share: float = 1.0) -> None:
    """Train on ptb; `share` scales the steps."""
    steps = max(20, round(STEPS * share))
    run = kerasllm.pretrain("ptb", output, settings=SETTINGS, steps=steps, resume=True)
    result = kerasllm.evaluate(run)
    note = "" if share == 1 else f"{share:g} of the steps"
    record(output, "words, LSTM", result, "perplexity", 110, lower=True, note=note)


if __name__ == "__main__":
    typer.run(main)
