"""How likely the answers of conversations are to a model, and what it answers itself.

- An evaluation lets the model write the last answer of each conversation, and scores it beside the
  one that is there. Of many conversations some are drawn, always the same: writing takes time.
"""

from typing import NamedTuple

import numpy as np
from keras import ops

from kerasllm.baselines.generation import nearest_neighbour
from kerasllm.baselines.language import kneser_ney
from kerasllm.datasets import Dataset
from kerasllm.datasets.examples import Pair
from kerasllm.metrics.bootstrap import bootstrap_interval, pooled_mean
from kerasllm.metrics.generation import generation_intervals, generation_metrics
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
WRITTEN = 200  # answers that an evaluation lets a model write, at most
LONGEST = 128  # tokens of such an answer, at most


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
    """Return the scores of the answers, their intervals, and those of what to beat.

    The intervals are drawn by conversations, whose tokens hang together. An n-gram model is the
    baseline of the loss; of what is written it is the answer to the nearest training question.
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
    if (written := write_answers(task, test)) is not None:
        result["model"] = {**written.scores, **result["model"]}
        result["interval"] |= generation_intervals(written.references, written.answers)
        result["notes"] += written.told
        if train is not None and (scores := _nearest(train, written)):
            result["baselines"]["nearest"] = scores
    return result


class Written(NamedTuple):
    """What a model wrote where conversations have their last answers.

    Attributes:
        questions: the last messages before them.
        references: the answers that are there.
        answers: those that were written, with the likeliest token each time.
        told: sentences that must be said beside the scores.
    """

    questions: list
    references: list
    answers: list
    told: list

    @property
    def scores(self):
        """Return the exact matches and ROUGE-L, between 0 and 100."""
        found = generation_metrics(self.references, self.answers, ("rouge_l",))
        return {name: found[name] for name in ("exact_match", "rouge_l")}


def write_answers(task, dataset, shown=(), most=WRITTEN):
    """Let a model write the last answer of each conversation.

    Args:
        task: a `ChatLM`, or a `CausalLM` with a preprocessor whose tokenizer has a template.
        dataset: a `Dataset` of conversations.
        shown: `Conversation`s that stand before each of them, as examples (few-shot prompting).
        most: conversations; of more so many are drawn, always the same.

    Returns:
        A `Written`; None where there is nothing that a model could answer.
    """
    tokenizer, context = task.preprocessor.tokenizer, _context(task)
    some = dataset.take(most, 0) if len(dataset) > most else dataset
    before = [message for example in shown for message in example.messages]
    lengths = [len(row) for row in tokenizer.encode_batch([e.answers[-1] for e in some])]
    new = min(LONGEST, context // 2, max(lengths) + 8)
    rows = []
    for example in some:
        messages = example.messages
        last = max(n for n, message in enumerate(messages) if message["role"] == "assistant")
        first = int(messages[0]["role"] == "system")
        asked = [*messages[:first], *before, *messages[first:last]]
        try:
            ids, left_out = fitted(tokenizer, asked, context - new, _template(task))
        except ValueError:  # it asks nothing, or more than fits
            continue
        rows.append((asked[-1]["content"], messages[last]["content"], ids, left_out))
    if not rows:
        return None
    questions, references, prompts, left_out = map(list, zip(*rows, strict=True))
    answers = [answer for answer, _ in _decoded(task, prompts, new)]
    return Written(questions, references, answers, _told(dataset, some, rows, left_out, new))


def _told(dataset, some, rows, left_out, new):
    lines = []
    if len(some) < len(dataset) or len(rows) < len(some):
        lines.append(f"{len(rows):,} of {len(dataset):,} conversations were answered, drawn by a "
                     f"seed, in at most {new} tokens")  # fmt: skip
    if cut := sum(map(bool, left_out)):
        lines.append(f"of {cut:,} conversations the oldest messages did not fit")
    return lines


def _nearest(train, written):
    """Return the scores of the answer to the training question that is most alike, {} of none."""
    known = [Pair(e.asked[-1], e.answers[-1]) for e in train if e.asked]
    pairs = [Pair(q, a) for q, a in zip(written.questions, written.references, strict=True)]
    parts = (Dataset(part, name="questions", split="", task="seq2seq") for part in (known, pairs))
    try:
        found = nearest_neighbour(*parts).metrics
    except ValueError:  # questions without a word
        return {}
    return {name: found[name] for name in ("exact_match", "rouge_l")}


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
    context = _context(task)
    most = max_new_tokens or min(NEW_TOKENS, context // 2)
    rows = [
        fitted(reader.tokenizer, messages, context - most, reader.template) for messages in asked
    ]
    written = _decoded(task, [ids for ids, _ in rows], most)
    return [
        _answer(reader, messages[-1]["content"], left_out, answer, ended, most)
        for messages, (_, left_out), (answer, ended) in zip(asked, rows, written, strict=True)
    ]


def _context(task):
    return getattr(task.backbone.settings, "max_length", None) or 2**20


def _template(task):
    """Return the template that a task was fine-tuned with; None: that of its tokenizer."""
    return getattr(task.preprocessor, "template", None)


def _decoded(task, prompts, most):
    """Return (answer, whether it came to its end) for the ids of each prompt."""
    tokenizer = task.preprocessor.tokenizer
    new = decode_ids(
        task, prompts, most, stop=(tokenizer.eos_id,), batch_size=8,
        never=tuple(sorted(tokenizer.special_ids - {tokenizer.eos_id})),
    )  # fmt: skip
    ended = [len(ids) > 0 and ids[-1] == tokenizer.eos_id for ids in new]
    pairs = zip(new, ended, strict=True)
    return [(tokenizer.decode(ids[:-1] if end else ids).strip(), end) for ids, end in pairs]


def _answer(reader, text, left_out, answer, ended, most):
    cut = f"the oldest {left_out} messages did not fit and were left out" if left_out else None
    unended = None if ended else f"the answer is cut after {most} tokens"
    return {
        "text": text,
        "answer": answer,
        "warning": together(reader.warning(text), cut, unended),
    }
