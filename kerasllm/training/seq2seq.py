"""Sequence to sequence: from pairs of texts to a model that writes the second from the first."""

import dataclasses

from kerasllm.metrics import generation as translation
from kerasllm.models import TokenCrossEntropy
from kerasllm.models.seq2seq.preprocessor import (
    TARGET_TOKENIZER,
    PairBatches,
    pair_ids,
    read_pairs,
    run_tokenizers,
    targets_of,
    train_tokenizers,
)
from kerasllm.models.seq2seq.recurrent import RecurrentSeq2Seq
from kerasllm.models.seq2seq.transformer import TransformerSeq2Seq
from kerasllm.training.data import found_again
from kerasllm.training.engine.loop import Stage, run_stage
from kerasllm.training.engine.progress import Progress
from kerasllm.training.pretraining import check_resumable, compile_model, prepare, tensorboard
from kerasllm.training.run import Run, load_run
from kerasllm.training.seq2seq_answers import (
    attention_of,
    evaluate_seq2seq,
    pair_nats,
    predict_seq2seq,
    write_answers,
)
from kerasllm.training.settings.seq2seq import resolve_seq2seq

__all__ = ["evaluate_seq2seq", "make_model", "predict_seq2seq", "train_seq2seq"]

_MODELS = {"recurrent": RecurrentSeq2Seq, "transformer": TransformerSeq2Seq}


