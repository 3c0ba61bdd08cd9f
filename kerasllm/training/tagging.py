"""Token tagging: from sentences in words to a tagger, its scores, and tags for typed sentences.

Two ways to begin:

    from scratch      word embeddings and features from spelling, BiLSTM, CRF (Ma and Hovy 2016)
    from a run        its backbone; a word is tagged at its first piece (Devlin et al. 2019)
"""

import dataclasses
import math

from kerasllm.models.backbones.embedding import EmbeddingBackbone, EmbeddingConfig
from kerasllm.models.tagging.preprocessor import SentenceReader, TaggedBatches, word_tokenizer
from kerasllm.models.tagging.token_tagger import HEADS, TokenTagger
from kerasllm.text.entities import convert_tags, forbidden_pairs
from kerasllm.text.tag_schemes import scheme_of
from kerasllm.training.data import found_again
from kerasllm.training.engine.loop import Stage, run_stage
from kerasllm.training.engine.progress import Progress
from kerasllm.training.finetuning import check_output
from kerasllm.training.pretraining import check_resumable, compile_model, prepare, tensorboard
from kerasllm.training.run import Run, load_run, weights_hash
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.tagging import TaggerSettings
from kerasllm.training.tagging_answers import (
    evaluate_tagger,
    predict_tagger,
    tag_metrics,
    tag_sentences,
)
from kerasllm.training.tagging_data import by_character, model_tags, read_tagged
from kerasllm.utils.errors import check_choice

__all__ = ["evaluate_tagger", "predict_tagger", "train_tagger"]

# What suits a model from scratch, and one from a pretrained run.
_USUAL = {
    "learning_rate": (2e-3, 1e-4),
    "epochs": (15.0, 3.0),
    "units": (128, 0),
    "dropout": (0.5, 0.1),
}


