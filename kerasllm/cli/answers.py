"""Verbs that use a trained run: evaluate, predict, generate, chat."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli import flags
from kerasllm.cli.command import USE, app
from kerasllm.cli.flags import RunFolder
from kerasllm.utils.errors import check_choice
from kerasllm.utils.terminal import one_line, say


@app.command(rich_help_panel=USE)
def evaluate(
    run: RunFolder,
    data: Annotated[str | None, typer.Argument(help="data; the run's own by default")] = None,
    split: Annotated[
        str | None, typer.Option(help="test or validation; of a file all rows by default")
    ] = None,
    baselines: Annotated[bool, typer.Option(help="train and score the baselines too")] = True,
    trained_rows: Annotated[
        str, typer.Option(help="rows of DATA that the run was trained on: refuse, drop or score")
    ] = "refuse",
):
    """Score a run on rows that it was not trained on, with intervals and baselines.

    Example: kerasllm evaluate runs/finetuned
    """
    flags.load_keras()
    from kerasllm.training import evaluate

    evaluate(run, data, split=split, with_baselines=baselines, trained_rows=trained_rows)


@app.command(rich_help_panel=USE)
def predict(
    run: RunFolder,
    texts: Annotated[list[str] | None, typer.Argument(help="texts; standard input if none")] = None,
    context: Annotated[
        str | None, typer.Option(help="finding answers: the text, or a file, that holds them")
    ] = None,
    text_b: Annotated[
        str | None, typer.Option(help="classifier of pairs: what is read beside each of the texts")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            help="file of texts: csv, tsv, jsonl, txt (a text a line), conll; its options behind a "
            "question mark: 'reviews.csv?text=review', 'sentences.txt?format=tokens'"
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="write the answers there: .json, .jsonl or .csv")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="print the answers whole, as json, jsonl or csv")
    ] = None,
    attention: Annotated[
        bool, typer.Option(help="encoder-decoder: draw what it looked at into RUN/figures")
    ] = False,
):
    """Label, tag, translate, answer or score texts with a trained run.

    Example: kerasllm predict runs/finetuned "What a lovely film."
    """
    flags.load_keras()
    from kerasllm.training import load_run, predict
    from kerasllm.training.answer_files import FORMATS, as_text, kind_of, save_answers

    if output is not None:
        kind_of(output)
    if format is not None:
        check_choice("format", format, FORMATS)
    if file is not None:
        if texts:
            raise ValueError("expected texts or --file, received both: leave one of them out.")
        texts = Path(file)
    texts = texts or [line.rstrip("\n") for line in sys.stdin]
    if text_b is not None:
        texts = [(text, text_b) for text in texts]
    if context is not None:
        load_run(run).check_reads_context()
        where = Path(context)
        known = len(context) < 256 and where.is_file()
        context = where.read_text(encoding="utf-8") if known else context
        texts = [(question, context) for question in texts]
    options = {"attention": True} if attention else {}
    rows = predict(run, texts, **options)
    if output is not None:
        save_answers(rows, output)
        say(f"{len(rows):,} answers in {output}", error=True)
    if format is not None:
        say(as_text(rows, format), end="")
    for number, row in enumerate(rows if output is format is None else ()):
        say(line_of(row))
        if row.get("warning"):
            say(f"warning: {row['warning']}", error=True)
        elif attention:
            _draw_attention(row, run / "figures" / f"attention_of_text_{number + 1}.png")


def _draw_attention(row, path):
    from kerasllm.plots import attention_map

    source, target, weights = row["attention"]
    attention_map(target, weights, source, row["text"][:60]).savefig(path, dpi=120)
    say(f"saved {path}", error=True)


def line_of(row):
    r"""Return an answer as one line: what was found, how sure where that is known, and the text.

    Example:
        >>> line_of({"text": "Win!", "label": "spam", "probabilities": {"ham": 0.1, "spam": 0.9}})
        'spam\t0.900\tWin!'
        >>> line_of({"text": "in Rome", "entities": [{"text": "Rome", "type": "LOC"}]})
        'LOC: Rome\tin Rome'
    """
    if "label" in row:
        sure = row["probabilities"][row["label"]]
        return f"{one_line(row['label'])}\t{sure:.3f}\t{one_line(row['text'])}"
    if "labels" in row:
        sure = (f"{name} {row['probabilities'][name]:.3f}" for name in row["labels"])
        found = ", ".join(sure) or "-"
    elif "perplexity" in row:
        perplexity = row["perplexity"]
        found = "-" if perplexity is None else f"perplexity {perplexity:.4g}"
    elif "vector" in row:
        found = " ".join(f"{x:.4g}" for x in row["vector"])
    elif "entities" in row:
        found = ", ".join(f"{e['type']}: {e['text']}" for e in row["entities"])
        if not found and set(row.get("tags", "O")) != {"O"}:  # tags that mark no entities
            return one_line(" ".join(map("/".join, zip(row["tokens"], row["tags"], strict=True))))
        found = found or "-"
    else:
        if "answer" in row:
            return "-" if row["answer"] in ("", None) else one_line(row["answer"])
        found = ", ".join(f"{n} {v}" for n, v in row.items() if n not in ("text", "warning"))
    return f"{one_line(found)}\t{one_line(row['text'])}"


@app.command(rich_help_panel=USE)
def report(
    run: RunFolder,
    data: Annotated[str | None, typer.Argument(help="data; the run's own by default")] = None,
    split: Annotated[
        str | None, typer.Option(help="test or validation; of a file all rows by default")
    ] = None,
    rows: Annotated[int, typer.Option(help="rows looked at one by one, at most")] = 500,
    language: Annotated[
        str | None, typer.Option(help="of the page: en or zh; KERASLLM_LANGUAGE by default, or en")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="file; RUN/report.html by default")] = None,
    overwrite: flags.Overwrite = False,
    quiet: flags.Quiet = False,
):
    """Put all that can be looked at of a run on one page: scores, curves, errors, attention.

    Example: kerasllm report runs/finetuned --language zh
    """
    flags.load_keras()
    from kerasllm.reports.page import report

    options = {"split": split, "rows": rows, "language": language, "output": output}
    report(run, data, **options, overwrite=overwrite, quiet=quiet)


@app.command(rich_help_panel=USE)
def results(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="run folders, or folders that hold some")
    ] = None,
    output: Annotated[Path, typer.Option(help="folder of results.md and results/")] = Path("docs"),
):
    """Keep the results of evaluated runs as JSON, and make the table of all that are kept.

    Example: kerasllm results runs
    """
    from kerasllm.reports.results import results

    say(f"wrote {results(folders or (), output)}")


@app.command(rich_help_panel=USE)
def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Argument(help="text to continue")] = "",
    max_new_tokens: Annotated[int, typer.Option(help="tokens to add at most")] = 200,
    temperature: Annotated[float, typer.Option(help="0: the likeliest token each time")] = 0.8,
    top_k: Annotated[int | None, typer.Option(help="draw among the k likeliest")] = None,
    top_p: Annotated[float | None, typer.Option(help="draw among those that reach p")] = None,
    repetition_penalty: Annotated[
        float, typer.Option(help="above 1 avoids what the text holds already")
    ] = 1.0,
    beam: Annotated[
        int, typer.Option(help="more than 1: the best continuation of a beam search")
    ] = 1,
    prefix: Annotated[str, typer.Option(help="text that the continuation begins with")] = "",
    stop: Annotated[list[str], typer.Option(help="text that ends the continuation")] = (),
    stream: Annotated[bool, typer.Option(help="print each token as it is made")] = True,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 0,
    int8: Annotated[
        bool, typer.Option(help="weights of 8 bits: about twice as fast for large models")
    ] = False,
):
    """Continue a text with a pretrained model.

    Example: kerasllm generate runs/pretrained "To be, or" --temperature 0.8 --top-k 40
    """
    flags.load_keras()
    from kerasllm.training import generate

    options = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "beam": beam,
        "prefix": prefix,
        "stop": tuple(stop),
        "seed": seed,
        "int8": int8,
    }
    from kerasllm.text.cleaning import speechless

    if prompt and (said := speechless(prompt, "prompt")):
        say(f"warning: {said}", error=True)
    if beam > 1 or not stream:
        say(generate(run, prompt, **options))
        return
    for piece in generate(run, prompt, stream=True, **options):
        say(piece, end="")
    say()


@app.command(rich_help_panel=USE)
def chat(
    run: RunFolder,
    system: Annotated[str, typer.Option(help="what the model is told about its part")] = "",
    max_new_tokens: Annotated[int, typer.Option(help="tokens of an answer at most")] = 256,
    temperature: Annotated[float, typer.Option(help="0: the likeliest token each time")] = 0.2,
    top_k: Annotated[int | None, typer.Option(help="draw among the k likeliest")] = None,
    top_p: Annotated[float, typer.Option(help="draw among those that reach p")] = 0.9,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 0,
):
    """Talk with a model that was taught to chat; an empty line or Ctrl-C ends it.

    Example: kerasllm chat runs/imported
    """
    flags.load_keras()
    from kerasllm.training import load_run

    options = {
        "max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": top_k,
        "top_p": top_p, "seed": seed,
    }  # fmt: skip
    talk(load_run(run), system, options)


def talk(run, system, options):
    """Ask for messages and answer them, until there are no more."""
    messages = [{"role": "system", "content": system}] if system else []
    while question := _asked():
        messages.append({"role": "user", "content": question})
        began, said = time.perf_counter(), ""
        try:
            for piece in run.chat(messages, stream=True, **options):
                said += piece
                say(piece, end="")
        except KeyboardInterrupt:
            say("\n(cut off by Ctrl-C; press it again at an empty line to end)", error=True)
        messages.append({"role": "assistant", "content": said})
        seconds = time.perf_counter() - began
        count = len(run.tokenizer.encode(said))
        say()
        say(f"({count} tokens, {count / max(seconds, 1e-9):.1f} a second)", error=True)


def _asked():
    """Return the next message; nothing at the end of the input, at Ctrl-C, or where none is."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        say(error=True)
        return ""