def train_seq2seq(
    data,
    output="runs/seq2seq",
    *,
    pretrained=None,
    settings=None,
    resume=False,
    quiet=False,
    **overrides,
):
    """Train an encoder-decoder on pairs of texts, and write a run folder.

    Args:
        data: name of a data set, path of a file, or a pair of `Dataset` (train, validation).
        output: the run folder.
        pretrained: run of an earlier `train_seq2seq`, to go on from its weights and vocabularies.
        settings: `Seq2SeqSettings`; the defaults when None.
        resume: go on where an earlier call with the same settings was cut off.
        quiet: print nothing.
        **overrides: single settings, such as `architecture="transformer"`.

    Returns:
        The `Run`, whose model is a `RecurrentSeq2Seq` or a `TransformerSeq2Seq`.

    Raises:
        ValueError: a setting or the data cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    settings, report = resolve_seq2seq(settings, **overrides), Progress(quiet)
    train, validation = read_pairs(data)
    prepare(settings)
    earlier = _earlier(pretrained)
    tokenizers = run_tokenizers(earlier) if earlier else train_tokenizers(train, settings)
    config = _config(settings, data, train, tokenizers, earlier)
    if resume:
        check_resumable(output, config)
    batches = PairBatches(
        *pair_ids(train, tokenizers, settings), settings.batch_size, settings.seed
    )
    model = make_model(settings, tokenizers, earlier)
    run = Run.create(output)
    run.begin(config, tokenizers[0], resume)
    _save_target(run, tokenizers)
    report.say(f"Training on {train!r} into {run.path}", style="bold")
    sizes = " and ".join(f"{t.vocabulary_size:,}" for t in dict.fromkeys(tokenizers))
    report.say(f"  {sizes} tokens in the vocabulary, {model.count_params():,} weights")
    rows = _train(model, batches, validation, tokenizers, settings, run, resume, report)
    run.save(model, tokenizers[0])
    best = [row["val_" + settings.metric] for row in rows if "val_" + settings.metric in row]
    choose = min if settings.metric == "loss" else max
    run.write_json("metrics.json", {"val_" + settings.metric: choose(best)})
    _draw(run, model, rows, validation, tokenizers, settings)
    report.say(f"  saved in {run.path}")
    return run


def make_model(settings, tokenizers, earlier=None):
    """Return the model that the settings describe, with the weights of an earlier run if given."""
    if earlier is not None:
        config = dataclasses.replace(earlier.model.settings, dropout=settings.dropout)
        model = type(earlier.model)(config)
        model.set_weights(earlier.model.get_weights())
        return model
    kind = _MODELS[settings.architecture]
    known = {field.name for field in dataclasses.fields(kind.config_class)}
    chosen = dataclasses.asdict(settings)
    own = known - {"vocabulary_size", "target_vocabulary_size", "max_length"}
    given = {name: chosen[name] for name in own if chosen.get(name) is not None}
    if not settings.shared:
        given["target_vocabulary_size"] = tokenizers[1].vocabulary_size
    if "max_length" in known:
        given["max_length"] = -(-(settings.length + 1) // 32) * 32  # as decoding rounds lengths
    return kind.from_preset(settings.preset, tokenizers[0].vocabulary_size, **given)


def _earlier(pretrained):
    """Return the run to go on from, or None."""
    if pretrained is None:
        return None
    run = pretrained if isinstance(pretrained, Run) else load_run(pretrained)
    if run.config["kind"] != "seq2seq":
        raise ValueError(
            f"expected a run of `train seq2seq` to go on from, {run.path} is one of "
            f"{run.config['kind']!r}: leave pretrained out."
        )
    return run


def _config(settings, data, train, tokenizers, earlier):
    return {
        "kind": "seq2seq",
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "pretrained": str(earlier.path) if earlier else None,
        "language": train.language,
        "data": {"name": train.name, "source": found_again(data), "hash": train.fingerprint},
        "tokenizer": tokenizers[0].fingerprint,
        "target_tokenizer": tokenizers[1].fingerprint,
    }


def _save_target(run, tokenizers):
    if tokenizers[0] == tokenizers[1]:
        (run.path / TARGET_TOKENIZER).unlink(missing_ok=True)
    else:
        tokenizers[1].save(run.path / TARGET_TOKENIZER)


def _train(model, batches, validation, tokenizers, settings, run, resume, report):
    """Compile and train; validate each epoch; return the history."""
    steps = max(1, round(settings.epochs * batches.steps_per_epoch))
    compile_model(model, TokenCrossEntropy(settings.label_smoothing), settings, steps, batches)
    stage = Stage(
        "seq2seq",
        model,
        batches,
        steps,
        validate=_validator(model, validation, tokenizers, settings, batches, steps),
        eval_every=min(steps, batches.steps_per_epoch),
        patience=settings.patience,
        monitor="val_" + settings.metric,
        keep_best=True,
        tensorboard=tensorboard(settings, run),
    )
    return run_stage(stage, run, resume, report=report)


def _validator(model, validation, tokenizers, settings, batches, steps):
    """Return () -> the loss, and every `decode_every` epochs and at the end the scores."""
    ids = pair_ids(validation, tokenizers, settings)
    some = validation.take(min(settings.decode_rows, len(validation)))

    def validate():
        nats, tokens = pair_nats(model, *ids)
        row = {"val_loss": float(nats.sum() / tokens.sum())}
        step = int(model.optimizer.iterations)
        epoch = -(-step // batches.steps_per_epoch)
        due = epoch % settings.decode_every == 0 or step >= steps
        if settings.metric != "loss" and due:
            answers = write_answers(model, tokenizers, some.texts, settings, beam=1)
            found = translation.scores(answers, targets_of(some), [settings.metric])
            row |= {f"val_{name}": score for name, score in found.items()}
        return row

    return validate


def _draw(run, model, rows, validation, tokenizers, settings):
    """Draw the learning curves, and what the model looks at in the first validation pair."""
    from kerasllm import plots

    names = ("loss", "val_loss")
    curves = {name: [row[name] for row in rows] for name in names}
    run.write_figure("learning_curves", plots.learning_curves(curves))
    (source,), (target,) = pair_ids(validation[:1], tokenizers, settings)
    looked = attention_of(model, tokenizers, source, target[1:])
    run.write_figure("attention", plots.attention_map(looked.target, looked.weights, looked.source))
