"""Evaluation: scores with intervals, and what a network has to beat, on the same rows."""

from kerasllm.models import TextEncoder
from kerasllm.training.engine.progress import Progress
from kerasllm.utils.tables import Table


def evaluate_run(run, data=None, split="test", with_baselines=True, quiet=False):
    """Score a run on held-out data, beside the baselines, and write metrics.json.

    Args:
        run: a `RunFolder`.
        data: as in `kerasllm.evaluate`, and so are the others.
        split: "test" or "validation".
        with_baselines: train and score the baselines too.
        quiet: print nothing.

    Raises:
        ValueError: nothing to score, or data of another task.
    """
    if isinstance(run.model, TextEncoder):
        raise ValueError(
            f"{run.path} holds a TextEncoder, an imported model without a head: there is nothing "
            "to score before `kerasllm finetune`."
        )
    data = _own_data(run) if data is None else data
    test, train, split = run.shape.held_out_rows(run.config, data, split)
    found = run.model.evaluation(test, train if with_baselines else None)
    figures = found.pop("figures", {})
    rows = found.pop("rows", None) or len(test)
    result, report = {"data": test.name, "split": split, "rows": rows, **found}, Progress(quiet)
    report.result(table_of(result))
    with report.despite("the scores"):
        run.write_json("metrics.json", result)
    for name, draw in figures.items():
        with report.despite(f"the figure {name}"):
            run.write_figure(name, draw())
    return result


def _own_data(run):
    source = run.config["data"]["source"]
    if source is None:
        raise ValueError(
            f"{run.path} was trained on data given in Python, which is not kept: call "
            "evaluate(run, data) with the data to score."
        )
    return source


def table_of(result):
    """Return a `Table` of the scores, the network's first."""
    of_tokens = "perplexity" in result["model"] and "bleu" not in result["model"]
    if of_tokens:
        names = ("loss", "perplexity", "bits_per_character")
    elif "bleu" in result["model"]:
        names = ("bleu", "chrf", "rouge_l", "exact_match")
    elif "matthews" in result["model"]:
        names = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "matthews")
    else:
        names = [name for name, score in result["model"].items() if isinstance(score, float)]
    unit = "tokens" if of_tokens else "rows"
    models, rows = {"network": result["model"], **result["baselines"]}, []
    for model, scores in models.items():
        cells = []
        for name in names:
            cell = f"{scores[name]:.4g}" if name in scores else "-"
            if model == "network" and name in result["interval"]:
                low, high = result["interval"][name]
                cell += f"\n[{low:.4g}, {high:.4g}]"
            cells.append(cell)
        rows.append((model, *cells))
    title = f"{result['data']} ({result['split']}, {result['rows']:,} {unit})"
    heads = ("model", *(name.replace("_", " ") for name in names))
    return Table(heads, rows, title, right=range(1, len(heads)))
