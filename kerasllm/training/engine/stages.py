"""A task trained by one of the methods, in stages."""

import contextlib

from kerasllm.models import LoRA
from kerasllm.training.engine.adapters import save_adapter
from kerasllm.training.engine.checkpoints import own_checkpoint
from kerasllm.training.engine.compilation import compile_model, watchers
from kerasllm.training.engine.freezing import freeze_below, stages, targets_of
from kerasllm.training.engine.loop import Stage, run_stage, write_history
from kerasllm.training.engine.weight_changes import moved, weights_by_layer


def train_in_stages(
    task, examples, batches, settings, pretrained=None, folder=None, resume=False, report=None
):
    """Train a task as its settings say, and return (history rows, how far each group moved).

    Args:
        task: a `Task`, with the weights to begin from.
        examples: `Examples`.
        batches: `Batches` of the training examples.
        settings: resolved settings of the task's shape.
        pretrained: the `Run` that the backbone comes from, or None.
        folder: run folder to write into; None writes nothing.
        resume: go on from its checkpoint.
        report: a `Progress`; quiet when None.
    """
    before, adapted = weights_by_layer(task), _adapted(task, settings)
    rows = []
    for number, (top, steps) in enumerate(planned_stages(task, settings, batches)):
        name = f"stage {number}: {_what(task, adapted, top, settings)}"
        stage = stage_of(
            name, task, adapted, examples, batches, top, steps, settings, pretrained, folder
        )
        if _was_finished(number, folder, resume):
            continue
        if report and not top and stage.model is not task:
            report.say("    features computed once: the backbone is frozen, and nothing is random")
        rows = run_stage(stage, folder, resume, history=rows, report=report)
        _note_moved(rows, moved(before, task), adapted, folder, report)
    if adapted:
        if folder:
            save_adapter(folder.path / "adapter.npz", adapted)
        adapted.merge()
    task.backbone.trainable = True  # for whoever begins from this run
    return rows, moved(before, task)


def planned_stages(task, settings, batches):
    """Return [(groups that are trained, steps)] of a training; see `freezing.stages`."""
    planned = stages(len(task.used_groups()), settings.method, *settings.durations(batches))
    # There is no stage of a head without weights.
    return [(top, steps) for top, steps in planned if top or task.head_weights()]


def _adapted(task, settings):
    """Return the task with low-rank corrections, where the method asks for them."""
    if settings.method != "lora":
        return None
    return LoRA(task, settings.lora_rank, targets=targets_of(settings), seed=settings.seed)


def _what(task, adapted, top, settings):
    """Say what a stage trains."""
    if not top:
        return "head"
    if adapted:
        return f"head and corrections of rank {adapted.rank}"
    if settings.method in ("scratch", "full"):
        return "all weights"
    return f"head and {top} of {len(task.used_groups())} groups"


def stage_of(
    name, task, adapted, examples, batches, top, steps, settings, pretrained=None, folder=None
):
    """Freeze what a stage does not train, compile what it does, and describe the stage.

    Args:
        name: of the stage.
        task: a `Task`.
        adapted: its `LoRA`, or None.
        examples: `Examples`.
        batches: `Batches` of the training examples.
        top: how many groups of layers are trained.
        steps: of the stage.
        settings: resolved settings of the task's shape.
        pretrained: the `Run` that the backbone comes from, or None.
        folder: run folder to write into, or None.

    Returns:
        A `Stage`.
    """
    factors = {**freeze_below(task, 0 if adapted else top, settings.discriminative),
               **settings.factors(task, pretrained)}  # fmt: skip
    model, validated = task, settings.validation(task, examples, batches, steps)
    if adapted and top:
        model = adapted
    elif not top:
        model, batches = task.head_alone(batches)

    def validate():
        with adapted.merged() if adapted else contextlib.nullcontext():
            found = validated(int(model.optimizer.iterations))
        return {f"val_{score}": value for score, value in found.items()}

    compile_model(
        model,
        settings.make_loss(task),
        settings,
        steps,
        batches,
        {path: factor for path, factor in factors.items() if factor != 1},
        task.default_metrics(),
        settings.loss_weights(),
    )
    watched = folder or settings.patience or settings.keep_best
    return Stage(
        name,
        model,
        batches,
        steps,
        validate=validate,
        eval_every=settings.eval_steps(batches, steps) if watched else steps,
        patience=settings.patience,
        monitor=settings.monitor(task),
        loss_name=task.loss_name,
        keep_best=settings.keep_best,
        seed=settings.seed,
        watchers=watchers(settings, folder, steps),
    )


def _was_finished(number, folder, resume):
    """Return whether the run that is resumed was cut off in a later stage than this one."""
    kept = own_checkpoint(folder) if folder and resume else None
    return kept is not None and int(kept["stage"].split()[1].rstrip(":")) > number


def _note_moved(rows, distances, adapted, folder, report):
    """Say after a stage how far each group is from where it began; the next stage keeps it."""
    if adapted:  # the corrections learn; nothing moves before they are merged
        return
    rows[-1] |= {f"moved_{name.replace(' ', '_')}": far for name, far in distances.items()}
    if folder:
        write_history(folder.path / "history.csv", rows)
    if report:
        parts = (
            f"{name} {f'{100 * far:.2g} %' if far else 'not at all'}"
            for name, far in distances.items()
        )
        report.say(f"    weights moved so far: {', '.join(parts)}")
