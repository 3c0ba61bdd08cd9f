"""What a sentence means, as something that a machine obeys: actions, logical forms, SQL.

    python -m kerasllm.recipes.parsing scan
    python -m kerasllm.recipes.parsing geo880
    python -m kerasllm.recipes.parsing atis_logic
    python -m kerasllm.recipes.parsing geoquery_sql

A form is right where every token is. SQL is executed too: two queries mean the same where they
find the same in the database (denotation accuracy); those that do not run are wrong, and shown.
Names that are rare in training are read as <unk>, so that copying them from the question is
learned.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm import datasets
from kerasllm.metrics.denotation import database_of_dump, denotation_metrics
from kerasllm.recipes.shared.recipe import Fast, Output, Recipe, Share
from kerasllm.training import Seq2SeqSettings
from kerasllm.utils.errors import check_choice

SCAN = Seq2SeqSettings(
    tokenizer="word", word_splitter="space", min_frequency=1, shared=False, cell="gru",
    attention="general", hidden_dim=64, units=128, num_layers=1, dropout=0.1, label_smoothing=0.0,
    learning_rate=3e-3, final_rate=0.02, batch_size=64, epochs=14.0, metric="exact_match",
    decode_every=2, decode_rows=600, beam=1,
)  # fmt: skip
GEO = Seq2SeqSettings(
    tokenizer="word", word_splitter="space", min_frequency=3, copy=True, cell="lstm",
    attention="general", hidden_dim=128, units=192, num_layers=1, dropout=0.4, label_smoothing=0.1,
    learning_rate=3e-3, batch_size=16, epochs=80.0, metric="exact_match", decode_every=10, beam=4,
    decode_rows=60,
)  # fmt: skip
ATIS = dataclasses.replace(GEO, batch_size=32, epochs=20.0, decode_every=4, decode_rows=200)
SQL = dataclasses.replace(GEO, length=256, decode_every=20, decode_rows=49)
SHOWN = 5  # queries that do not run

# data: (settings, target of whole forms in per cent)
DATA = {"scan": (SCAN, 99.5), "geo880": (GEO, 85.0), "atis_logic": (ATIS, None),
        "geoquery_sql": (SQL, None)}  # fmt: skip


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "geo880",
    output: Output = Path("runs/parsing"),
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Turn sentences into actions, logical forms or SQL."""
    check_choice("data", data, DATA)
    recipe, (settings, target) = Recipe(output, fast=fast, share=share), DATA[data]
    run = recipe.train(data, settings)
    result = kerasllm.evaluate(run)
    if data == "geoquery_sql":
        test = datasets.load(recipe.data(data), split="test")
        print(executed(test, [row["answer"] for row in kerasllm.predict(run, test.texts)]))
    title = f"{data}, recurrent encoder-decoder"
    recipe.row(run, title, "exact_match", target, result=result)


def executed(test, queries):
    """Return what is to be said of queries once they were executed."""
    base = database_of_dump(datasets.get("geoquery_sql") / "geography-db.sql")
    found = denotation_metrics(base, [pair.target for pair in test], queries)
    lines = [
        f"denotation accuracy {found['denotation']:.1%} of {len(test)} questions; "
        f"{found['runs']:.1%} of the queries run; {found['unfair']} true ones do not run in SQLite"
    ]
    wrong = found["errors"]
    lines += [f"  does not run ({why}): {query}" for query, why in wrong[:SHOWN]]
    lines += [f"  and {len(wrong) - SHOWN} more"] * (len(wrong) > SHOWN)
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
