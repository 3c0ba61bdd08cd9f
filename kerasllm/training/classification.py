"""Training a text classifier in stages, and asking it."""

from functools import partial

import keras
import numpy as np

from kerasllm.metrics.multilabel import binary_nats
from kerasllm.models import LoRA, TextClassifier
from kerasllm.models.classification.preprocessor import class_names, is_multilabel, label_targets
from kerasllm.text import Tokenizer, pool_windows
from kerasllm.text.batching import TextBatches, pad_bucketed
from kerasllm.training.data import Reading
from kerasllm.training.engine.adapters import save_adapter
from kerasllm.training.engine.checkpoints import load_checkpoint
from kerasllm.training.engine.freezing import freeze_below, head_alone, stages, used_groups
from kerasllm.training.engine.loop import Stage, run_stage, write_history
from kerasllm.training.engine.weight_changes import moved, weights_by_layer
from kerasllm.training.pretraining import compile_model, prepare, tensorboard


def train_classifier(
    pretrained, tokenizer, train, validation, settings, folder=None, resume=False, report=None
):
    """Train a `TextClassifier`, and return (model, history rows, how far each layer moved).

    The pretrained task is not changed: the classifier gets a copy of its backbone, and of its
    pooling where that was pretrained too.

    Args:
        pretrained: a task; only its settings are used by the method "scratch".
        tokenizer: the task's.
        train: `Dataset` with labels.
        validation: `Dataset` with the same labels.
        settings: resolved `FinetuneSettings`.
        folder: `Run` to write into; None writes nothing.
        resume: go on from its checkpoint.
        report: a `Progress`; quiet when None.
    """
    prepare(settings)
    backbone = pretrained.backbone
    copy = backbone.__class__.from_config(backbone.get_config())
    model = TextClassifier(
        copy,
        len(class_names(train)),
        pooling=settings.pooling,
        layer=settings.layer,
        dropout=settings.dropout,
    )
    if settings.method != "scratch":
        copy.set_weights(backbone.get_weights())
        _copy_pooling(pretrained, model)
    ids, owners = Reading.of(settings).rows(train.texts, tokenizer)
    y = label_targets(train, class_names(train))[np.asarray(owners)]
    share = settings.word_dropout
    hide = partial(_hide_words, share, tokenizer=tokenizer) if share else None
    # Few shapes pay where each is compiled; elsewhere little padding does.
    bucket = 16 if settings.xla or keras.backend.backend() == "jax" else 4
    batches = TextBatches(ids, y, settings.batch_size, settings.seed, bucket, transform=hide)
    before, adapted = weights_by_layer(model), _adapted(model, settings)
    validate = _validator(adapted or model, tokenizer, train, validation, settings)
    rows = []
    for number, (groups, epochs) in enumerate(stages(model, settings)):
        stage = _stage(model, adapted, batches, groups, epochs, number, settings, validate, folder)
        if _was_finished(number, folder, resume):
            continue
        rows = run_stage(stage, folder, resume, history=rows, report=report)
        _note_moved(rows, moved(before, model), adapted, folder, report)
    if adapted and folder:
        save_adapter(folder.path / "adapter.npz", adapted)
    model = adapted.merge() if adapted else model
    return model, rows, moved(before, model)


def _adapted(model, settings):
    """Return the model with low-rank corrections, where the method asks for them."""
    if settings.method != "lora":
        return None
    targets = tuple(name.strip() for name in settings.lora_targets.split(","))
    return LoRA(model, settings.lora_rank, targets=targets, seed=settings.seed)


def _hide_words(share, ids, targets, rng, tokenizer=Tokenizer):
    """Put <unk> in the place of a share of the tokens, drawn anew in each step."""
    ordinary = ~np.isin(ids, list(tokenizer.special_ids))
    hidden = (rng.random(ids.shape) < share) & ordinary
    unknown = tokenizer.eos_id if tokenizer.unk_id is None else tokenizer.unk_id
    return np.where(hidden, unknown, ids).astype("int32"), targets


def _copy_pooling(pretrained, model):
    """Take over the weights of a pooling that was pretrained in the same mode."""
    names = [layer.name for layer in pretrained.layers]
    if (
        "pooling" in names
        and pretrained.get_layer("pooling").mode == model.get_layer("pooling").mode
    ):
        model.get_layer("pooling").set_weights(pretrained.get_layer("pooling").get_weights())


def _stage(model, adapted, batches, top, epochs, number, settings, validate, folder):
    """Freeze all but the `top` highest groups, compile anew, and describe the stage."""
    factors = freeze_below(model, 0 if adapted else top, settings.discriminative)
    groups = f"{top} of {len(used_groups(model))} groups"
    what = f"corrections of rank {adapted.rank}" if adapted else groups
    steps = max(1, round(epochs * batches.steps_per_epoch))
    if adapted and top:
        model = adapted
    elif not (top or model.backbone.settings.dropout or batches.transform):
        model, batches = head_alone(model, batches)
    compile_model(
        model,
        _loss(batches.targets),
        settings,
        steps,
        batches,
        factors if settings.discriminative != 1 else None,
        metrics=["accuracy"] if batches.targets.ndim == 1 else [],
    )
    watched = folder or settings.patience or settings.keep_best
    name = f"stage {number}: head" + (f" and {what}" if top else "")
    return Stage(
        name,
        model,
        batches,
        steps,
        validate=validate,
        eval_every=min(steps, batches.steps_per_epoch) if watched else steps,
        patience=settings.patience,
        keep_best=settings.keep_best,
        tensorboard=tensorboard(settings, folder) if folder else None,
    )


def _loss(targets):
    """Return the loss: one label a text (R,), or a yes or no for each (R, C)."""
    if targets.ndim == 1:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.BinaryCrossentropy(from_logits=True)


def _was_finished(number, folder, resume):
    """Return whether the run that is resumed was cut off in a later stage than this one."""
    last = folder.path / "checkpoint" / "last.npz" if folder else None
    if not (resume and last.exists()):
        return False
    return int(load_checkpoint(last)["stage"].split()[1].rstrip(":")) > number


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


def _validator(model, tokenizer, train, validation, settings):
    """Return () -> validation loss and accuracy (of several labels, all must be right)."""
    y = label_targets(validation, class_names(train))

    def validate():
        logits = classify(model, tokenizer, validation.texts, Reading.of(settings))
        if is_multilabel(train):
            nats, right = binary_nats(logits, y), ((logits > 0) == y).all(axis=1)
            return {"val_loss": float(nats.mean()), "val_accuracy": float(right.mean())}
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return {
            "val_loss": float(-log_p[np.arange(len(y)), y].mean()),
            "val_accuracy": float((logits.argmax(axis=1) == y).mean()),
        }

    return validate


def classify(model, tokenizer, texts, reading, batch_size=256):
    """Return logits (B, C) of texts, in their order; those of a text's windows are averaged.

    Args:
        model: a `TextClassifier`, or a `LoRA` of one.
        tokenizer: the one that it was trained with.
        texts: list of str.
        reading: a `Reading`, or its length.
        batch_size: rows at once.
    """
    reading = reading if isinstance(reading, Reading) else Reading(reading)
    ids, owners = reading.rows(texts, tokenizer)
    order = np.argsort([len(row) for row in ids], kind="stable")
    classes = getattr(model, "task", model).task_config["num_classes"]
    logits = np.zeros((len(ids), classes))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        padded = pad_bucketed([ids[row] for row in rows], limit=reading.length)
        logits[rows] = model.predict_on_batch(padded)
    return pool_windows(logits, owners) if len(ids) else logits
