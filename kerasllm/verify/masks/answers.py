"""What a loss over conversations counts, token by token, and the mistakes that are shipped in it.

- Found in the arrays: nothing is counted, the mask is lost, targets or mask are shifted by one, the
  prompt is learned, an end token or another part of an answer is not, a text that no conversation
  is.
- Found by running the model: conversations that share a row see each other, or their positions do
  not begin anew. One of them is changed, and nothing may change in the others.
- Which tokens are answers is told from the template; where each answer ends, from its last token.
"""

from typing import NamedTuple

import numpy as np

from kerasllm import datasets
from kerasllm.models import CausalLM, ChatLM, ChatPreprocessor
from kerasllm.text.conversations.encoding import encode_answers
from kerasllm.training.run_folder.run import as_run
from kerasllm.utils.tables import Shown, Table
from kerasllm.verify.comparison.backend import to_numpy

NAMES = {
    "everything masked": "no token is counted: the loss is a mean over nothing, in most programs "
    "0 / 0 = NaN; look at what marks answers, and at the length that conversations are cut to",
    "mask lost": "every token is counted, the questions too: the mask was made and not used",
    "shifted by one": "targets and tokens do not belong together: at t the token at t + 1 is said",
    "prompt learned": "tokens outside of the answers are counted: the model learns to ask",
    "end not learned": "the end token of an answer is not counted: the model will not stop",
    "answer left out": "tokens of answers are not counted",
    "other text": "a row is none of the conversations as the template writes them",
    "packed conversations see each other": "a change in one conversation of a row changes what is "
    "said in another: the mask between them is missing (`TransformerBackbone.packing`)",
    "positions go on": "a conversation behind another in its row is read otherwise than alone: "
    "positions must begin anew",
}
FAR = 1e-3  # of the size of the logits, by which two runs of float32 may differ
SHOWN = 200  # tokens of a report that are printed
MOST = 256  # conversations


class Finding(NamedTuple):
    """A mistake that was found.

    Attributes:
        name: one of `NAMES`.
        told: what it is, how often it occurs, and where first.
    """

    name: str
    told: str


class TokenRow(NamedTuple):
    """A token that a model reads.

    Attributes:
        row: of the batch.
        place: t, in its row.
        token: that is read, as text.
        target: that should be said next, as text; "" where nothing is counted.
        counted: whether the loss counts it.
        expected: whether it should.
    """

    row: int
    place: int
    token: str
    target: str
    counted: bool
    expected: bool


class LossMasks(Shown):
    """What is counted in a batch, and the mistakes in it.

    Attributes:
        rows: a `TokenRow` for each token that is read.
        findings: a `Finding` for each mistake.
        learned: for each conversation of the batch the text that is learned of it.
    """

    def __init__(self, rows, findings, learned):
        self.rows, self.findings, self.learned = tuple(rows), tuple(findings), tuple(learned)

    @property
    def ok(self):
        """Return whether no mistake was found."""
        return not self.findings

    @property
    def names(self):
        """Return the names of the mistakes, in the order of `NAMES`."""
        return [name for name in NAMES if any(f.name == name for f in self.findings)]

    @property
    def table(self):
        """The first tokens as a `Table`; those counted wrongly are marked."""
        shown = self.rows[:SHOWN]
        cells = [
            (r.row, r.place, r.token, r.target, _sign(r.counted), _sign(r.expected)) for r in shown
        ]
        marks = ["bad" if r.counted != r.expected else "good" * r.counted for r in shown]
        heads = ("row", "t", "reads", "learns to say", "counted", "should be")
        more = "" if len(shown) == len(self.rows) else f", the first {SHOWN} of {len(self.rows):,}"
        return Table(heads, cells, f"What the loss counts{more}", marks)

    def __str__(self):
        found = [f"✗ {finding.name}: {finding.told}" for finding in self.findings]
        return "\n".join([str(self.table), "", *(found or ["✓ the answers are counted, no more"])])


