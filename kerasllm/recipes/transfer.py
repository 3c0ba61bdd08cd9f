"""From one domain to another: reviews of four kinds of goods, twelve transfers.

    python -m kerasllm.recipes.transfer
    python -m kerasllm.recipes.transfer --pretrained minilm

A classifier learns from the reviews of one domain and is scored on the test reviews of each other
(Blitzer et al. 2007), beside the linear baseline that learned from the same reviews. What is lost
to one that learned from the domain itself says how far the two are apart.
"""

from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.shared.classifiers import ENCODER, LSTM, TUNE
from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share
from kerasllm.utils.tables import Table

SET = "multi_domain_sentiment"
DOMAINS = ("books", "dvd", "electronics", "kitchen")


def learned(recipe, domain):
    """Return the run that learned from the reviews of a domain, and read no others."""
    data, begins = f"{SET}?domain={domain}", recipe.begins()
    if begins is not None:
        return recipe.train(data, ENCODER, domain, begins)
    # The fast way is about the transfers.
    before = None if recipe.fast else recipe.pretrain(data, LSTM, f"{domain}/pretrained")
    return recipe.train(data, TUNE, f"{domain}/finetuned", before)


def scored(recipe, run, domain):
    """Return (accuracy, that of the linear baseline) on the test reviews of a domain, per cent."""
    data = recipe.data(f"{SET}?domain={domain}")
    # A review that stands in both domains was learned: it is left out.
    found = kerasllm.evaluate(run, data, split="test", trained_rows="drop", quiet=True)
    return 100 * found["model"]["accuracy"], 100 * found["baselines"]["linear"]["accuracy"]


def main(
    output: Output = Path("runs/transfer"),
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Measure the twelve transfers, and the four domains themselves."""
    recipe, domains = Recipe(output, pretrained, fast, share), DOMAINS[:2] if fast else DOMAINS
    rows, lost = [], []
    runs = {domain: learned(recipe, domain) for domain in domains}
    for there in domains:
        cells = {here: scored(recipe, runs[here], there) for here in domains}
        own = cells[there][0]
        lost += [own - accuracy for here, (accuracy, _) in cells.items() if here != there]
        rows += [(here, there, *cell, cell[0] - own) for here, cell in cells.items()]
    Table(
        ("from", "to", "network", "linear", "gain over its own"), rows, f"{SET}, accuracy %"
    ).print()
    print(f"mean loss of {len(lost)} transfers: {sum(lost) / len(lost):.1f} points. {recipe.note}")


if __name__ == "__main__":
    typer.run(main)
