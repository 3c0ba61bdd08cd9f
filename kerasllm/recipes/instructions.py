"""Instructions: a real language model learns how answers are wanted, and what it forgets by it.

    python -m kerasllm.recipes.instructions instructions_en
    python -m kerasllm.recipes.instructions snips_intents

SmolLM2 (extras `gguf` and `chat`) learns low-rank corrections from conversations. Beside it on the
same rows: the model as it was, asked alone and with some training rows in front (few-shot
prompting), the answer to the nearest training question, and an encoder-decoder from scratch. What
was forgotten is the perplexity of another text, before and after.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import kerasllm
from kerasllm import datasets
from kerasllm.datasets import Conversation, Dataset
from kerasllm.datasets.examples import Pair
from kerasllm.metrics.generation import generation_metrics
from kerasllm.models.chat.scoring import write_answers
from kerasllm.models.language.scoring import token_nats
from kerasllm.recipes.shared.recipe import ROWS, Fast, Output, Recipe, Share
from kerasllm.training import Seq2SeqSettings
from kerasllm.training.settings.chat import ChatSettings
from kerasllm.utils.errors import check_choice

SETTINGS = ChatSettings(epochs=3.0, batch_size=8, length=160, learning_rate=5e-4)
SMALL = Seq2SeqSettings(
    tokenizer="bpe", vocabulary_size=1000, cell="gru", attention="general", hidden_dim=96,
    units=128, num_layers=1, dropout=0.2, label_smoothing=0.0, learning_rate=2e-3, batch_size=32,
    epochs=30.0, metric="exact_match", decode_every=10, decode_rows=60, beam=1,
)  # fmt: skip
# Rows in a prompt; rows used, drawn by a seed; another text and its tokens
SHOTS, ROWS_USED, FOREIGN = 4, {"train": 600, "test": 150}, ("wikitext-2", 4000)

# data: what is asked beside a text that has a label
DATA = {
    "instructions_en": None,
    "instructions_zh": None,
    "snips_intents": "What is wanted? Answer with one of: {labels}.\n\n{text}",
}


def chats(name, fast):
    """Return the training and test conversations of a set, of a large one rows drawn by a seed."""
    made = []
    for split, most in ROWS_USED.items():
        part, most = datasets.load(name, split=split), ROWS if fast else most
        part = part.take(most, 0) if len(part) > most else part
        if DATA[name] is not None:
            names = ", ".join(part.labels)
            asked = [DATA[name].format(labels=names, text=row.text) for row in part]
            part = _dataset(part, "chat", [
                Conversation((("user", text), ("assistant", row.label)))
                for text, row in zip(asked, part, strict=True)
            ])  # fmt: skip
        made.append(part)
    return made


def _dataset(like, task, examples):
    return Dataset(examples, name=like.name, split=like.split, task=task)


def perplexity(run):
    """Return the perplexity of the first tokens of a text of another kind."""
    name, count = FOREIGN
    text = "\n".join(datasets.load(name, split="test").texts[:200])
    tokens = np.array(run.tokenizer.encode(text)[:count], "int32")
    return float(np.exp(token_nats(run.model, tokens, 256).mean()))


def small_model(recipe, train, test):
    """Return the scores of an encoder-decoder that begins from nothing."""
    learned, asked = (
        _dataset(part, "seq2seq", [Pair(row.asked[-1], row.answers[-1]) for row in part])
        for part in (train, test)
    )
    made = kerasllm.train(learned, recipe.output / "small", settings=recipe.settings(SMALL),
                          overwrite=True, quiet=True)  # fmt: skip
    said = [row["answer"] for row in kerasllm.predict(made, asked.texts)]
    return generation_metrics([row.target for row in asked], said, ("rouge_l",))


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "instructions_en",
    output: Output = Path("runs/instructions"),
    pretrained: Annotated[str, typer.Option(help="run to begin from, or smollm2")] = "smollm2",
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Fine-tune a language model on instructions, and score it beside what is cheaper."""
    check_choice("data", data, DATA)
    recipe, (train, test) = Recipe(output, None, fast, share), chats(data, fast)
    begins = output / "smollm2" if pretrained == "smollm2" else Path(pretrained)
    if not fast and not (begins / "config.json").exists():
        kerasllm.import_checkpoint(pretrained, begins)
    begins, again = (None, {"overwrite": True}) if fast else (kerasllm.load_run(begins), {})
    again |= {"resume": not fast, "quiet": fast}
    run = kerasllm.train(train, output / data, settings=recipe.settings(SETTINGS, begins),
                         pretrained=begins, **again)  # fmt: skip
    result = kerasllm.evaluate(run, test)
    if begins is not None:
        result["baselines"]["small_model"] = small_model(recipe, train, test)
        shown = write_answers(begins.model, test, shown=train.take(SHOTS, 1))
        result["baselines"]["few_shot"] = shown.scores
        result["perplexity_before_and_after"] = [perplexity(each) for each in (begins, run)]
        print(f"perplexity of {FOREIGN[0]}:", *result["perplexity_before_and_after"])
    for name, scores in {"network": result["model"], **result["baselines"]}.items():
        print(name, {n: round(scores[n], 1) for n in ("exact_match", "rouge_l") if n in scores})
    (output / data / "metrics.json").write_text(json.dumps(result, indent=1), "utf-8")


if __name__ == "__main__":
    typer.run(main)
