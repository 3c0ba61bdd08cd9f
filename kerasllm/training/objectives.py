"""What pretraining learns from bare text: next tokens, hidden tokens, or what a text is about."""

from dataclasses import dataclass

import numpy as np

from kerasllm.models import (
    CausalLM,
    ContrastiveLM,
    MaskedLM,
    RecurrentBackbone,
    RecurrentConfig,
    SpanContrast,
    TokenCrossEntropy,
    TransformerBackbone,
    TransformerConfig,
    mask_tokens,
)
from kerasllm.models.language.preprocessor import SpanBatches
from kerasllm.models.language.scoring import token_nats
from kerasllm.text.batching import StreamBatches, TextBatches
from kerasllm.training.data import document_rows, token_rows
from kerasllm.utils.errors import check_choice

VALIDATION_TOKENS = 50_000  # a validation during training reads so many at most
SHORTEST = 8  # tokens of a text that is cut in two spans at least
BACKBONES = {
    "recurrent": (RecurrentBackbone, RecurrentConfig),
    "transformer": (TransformerBackbone, TransformerConfig),
}


@dataclass
class Objective:
    """A task to pretrain, what it is trained on, and how it is validated.

    Attributes:
        model: the task.
        loss: its loss.
        batches: `Batches` of training data.
        validate: (tokens at most) -> float64 array, nats of each held-out token.
        tokens: number of training tokens.
        loss_weights: weight of each loss where there are several.
    """

    model: object
    loss: object
    batches: object
    validate: object
    tokens: int
    loss_weights: dict | None = None


def make_backbone(settings, vocabulary_size, causal):
    """Return the backbone that pretraining settings describe."""
    check_choice("backbone", settings.backbone, BACKBONES)
    kind, config = BACKBONES[settings.backbone]
    recurrent = settings.backbone == "recurrent"
    names = ("cell", "units", "residual") if recurrent else ("num_heads", "positions")
    names += ("hidden_dim", "num_layers", "dropout")
    overrides = {n: getattr(settings, n) for n in names if getattr(settings, n) is not None}
    if recurrent:
        overrides["bidirectional"] = not causal
        # With a residual of equal widths there is nothing to project.
        widths = config.preset(settings.preset, vocabulary_size, **overrides)
        overrides["project"] = not (widths.residual and widths.units == widths.hidden_dim)
    else:
        overrides |= {"causal": causal, "max_length": max(settings.length, 16)}
    return kind(config.preset(settings.preset, vocabulary_size, **overrides))


def make_objective(settings, source, tokenizer, quiet=False):
    """Return the `Objective` that pretraining settings name."""
    check_choice("objective", settings.objective, OBJECTIVES)
    return OBJECTIVES[settings.objective](settings, source, tokenizer, quiet)


def _causal(settings, source, tokenizer, quiet):
    train, validation = token_rows(source, tokenizer, quiet)
    backbone = make_backbone(settings, tokenizer.vocabulary_size, causal=True)
    model = CausalLM(backbone, settings.output_dropout)

    def validate(limit=VALIDATION_TOKENS):
        return token_nats(model, validation[:limit], settings.length, settings.batch_size)

    batches = StreamBatches(train, settings.length, settings.batch_size, settings.seed)
    return Objective(model, TokenCrossEntropy(), batches, validate, len(train))


def _masked(settings, source, tokenizer, quiet):
    train, validation = document_rows(source, tokenizer, settings.length, quiet)
    backbone = make_backbone(settings, tokenizer.vocabulary_size, causal=False)
    model = MaskedLM(backbone, settings.output_dropout)
    hide = _hider(settings, tokenizer)

    def validate(limit=VALIDATION_TOKENS):
        return masked_nats(model, validation, settings, tokenizer, limit)

    batches = TextBatches(train, None, settings.batch_size, settings.seed, transform=hide)
    return Objective(model, TokenCrossEntropy(), batches, validate, int(train.lengths.sum()))


def _hider(settings, tokenizer):
    """Return the transform that hides tokens of a batch."""

    def hide(ids, _targets, rng):
        starts = None
        if settings.whole_word:
            starts = np.stack([tokenizer.word_starts(row) for row in ids])
        size, special = tokenizer.vocabulary_size, tokenizer.special_ids
        return mask_tokens(ids, size, rng, settings.mask_share, starts, special, tokenizer.mask_id)

    return hide


def masked_nats(model, ids, settings, tokenizer, limit=None):
    """Return -ln p of each hidden token; the same tokens are hidden at every call.

    Args:
        model: a `MaskedLM`.
        ids: lists of token ids, or `Documents`.
        settings: `PretrainSettings`.
        tokenizer: the model's.
        limit: stop after so many tokens.
    """
    hide = _hider(settings, tokenizer)
    held_out = TextBatches(ids, None, settings.batch_size, seed=1, transform=hide)
    nats, seen = [], 0
    for step in range(held_out.steps_per_epoch):
        inputs, targets = held_out.batch(step)
        seen += np.count_nonzero(inputs["ids"])
        if nats and limit and seen > limit:
            break
        nats.append(_hidden_nats(model, inputs, targets))
    return np.concatenate(nats)


def _hidden_nats(model, inputs, targets):
    """Return -ln p of each hidden token of a batch."""
    logits = model.predict_on_batch(inputs).astype("float64")
    logits -= logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(logits).sum(axis=-1))
    chosen = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return (log_sum - chosen)[targets != 0]


def text_lists(source):
    """Return training and validation texts; a text file gives its lines."""
    if source.validation is not None:
        return source.train, source.validation
    lines = [line for line in source.train.read_text("utf-8").splitlines() if line.strip()]
    cut = max(1, len(lines) // 10)
    return lines[:-cut], lines[-cut:]


def _contrastive(settings, source, tokenizer, quiet):
    train, validation = token_rows(source, tokenizer, quiet)
    backbone = make_backbone(settings, tokenizer.vocabulary_size, causal=True)
    model = ContrastiveLM(backbone, settings.pooling, settings.layer, settings.output_dropout)
    texts, _ = document_rows(source, tokenizer, settings.length, quiet)
    texts = texts[texts.lengths >= SHORTEST]

    def validate(limit=VALIDATION_TOKENS):
        return token_nats(model, validation[:limit], settings.length, settings.batch_size)

    batches = SpanBatches(
        StreamBatches(train, settings.length, settings.batch_size, settings.seed),
        TextBatches(texts, None, settings.contrast_batch, settings.seed),
    )
    loss = {"logits": TokenCrossEntropy(), "pooled": SpanContrast(settings.temperature)}
    weights = {"logits": 1.0, "pooled": settings.contrast_weight}
    return Objective(model, loss, batches, validate, len(train), weights)


OBJECTIVES = {"causal": _causal, "contrastive": _contrastive, "masked": _masked}