def train_tagger(
    data,
    output="runs/tagger",
    *,
    pretrained=None,
    settings=None,
    resume=False,
    quiet=False,
    **overrides,
):
    """Train a tagger on tagged sentences, and write a run folder.

    Args:
        data: name of a data set, path of a CoNLL file, or a pair of `Dataset` (train, validation).
        output: the run folder.
        pretrained: run folder, or `Run`, whose backbone to begin from; None begins from scratch.
        settings: `TaggerSettings`; the defaults when None.
        resume: go on where an earlier call with the same settings was cut off.
        quiet: print nothing.
        **overrides: single settings, such as `head="softmax"`.

    Returns:
        The `Run`, whose model is a `TokenTagger`.

    Raises:
        ValueError: a setting or the data cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    settings = resolve(TaggerSettings, settings, **overrides)
    check_choice("head", settings.head, HEADS)
    check_choice("scheme", settings.scheme, ("bio", "bioes"))
    report = Progress(quiet)
    if pretrained is not None and not isinstance(pretrained, Run):
        pretrained = load_run(pretrained)
    train, validation = read_tagged(data)
    settings = _usual(settings, pretrained, by_character(train))
    tags, told = model_tags(train, settings.scheme)
    config = _config(settings, pretrained, train, tags, found_again(data))
    if pretrained is not None:
        _check_pretrained(settings, pretrained, output)
    if resume:
        check_resumable(output, config)
    folder = Run.create(output)
    report.say(f"Training a tagger on {train!r} into {folder.path}", style="bold")
    report.say(f"  {told}")
    model, tokenizer, rows = _train(
        config, settings, pretrained, train, validation, folder, resume, report
    )
    folder.save(model, tokenizer)
    best = max(rows, key=lambda row: row[_monitor(config)])
    folder.write_json("metrics.json", {k: v for k, v in best.items() if "val" in k})
    _draw(folder, rows)
    report.say(f"  saved in {folder.path}")
    return folder


def _usual(settings, pretrained, by_character):
    """Fill what is None."""
    chosen = {
        name: pair[pretrained is not None]
        for name, pair in _USUAL.items()
        if getattr(settings, name) is None
    }
    if settings.characters is None:
        sees_capitals = pretrained is not None and not pretrained.tokenizer.lowercase
        chosen["characters"] = not (by_character or sees_capitals)
    if settings.length is None:
        chosen["length"] = min(256, _longest(pretrained))
    return dataclasses.replace(settings, **chosen)


def _config(settings, pretrained, train, tags, source):
    entities = scheme_of(tags) != "none"
    characters = sorted({c for example in train for token in example.tokens for c in token})
    return {
        "kind": "tagger",
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "pretrained": str(pretrained.path) if pretrained is not None else None,
        "pretrained_weights": weights_hash(pretrained.model) if pretrained is not None else None,
        "labels": sorted({tag for row in tags for tag in row}),
        "entities": entities,
        "characters": "".join(characters) if settings.characters else "",
        "by_character": by_character(train),
        "language": train.language,
        "data": {"name": train.name, "source": source, "hash": train.fingerprint},
    }


def _check_pretrained(settings, pretrained, output):
    check_output(output, pretrained)
    limit = _longest(pretrained)
    if settings.length > limit:
        raise ValueError(
            f"length={settings.length} is longer than the {limit} tokens that the pretrained "
            "model can read: lower it."
        )


def _longest(pretrained):
    """Return how many tokens a pretrained run can read; infinity where nothing limits it."""
    limit = pretrained and getattr(pretrained.backbone.settings, "max_length", None)
    return limit or math.inf


def _train(config, settings, pretrained, train, validation, folder, resume, report):
    """Build tokenizer and model, train, and return (model, tokenizer, history rows)."""
    prepare(settings)
    sentences = [example.tokens for example in train]
    if pretrained is None:
        tokenizer, counts = word_tokenizer(sentences, config["settings"])
        unknown = settings.word_dropout / (settings.word_dropout + counts.clip(1e-9))
        unknown[counts == 0] = 0.0
    else:
        tokenizer, unknown = pretrained.tokenizer, None
    config["tokenizer"] = tokenizer.fingerprint
    folder.begin(config, tokenizer, resume)
    model = build_tagger(config, tokenizer, pretrained)
    reader = SentenceReader(tokenizer, config["settings"], config["characters"])
    batches = _batches(reader, config, train, settings, unknown)
    report.say(
        f"  {len(batches.rows):,} rows, {len(config['labels'])} tags, "
        f"{tokenizer.vocabulary_size:,} in the vocabulary, {model.count_params():,} weights"
    )
    steps = max(1, round(settings.epochs * batches.steps_per_epoch))
    compile_model(model, None, settings, steps, batches, _factors(model, settings, pretrained))
    stage = Stage(
        "tagger",
        model,
        batches,
        steps,
        validate=_validator(model, reader, config, validation),
        eval_every=min(steps, batches.steps_per_epoch),
        patience=settings.patience,
        monitor=_monitor(config),
        keep_best=settings.keep_best,
        tensorboard=tensorboard(settings, folder),
    )
    return model, tokenizer, run_stage(stage, folder, resume, report=report)


def _factors(model, settings, pretrained):
    """Return the factor on the learning rate of each new variable above a pretrained backbone."""
    if pretrained is None:
        return None
    old = {variable.path for variable in model.backbone.trainable_variables}
    new = [variable.path for variable in model.trainable_variables if variable.path not in old]
    return dict.fromkeys(new, settings.head_rate)


def build_tagger(config, tokenizer, pretrained=None):
    """Return the untrained `TokenTagger` of a config, on a copy of a run's backbone if given."""
    settings, labels = config["settings"], config["labels"]
    if pretrained is None:
        backbone = EmbeddingBackbone(
            EmbeddingConfig(tokenizer.vocabulary_size, settings["word_dim"])
        )
    else:
        source = pretrained.backbone
        backbone = source.__class__.from_config(source.get_config())
        backbone.set_weights(source.get_weights())
    spelling = {"num_characters": len(config["characters"]) + 2, "filters": settings["filters"]}
    constrained = config["entities"] and settings["constrained"] and settings["head"] == "crf"
    return TokenTagger(
        backbone,
        len(labels),
        settings["head"],
        forbidden=forbidden_pairs(labels) if constrained else None,
        characters=spelling if config["characters"] else None,
        units=settings["units"],
        dropout=settings["dropout"],
    )


def _batches(reader, config, train, settings, unknown):
    number = {label: i for i, label in enumerate(config["labels"])}
    rows = reader.rows([example.tokens for example in train])
    convert = (lambda tags: convert_tags(tags, settings.scheme)) if config["entities"] else list
    numbers = [[number[tag] for tag in convert(example.tags)] for example in train]
    tags = [numbers[r.sentence][r.first : r.first + len(r.positions)] for r in rows]
    return TaggedBatches(
        rows, tags, settings.batch_size, settings.seed, settings.word_length, unknown,
        reader.tokenizer.unk_id,
    )  # fmt: skip


def _monitor(config):
    return "val_f1" if config["entities"] else "val_accuracy"


def _validator(model, reader, config, validation):
    sentences, true = zip(*((e.tokens, e.tags) for e in validation), strict=True)

    def validate():
        predicted = tag_sentences(model, reader, sentences, config["labels"])
        scores = tag_metrics(true, predicted, config["entities"])
        return {f"val_{name}": s for name, s in scores.items() if isinstance(s, float)}

    return validate


def _draw(folder, rows):
    from kerasllm import plots

    names = [name for name in ("loss", "val_f1", "val_accuracy") if name in rows[-1]]
    figure = plots.learning_curves({n: [row[n] for row in rows] for n in names})
    folder.write_figure("learning_curves", figure)