def _sign(is_so):
    return "✓" if is_so else "·"


class _Part(NamedTuple):
    """A conversation in a row of a batch."""

    row: int
    start: int
    stop: int
    ids: np.ndarray  # of the whole conversation
    counted: np.ndarray  # which of them are of answers


def loss_masks(run_or_task, chats, batch=None):
    """Show token by token what a loss over conversations counts, and find the mistakes in it.

    Args:
        run_or_task: run folder or `Run` of a model that chats, or of a causal language model that
            has yet to learn it; or such a task with its preprocessor.
        chats: name, path or `Dataset` of conversations, or a list of them. Without `batch` the
            first `MOST` are looked at.
        batch: (ids (B, T), targets (B, T)), or these with weights, as a pipeline of your own made
            them of these conversations: padded with 0, targets of 0 or below not counted. None:
            what the task's preprocessor makes, in shared rows where its backbone is made for them.

    Returns:
        A `LossMasks`: `.ok`, `.findings`, `.rows`, `.learned`; a table in a terminal or notebook.

    Raises:
        ValueError: the model does not chat, or arrays do not fit together.

    Example:
        >>> from kerasllm.models import ChatLM, ChatPreprocessor
        >>> from kerasllm.text import train_tokenizer
        >>> reader = ChatPreprocessor(train_tokenizer(["hi you"], "word", min_frequency=1))
        >>> task = ChatLM.from_size("tiny", preprocessor=reader, backbone="transformer")
        >>> talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "you"}]
        >>> print(loss_masks(task, [talk]))
        What the loss counts
        row  t  reads  learns to say  counted  should be
        ---  -  -----  -------------  -------  ---------
          0  0  <bos>                 ·        ·
          0  1  hi                    ·        ·
          0  2  <sep>  you            ✓        ✓
          0  3  you    <eos>          ✓        ✓
        <BLANKLINE>
        ✓ the answers are counted, no more
    """
    task = _task_of(run_or_task)
    reader = task.preprocessor
    examples = _conversations(reader, chats)
    examples = examples[:MOST] if batch is None else examples
    known = [encode_answers(reader.tokenizer, e.messages, reader.template) for e in examples]
    ids, targets = _arrays(task, examples, batch)
    parts, strange = _matched(ids, known)
    findings = [*strange, *_of_arrays(reader.tokenizer, targets, parts)]
    findings += _of_shared_rows(task, ids, parts)
    return LossMasks(
        _token_rows(reader.tokenizer, ids, targets, parts),
        findings,
        [_learned(reader.tokenizer, targets, part) for part in parts],
    )


def _task_of(given):
    """Return the task in a run, or as it is given, once it is seen to chat."""
    if not hasattr(given, "preprocessor"):
        given = as_run(given).model
    if not isinstance(given, CausalLM) or given.preprocessor is None:
        raise ValueError(
            f"expected a model that chats, with its preprocessor, received a "
            f"{type(given).__name__}: give a run of `kerasllm finetune RUN chats.jsonl`, one that "
            "such a training could begin from, or a ChatLM."
        )
    if isinstance(given, ChatLM):
        return given
    reader = ChatPreprocessor(given.preprocessor.tokenizer, given.preprocessor.length)
    return ChatLM(given.backbone, preprocessor=reader)  # as a training would begin


def _conversations(reader, chats):
    if isinstance(chats, datasets.Dataset):
        return reader.dataset(chats)
    named = isinstance(chats, str) or hasattr(chats, "is_file")
    return reader.dataset(datasets.load(chats, split="all") if named else chats)


