"""How likely the answers of conversations are to a model, and what it answers itself."""

import numpy as np
from keras import ops

from kerasllm.baselines.language import kneser_ney
from kerasllm.metrics.bootstrap import bootstrap_interval, pooled_mean
from kerasllm.metrics.language import language_metrics
from kerasllm.models.decoding.compiled import compiled
from kerasllm.models.decoding.decoding import decode_ids
from kerasllm.models.preprocessor import together
from kerasllm.text.batching import pad_bucketed
from kerasllm.text.conversations.encoding import fitted
from kerasllm.text.conversations.messages import check_messages
from kerasllm.text.unknown import incomparable, unknown_share

BUCKET = 32  # lengths that are compiled apart
TOKENS_AT_ONCE = 2048
NEW_TOKENS = 256  # of an answer at most


def answer_nats(task, lessons):
    """Return -ln p of each counted token of each conversation: a list of float64 arrays.

    Args:
        task: a `ChatLM`.
        lessons: its `Lesson`s.
    """
    score, found = _scorer(task), [np.zeros(0)] * len(lessons)
    order = sorted(range(len(lessons)), key=lambda row: len(lessons[row].ids))
    while order:
        width = -(-len(lessons[order[-1]].ids) // BUCKET) * BUCKET
        count = max(1, TOKENS_AT_ONCE // width)
        rows = order[-count:]
        del order[-count:]
        # The last batch is filled up with its own last row: one compiled shape.
        some = [lessons[row] for row in [*rows, *[rows[-1]] * (count - len(rows))]]
        ids = pad_bucketed([lesson.ids for lesson in some], BUCKET)
        targets = pad_bucketed([lesson.targets for lesson in some], BUCKET)
        nats = ops.convert_to_numpy(score(ids, targets)).astype("float64")
        for row, own, counted in zip(rows, nats, targets != 0, strict=False):
            found[row] = own[counted]
    return found


def _scorer(task):
    """Return the compiled scores of a batch; made once a model."""
    made = task.__dict__.setdefault("_compiled_scores", {})
    if "answers" not in made:

        def score(ids, targets):
            logits = ops.cast(task.logits(task.backbone(ids, training=False)), "float32")
            targets = ops.cast(ops.convert_to_tensor(targets), "int32")
            return ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)

        made["answers"] = compiled(score, task)
    return made["answers"]


def scores(task, dataset):
    """Return the loss and the perplexity of the answers, in nats per token of them."""
    return scores_of(task, task.preprocessor.lessons(dataset))


def scores_of(task, lessons):
    """Return the scores of conversations that were read into `Lesson`s before."""
    nats = np.concatenate(answer_nats(task, lessons))
    found = language_metrics(float(nats.sum()), len(nats))
    return {name: found[name] for name in ("loss", "perplexity")}


def evaluation(task, test, train=None):
    """Return the scores of the answers, their intervals, and those of an n-gram model.

    The intervals are drawn by conversations, whose tokens hang together.
    """
    reader = task.preprocessor
    lessons = reader.lessons(test)
    nats = [own for own in answer_nats(task, lessons) if len(own)]
    sums, counts = np.array([own.sum() for own in nats]), np.array([*map(len, nats)])
    spoken = _spoken(lessons)
    unknown = unknown_share(np.concatenate(spoken), reader.tokenizer)
    loss = bootstrap_interval(pooled_mean, sums, counts)
    result = {
        "rows": int(counts.sum()),
        "model": {**language_metrics(float(sums.sum()), int(counts.sum())), "unknown": unknown},
        "interval": {"loss": loss, "perplexity": tuple(float(np.exp(end)) for end in loss)},
        "baselines": {},
        "notes": cut_told(lessons, reader.length) + _unknown_told(unknown, reader.tokenizer),
    }
    if train is not None:
        learned = _spoken(reader.lessons(train))
        ngram = kneser_ney(learned, spoken, reader.tokenizer.vocabulary_size)
        result["baselines"]["kneser_ney"] = {**ngram.metrics, "unknown": unknown}
    return result


def _spoken(lessons):
    """Return the counted tokens of each conversation that has any."""
    return [lesson.targets[lesson.targets != 0] for lesson in lessons if lesson.targets.any()]


def _unknown_told(unknown, tokenizer):
    return incomparable(unknown, tokenizer, "loss and perplexity")[:1] if unknown else []


def cut_told(lessons, length):
    """Return a sentence that says what was cut of longer conversations, none where nothing was."""
    long = [lesson for lesson in lessons if lesson.cut]
    if not long:
        return []
    lost, gone = sum(lesson.lost for lesson in long), sum(not x.targets.any() for x in long)
    kept = sum(np.count_nonzero(lesson.targets) for lesson in lessons)
    line = (
        f"{len(long):,} of {len(lessons):,} conversations are longer than {length:,} tokens: their "
        f"ends are cut, and with them {lost:,} of {lost + kept:,} tokens of answers"
    )
    return [line + (f"; of {gone:,} no answer is left" if gone else "")]


def answers(task, x, max_new_tokens=None):
    """Return what is answered to each conversation, or to each text that a user says.

    Args:
        task: a `ChatLM` with its preprocessor.
        x: a list of texts, or of conversations that end with what a user says.
        max_new_tokens: of an answer at most; `NEW_TOKENS`, or half of a shorter context, when None.

    Returns:
        A list of {"text", "answer", "warning"}; the likeliest token is taken each time.
    """
    asked = [x] if isinstance(x, str) else list(x)
    if asked and isinstance(asked[0], dict):
        asked = [asked]
    asked, reader = [check_messages(messages) for messages in asked], task.preprocessor
    context = getattr(task.backbone.settings, "max_length", None) or 2**20
    most = max_new_tokens or min(NEW_TOKENS, context // 2)
    tokenizer, rows = reader.tokenizer, []
    for messages in asked:
        rows.append(fitted(tokenizer, messages, context - most, reader.template))
    new = decode_ids(
        task, [ids for ids, _ in rows], most, stop=(tokenizer.eos_id,), batch_size=8,
        never=tuple(sorted(tokenizer.special_ids - {tokenizer.eos_id})),
    )  # fmt: skip
    return [
        _answer(reader, messages[-1]["content"], left_out, ids, most)
        for messages, (_, left_out), ids in zip(asked, rows, new, strict=True)
    ]


def _answer(reader, text, left_out, ids, most):
    cut = f"the oldest {left_out} messages did not fit and were left out" if left_out else None
    ended = len(ids) > 0 and ids[-1] == reader.tokenizer.eos_id
    unended = None if ended else f"the answer is cut after {most} tokens"
    answer = reader.tokenizer.decode(ids[:-1] if ended else ids)
    return {
        "text": text,
        "answer": answer.strip(),
        "warning": together(reader.warning(text), cut, unended),
    }
