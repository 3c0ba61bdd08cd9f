"""Checkpoints of other projects as run folders, and runs as checkpoints for `transformers`."""

from pathlib import Path

from kerasllm.models import (
    CausalLM,
    CausalPreprocessor,
    ClassificationPreprocessor,
    TextEncoder,
)
from kerasllm.models.hub import load_checkpoint, save_checkpoint, save_gguf
from kerasllm.models.hub.peft import CONFIG as ADAPTER_CONFIG
from kerasllm.models.presets import ROW
from kerasllm.models.runs_of_before import IMPORTED_RATE as RATE
from kerasllm.training.engine.progress import Progress
from kerasllm.training.run_folder.folder import check_free, in_use, weights_hash
from kerasllm.training.run_folder.run import Run, as_run


def import_checkpoint(
    source,
    output="runs/imported",
    *,
    revision=None,
    dropout=None,
    overwrite=False,
    quiet=False,
):
    """Load a BERT, RoBERTa, DistilBERT, GPT-2 or Llama, and write a run folder.

    The run is taken by whatever takes a pretrained run: `finetune`, and for a GPT-2 or a Llama
    `generate` too; `chat` where the model was taught to.

    Args:
        source: a folder with config.json, model.safetensors and the tokenizer's files; a GGUF file
            of a Llama; a name on the Hugging Face hub; or "smollm2", SmolLM2-135M-Instruct, which
            comes with a package.
        output: the run folder.
        revision: branch, tag or commit on the hub.
        dropout: of the backbone in later training; as in config.json when None.
        overwrite: lose the run that is in the folder already.
        quiet: print nothing.

    Returns:
        The `Run`, whose model is a `TextEncoder`, or a `CausalLM` for a GPT-2 or a Llama.

    Raises:
        FileExistsError: the folder holds a run already.
        FileNotFoundError, ValueError, OSError: as `kerasllm.models.hub.load_checkpoint` does.
    """
    check_free(output, overwrite)
    if (Path(source) / ADAPTER_CONFIG).is_file() and not (Path(source) / "config.json").is_file():
        raise ValueError(
            f"{source} holds an adapter without the model that it belongs to: name the run that it "
            "was trained on, `kerasllm import ADAPTER --base RUN`."
        )
    report = Progress(quiet)
    overrides = {} if dropout is None else {"dropout": dropout}
    backbone, tokenizer, info = load_checkpoint(source, revision, **overrides)
    if tokenizer is None:
        raise ValueError(
            f"expected the files of a tokenizer in {source} (tokenizer.json, or vocab.txt, or "
            "vocab.json and merges.txt), found none: fetch them too."
        )
    causal = backbone.settings.causal
    length = min(backbone.settings.max_length, ROW)
    if causal:
        model = CausalLM(backbone, preprocessor=CausalPreprocessor(tokenizer, length))
    else:
        reader = ClassificationPreprocessor(tokenizer, length=length)
        model = TextEncoder(backbone, preprocessor=reader)
    with in_use(output):
        run = Run.create(output)
        run.begin(_config(info, model, tokenizer), tokenizer)
        run.save(model, tokenizer)
    report.say(f"Imported {info} into {run.path}", style="bold")
    report.say(
        f"  {model.count_params():,} weights, {tokenizer.vocabulary_size:,} tokens in the "
        f"vocabulary, texts of up to {backbone.settings.max_length} tokens"
    )
    report.say(f"  fine-tuned, its weights move at learning_rate={RATE:g}, unless you give another")
    return run


def _config(info, model, tokenizer):
    causal = isinstance(model, CausalLM)
    return {
        "task": "language_model",
        "encoder": not causal,
        "settings": {
            "objective": "causal" if causal else "masked",
            "length": model.preprocessor.length,
            "clean": False,
            "pooling": "last" if causal else "mean",
            "layer": -1,
            "seed": 0,
        },
        "seed": 0,
        "model_type": info.model_type,
        "advised": {"learning_rate": RATE},
        "left_out": list(info.left_out),
        "data": {"name": info.source, "source": None, "hash": weights_hash(model)},
        "tokenizer": tokenizer.fingerprint,
    }


def export_checkpoint(run, folder, *, kind="F16", overwrite=False, quiet=False):
    """Write the backbone and the tokenizer of a run so that `transformers` loads them.

    Heads (of a classifier, a tagger) stay behind: they have no counterpart there.

    Args:
        run: run folder or `Run`.
        folder: where to; for a Llama also a file whose name ends in .gguf.
        kind: of the values of a GGUF file's matrices: "F32", "F16" or "Q8_0".
        overwrite: lose the checkpoint that is there already.
        quiet: print nothing.

    Returns:
        The path of the folder, or of the file.

    Raises:
        FileExistsError: the folder holds a checkpoint, or a run, already; or there is a file.
        ValueError: a backbone or a tokenizer of a form that `transformers` does not know.
    """
    run = as_run(run)
    title = "AutoModelForCausalLM" if isinstance(run.model, CausalLM) else "AutoModel"
    if Path(folder).suffix == ".gguf":
        if Path(folder).exists() and not overwrite:
            raise FileExistsError(f"there is a file at {folder} already: give another name, or "
                                  "overwrite=True.")  # fmt: skip
        folder = save_gguf(run.backbone, run.tokenizer, folder, kind)
        how = f"{title}.from_pretrained({str(folder.parent)!r}, gguf_file={folder.name!r})"
    else:
        check_free(folder, overwrite, results=("config.json", "model.safetensors"))
        folder = save_checkpoint(run.backbone, run.tokenizer, folder)
        how = f"{title}.from_pretrained(folder)"
    Progress(quiet).say(f"  saved in {folder}, for transformers.{how}")
    return folder