def _arrays(task, examples, batch):
    """Return ids (B, T) and targets (B, T), 0 where nothing is counted."""
    if batch is None:
        pack = getattr(task.backbone, "packed", False)
        batch = task.preprocessor.batches(examples, None, None, pack=pack).batch(0)
    ids, targets, *weights = (np.asarray(part) for part in batch)
    if ids.shape != targets.shape or ids.ndim != 2:
        raise ValueError(
            f"expected ids (B, T) and targets of the same shape, received {ids.shape} and "
            f"{targets.shape}."
        )
    targets = np.where(targets < 0, 0, targets)
    if weights:
        of_tokens = weights[0] if weights[0].ndim == 2 else weights[0][:, None]
        targets = np.where(of_tokens != 0, targets, 0)
    return ids, targets


def _matched(ids, known):
    """Return the `_Part` of each conversation in a batch, and what is none."""
    parts, strange = [], []
    for row, tokens in enumerate(ids):
        place = 0
        while place < len(tokens):
            if tokens[place] == 0:
                place += 1
                continue
            sizes = [_agreement(tokens[place:], own) for own, _ in known]
            best = int(np.argmax(sizes))
            if not sizes[best]:
                strange.append(_finding("other text", 1, row, place))
                break
            parts.append(_Part(row, place, place + sizes[best], *known[best]))
            place += sizes[best]
    return parts, strange[:1]


def _agreement(tokens, own):
    """Return how many tokens are those of a conversation: all, all but the last, or till a cut."""
    size = min(len(tokens), len(own))
    same = tokens[:size] == own[:size]
    count = size if same.all() else int(same.argmin())
    ends = count == len(tokens) or (count < len(tokens) and tokens[count] == 0)
    return count if ends or count >= len(own) - 1 else 0


def _of_arrays(tokenizer, targets, parts):
    """Return the mistakes in what is counted."""
    if not (targets != 0).any():
        return [_finding("everything masked", 0)]
    offset = _offset(targets, parts)
    found = []
    if offset != 1:
        also = "the token itself: it copies" if offset == 0 else f"that at t + {offset}"
        found.append(_finding("shifted by one", 0, note=f"targets are {also}"))
    learned = [_said(targets, part, offset) for part in parts]
    if moved := _mask_shift(learned, parts, offset):
        way = "late" if moved > 0 else "early"
        return [*found, _finding("shifted by one", 0, note=f"the mask is one token {way}")]
    return found + _uncounted(tokenizer, learned, parts, offset)


def _offset(targets, parts):
    """Return how far behind its place the token stands that is the target: 1 is right."""
    agree = {}
    for offset in (1, 0, 2):
        hits = total = 0
        for part in parts:
            own = targets[part.row, part.start : part.stop]
            places = np.flatnonzero(own) + offset
            inside = places < len(part.ids)
            hits += (part.ids[places[inside]] == own[places[inside] - offset]).sum()
            total += len(places)
        agree[offset] = hits / max(total, 1)
    best = max(agree, key=agree.get)  # of equals the first, which is right
    return best


def _said(targets, part, offset):
    """Return which tokens of a conversation are learned (T,)."""
    learned = np.zeros(len(part.ids), bool)
    places = np.flatnonzero(targets[part.row, part.start : part.stop]) + offset
    learned[places[places < len(learned)]] = True
    return learned


def _mask_shift(learned, parts, offset):
    """Return by how many tokens all masks are late (1) or early (-1), 0 where they are not."""
    for shift in (0, 1, -1):
        pairs = zip(learned, parts, strict=True)
        if all(_is_shifted(own, part, shift, offset) for own, part in pairs):
            return shift
    return 0


def _is_shifted(own, part, shift, offset):
    expected, reach = np.roll(part.counted, shift), _reach(part, offset)
    if shift:
        expected[0 if shift > 0 else -1] = False
    return np.array_equal(own & reach, expected & reach)


def _reach(part, offset=1):
    """Return which tokens of a conversation can be targets: not the first, none behind a cut."""
    places = np.arange(len(part.ids))
    return (places >= offset) & (places < part.stop - part.start + offset)


