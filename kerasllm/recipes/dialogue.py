"""Dialogue: what a system says next. A booking that ends in a call, or small talk.

    python -m kerasllm.recipes.dialogue dialog_babi
    python -m kerasllm.recipes.dialogue dailydialog --chat

A reply of dialog bAbI is right where every word is (accuracy per response); all that was said
before is read. In small talk many replies are right: what is measured says little there, and one
talks with the model instead.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm.datasets.public.readers.dialogue import SEPARATOR
from kerasllm.recipes.shared.recipe import Fast, Output, Recipe, Share
from kerasllm.training import Seq2SeqSettings
from kerasllm.utils.errors import check_choice

BOOKING = Seq2SeqSettings(
    tokenizer="word", word_splitter="space", min_frequency=1, copy=True, cell="gru",
    attention="general", hidden_dim=96, units=128, num_layers=1, dropout=0.2, label_smoothing=0.0,
    learning_rate=2e-3, batch_size=32, epochs=10.0, metric="exact_match", decode_every=2, beam=1,
    length=400,
)  # fmt: skip
TALK = Seq2SeqSettings(
    cell="gru", attention="bahdanau", hidden_dim=192, units=256, num_layers=1, lowercase=True,
    dropout=0.3, learning_rate=2e-3, batch_size=64, epochs=6.0, metric="loss", truncate=True,
    length=128, beam=4,
)  # fmt: skip
TURNS = 3  # turns before a reply that the model of small talk reads

# data: (settings, options of the set, measure)
DATA = {
    "dialog_babi": (BOOKING, "", "exact_match"),
    "dailydialog": (TALK, f"?history={TURNS}", "bleu"),
}


def chat(run, turns, lines, say=print):
    """Answer the lines that somebody types, each with the turns before it; an empty one ends.

    Args:
        run: of an encoder-decoder that reads `turns` turns joined as its training pairs are.
        turns: how many it reads.
        lines: iterable of what is typed.
        say: is given each reply.
    """
    said = []
    for line in lines:
        if not line.strip():
            return
        said.append(line.strip())
        reply = kerasllm.predict(run, [SEPARATOR.join(said[-turns:])])[0]["answer"]
        said.append(reply)
        say(reply)


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "dialog_babi",
    output: Output = Path("runs/dialogue"),
    talk: Annotated[bool, typer.Option("--chat", help="talk with the model at the end")] = False,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Train a model that replies."""
    check_choice("data", data, DATA)
    recipe, (settings, options, measure) = Recipe(output, fast=fast, share=share), DATA[data]
    run = recipe.train(f"{data}{options}", settings)
    recipe.row(run, f"{data}, recurrent encoder-decoder", measure)
    if talk:
        print("Say something; an empty line ends.")
        chat(run, TURNS, sys.stdin)


if __name__ == "__main__":
    typer.run(main)
