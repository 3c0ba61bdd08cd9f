"""Text from nothing: Shakespeare by character, and Chinese poems in their form.

    python -m kerasllm.recipes.generation tinyshakespeare
    python -m kerasllm.recipes.generation chinese_poetry --form 5,5,5,5
    python -m kerasllm.recipes.generation chinese_poetry --form 7,7,7,7 --title 春曉

A form says how many characters each line has. The model chooses the characters, among all that are
no marks; when a line is full, the mark that belongs there is set. So every poem keeps its form,
whatever the model has learned of it; how well it has, the bits a character say.
"""

from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm.models import Sampling, generate_ids
from kerasllm.recipes.character_lm import FIVE_MINUTES
from kerasllm.recipes.shared.recipe import Fast, Output, Recipe, Share
from kerasllm.text.tokenizers.special import is_cjk
from kerasllm.utils.errors import check_choice

DATA = {"tinyshakespeare": "validation", "chinese_poetry": "test"}  # data: what is scored


def verse(run, form, title="", marks="，。", temperature=0.8, seed=0):
    """Return a poem of lines of given lengths, the title in a line before it.

    Args:
        run: of a causal language model of characters.
        form: characters of each line.
        title: the poem's; the model goes on from it.
        marks: set behind the lines in turn.
        temperature: of the draws.
        seed: of the draws.
    """
    tokenizer, model = run.tokenizer, run.model
    others = [i for i, token in enumerate(tokenizer.vocabulary) if not is_character(token)]
    text = f"{title}\n" if title else ""
    for number, count in enumerate(form):
        drawn = generate_ids(
            model, [tokenizer.encode(text)], count, Sampling(temperature), seed + number,
            stop=(), never=tuple(others),
        )  # fmt: skip
        text += tokenizer.decode(drawn[0]) + marks[number % len(marks)]
        text += "\n" if number % len(marks) == len(marks) - 1 else ""
    return text.rstrip("\n")


def is_character(token):
    """Return whether a token is one Chinese character, and no mark."""
    return len(token) == 1 and is_cjk(token) and token.isalpha()


def lengths(form):
    """Return a form as numbers.

    Example:
        >>> lengths("5,7")
        [5, 7]
    """
    parts = form.split(",")
    if not all(part.strip().isdecimal() and 0 < int(part) < 100 for part in parts):
        raise ValueError(f"expected a form such as 5,5,5,5, received {form!r}.")
    return [int(part) for part in parts]


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "tinyshakespeare",
    output: Output = Path("runs/generation"),
    form: Annotated[str, typer.Option(help="characters of each line of a poem")] = "5,5,5,5",
    title: Annotated[str, typer.Option(help="of the poem")] = "",
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Train a language model of characters, and let it write."""
    check_choice("data", data, DATA)
    wanted, recipe = lengths(form), Recipe(output, fast=fast, share=share)
    run = recipe.pretrain(data, FIVE_MINUTES, part="")
    recipe.row(run, f"{data}, GPT", "loss", split=DATA[data])
    if data == "chinese_poetry":
        print("\n\n".join(verse(run, wanted, title, seed=100 * n) for n in range(3)))
    else:
        print(kerasllm.generate(run, "ROMEO:", max_new_tokens=20 if fast else 300, top_k=40))


if __name__ == "__main__":
    typer.run(main)