def _uncounted(tokenizer, learned, parts, offset):
    """Return what is counted outside of answers, and what is not inside of them."""
    surplus, ends, lacking, first, whole = 0, 0, 0, {}, True
    for own, part in zip(learned, parts, strict=True):
        reach = _reach(part, offset)
        more = np.flatnonzero(own & ~part.counted & reach)
        less = np.flatnonzero(part.counted & reach & ~own)
        end = np.array([t for t in less if part.ids[t] == tokenizer.eos_id], int)
        unended = [t for t in _last_of_answers(part) if part.ids[t] != tokenizer.eos_id]
        whole &= bool(own[reach].all())
        surplus, ends = surplus + len(more), ends + len(end) + len(unended)
        lacking += len(less) - len(end)
        rest = np.setdiff1d(less, end)
        for name, places in (("more", more), ("end", [*end, *unended]), ("less", rest)):
            if len(places):
                first.setdefault(name, (part.row, part.start + int(places[0]) - 1))
    found = []
    if surplus:
        found.append(_finding("mask lost" if whole else "prompt learned", surplus, *first["more"]))
    if ends:
        found.append(_finding("end not learned", ends, *first["end"]))
    if lacking:
        found.append(_finding("answer left out", lacking, *first["less"]))
    return found


def _last_of_answers(part):
    """Return the places of the last tokens of the answers that are not cut."""
    size = len(part.counted)
    last = [t for t in np.flatnonzero(part.counted) if t + 1 == size or not part.counted[t + 1]]
    return [t for t in last if _reach(part)[t]]


def _of_shared_rows(task, ids, parts):
    """Return what conversations in one row learn of each other, found by changing the first."""
    shared = [row for row in range(len(ids)) if sum(part.row == row for part in parts) > 1]
    if not shared:
        return []
    row = shared[0]
    own = [part for part in parts if part.row == row]
    first, second = own[0], own[1]
    changed = ids[row : row + 1].copy()
    span = slice(first.start, first.stop)
    changed[0, span] = np.random.default_rng(0).permutation(changed[0, span])[::-1]
    if np.array_equal(changed, ids[row : row + 1]):  # of one token, or of equal ones
        changed[0, first.start] = changed[0, first.start] % (task.backbone.settings.vocabulary_size
                                                             - 1) + 1  # fmt: skip
    here = slice(second.start, second.stop)
    before, after = (to_numpy(task(x))[0, here] for x in (ids[row : row + 1], changed))
    alone = to_numpy(task(ids[row : row + 1, here]))[0]
    size = FAR * max(float(np.abs(before).max()), 1e-6)
    name = None
    if np.abs(before - after).max() > size:
        name = "packed conversations see each other"
    elif np.abs(before - alone).max() > size:
        name = "positions go on"
    return [_finding(name, 0, row, second.start)] if name else []


def _finding(name, count, row=None, place=None, note=""):
    more = [f"{count:,} tokens"] * (count > 1) + [note] * bool(note)
    more += [f"first in row {row} at t = {place}"] * (row is not None)
    return Finding(name, NAMES[name] + (f" ({', '.join(more)})" if more else ""))


def _token_rows(tokenizer, ids, targets, parts):
    """Yield what is read and learned, token by token."""
    for part in parts:
        expected = part.counted & _reach(part)
        for t in range(part.stop - part.start):
            target = int(targets[part.row, part.start + t])
            should = bool(t + 1 < len(expected) and expected[t + 1])
            yield TokenRow(
                part.row,
                part.start + t,
                _readable(tokenizer, int(ids[part.row, part.start + t])),
                _readable(tokenizer, target) if target else "",
                bool(target),
                should,
            )


def _readable(tokenizer, token):
    """Return a token in one line: a line end in a table would break its row."""
    return tokenizer.id_to_token(token).replace("\n", "\\n")


def _learned(tokenizer, targets, part):
    said = targets[part.row, part.start : part.stop]
    return tokenizer.decode(said[said != 0].tolist(), skip_special=False)
