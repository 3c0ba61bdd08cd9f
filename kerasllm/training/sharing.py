"""Adapters alone, for `peft` and from it: a run's low-rank corrections without its base model."""

from pathlib import Path

from kerasllm.models import CausalLM
from kerasllm.models.hub.peft import CONFIG, TENSORS, Corrections, merge_peft, save_peft
from kerasllm.training.engine.adapters import corrections_in
from kerasllm.training.engine.progress import Progress
from kerasllm.training.run_folder.folder import check_free, in_use
from kerasllm.training.run_folder.run import Run, as_run

ADAPTER = "adapter.npz"  # in a run folder


def export_adapter(run, folder, *, overwrite=False, quiet=False):
    """Write what low-rank fine-tuning learned, without its base, so that `peft` loads it.

    Args:
        run: run folder or `Run` of a language model, or one that chats, trained by method="lora".
        folder: where to.
        overwrite: lose the adapter that is there already.
        quiet: print nothing.

    Returns:
        The folder's path.

    Raises:
        FileExistsError: the folder holds an adapter, or a run, already.
        ValueError: the run has no adapter, or one that `peft` has no place for.
    """
    run = as_run(run)
    path = run.path / ADAPTER
    if not path.is_file():
        raise ValueError(
            f"expected a run of method='lora', {run.path} has no {ADAPTER}: fine-tune with "
            "--method lora, or export the whole model, without --adapter."
        )
    check_free(folder, overwrite, results=(CONFIG, TENSORS))
    pairs, meta = corrections_in(path, run.backbone)
    corrections = Corrections(
        pairs, meta["alpha"] / meta["rank"], base=meta["base"], dropout=meta["dropout"]
    )
    name = run.config.get("pretrained") or ""
    folder = save_peft(folder, run.backbone, corrections, meta["alpha"], run.tokenizer, name)
    Progress(quiet).say(
        f"  saved in {folder}, for peft.PeftModel.from_pretrained(base, folder), where base is "
        f"{name} as `kerasllm export` writes it"
    )
    return folder


def import_adapter(folder, base, output="runs/imported", *, overwrite=False, quiet=False):
    """Merge an adapter of `peft` into the run that it was trained on, and write a run folder.

    Args:
        folder: with adapter_config.json and adapter_model.safetensors.
        base: run folder or `Run` of a causal language model.
        output: the run folder.
        overwrite: lose the run that is in the folder already.
        quiet: print nothing.

    Returns:
        The `Run`.

    Raises:
        FileExistsError: the folder holds a run already.
        FileNotFoundError: a file of the adapter is missing.
        ValueError: the adapter is damaged, of a kind that is not supported, or for another base.
    """
    check_free(output, overwrite)
    base = as_run(base)
    before = base.model
    if not isinstance(before, CausalLM):
        raise ValueError(
            f"expected a causal language model as the base of an adapter, {base.path} holds a "
            f"{type(before).__name__}: give the run that it was trained on."
        )
    backbone = merge_peft(folder, base.backbone, base.tokenizer)
    model = type(before)(backbone, preprocessor=before.preprocessor, **before.task_config)
    config = {
        **{name: base.config[name] for name in ("task", "settings", "seed", "data", "tokenizer")
           if name in base.config},
        "pretrained": str(base.path),
        "adapter": str(Path(folder).resolve()),
    }  # fmt: skip
    with in_use(output):
        run = Run.create(output)
        run.begin(config, base.tokenizer)
        run.save(model, base.tokenizer)
    Progress(quiet).say(f"Merged the adapter {folder} into {base.path}: {run.path}", style="bold")
    return run
