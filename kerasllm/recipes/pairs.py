"""One text into another: commands into actions, questions into logical forms, German into English.

    python -m kerasllm.recipes.pairs scan
    python -m kerasllm.recipes.pairs geo880
    python -m kerasllm.recipes.pairs multi30k --architecture transformer

The validation pairs choose the epoch, by what the model writes; the test pairs are scored once.
"""

import dataclasses
from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.record import record
from kerasllm.training import Seq2SeqSettings
from kerasllm.utils.errors import check_choice

SCAN = Seq2SeqSettings(
    tokenizer="word", word_splitter="space", min_frequency=1, shared=False, cell="gru",
    attention="general", hidden_dim=64, units=128, num_layers=1, dropout=0.1, label_smoothing=0.0,
    learning_rate=3e-3, final_rate=0.02, batch_size=64, epochs=14.0, metric="exact_match",
    decode_every=2, decode_rows=600, beam=1,
)  # fmt: skip
# Names that are rare in training are read as <unk>, so that copying them is learned.
GEO = Seq2SeqSettings(
    tokenizer="word", word_splitter="space", min_frequency=3, copy=True, cell="lstm",
    attention="general", hidden_dim=128, units=192, num_layers=1, dropout=0.4, label_smoothing=0.1,
    learning_rate=3e-3, batch_size=16, epochs=80.0, metric="exact_match", decode_every=10, beam=4,
    decode_rows=60,
)  # fmt: skip
RECURRENT = Seq2SeqSettings(
    lowercase=True, cell="gru", attention="bahdanau", hidden_dim=256, units=384, num_layers=1,
    tied=True, dropout=0.3, learning_rate=2e-3, batch_size=64, epochs=8.0, metric="bleu",
    decode_every=2, beam=5, length_penalty=1.0,
)  # fmt: skip
TRANSFORMER = Seq2SeqSettings(
    architecture="transformer", lowercase=True, hidden_dim=256, num_layers=3, num_heads=4,
    inner_dim=512, tied=True, dropout=0.2, learning_rate=1.5e-3, warmup=0.1, batch_size=96,
    epochs=14.0, metric="bleu", decode_every=4, beam=5, length_penalty=1.0,
)  # fmt: skip

# data: (settings by architecture, measure, target)
TASKS = {
    "scan": ({"recurrent": SCAN}, "exact_match", 99.5),
    "geo880": ({"recurrent": GEO}, "exact_match", 85.0),
    "multi30k": ({"recurrent": RECURRENT, "transformer": TRANSFORMER}, "bleu", 30.0),
}


def main(
    data: str,
    output: Path = Path("runs/pairs"),
    architecture: str = "recurrent",
    share: float = 1.0,
) -> None:
    """Train and score an encoder-decoder; `share` scales the epochs."""
    check_choice("data", data, TASKS)
    choices, measure, target = TASKS[data]
    check_choice("architecture", architecture, choices)
    settings = choices[architecture]
    settings = dataclasses.replace(settings, epochs=settings.epochs * share)
    run = kerasllm.train(data, output, settings=settings, resume=True)
    result = kerasllm.evaluate(run)
    title = f"{data}, {architecture} encoder-decoder"
    note = "" if share == 1 else f"{share:g} of the epochs"
    record(output, title, result, measure, target, note=note)


if __name__ == "__main__":
    typer.run(main)
