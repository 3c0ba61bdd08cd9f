"""Readers of public sets of dialogues: what was said before and next; and of stories."""

import json
import zipfile
from pathlib import Path

from kerasllm.datasets.examples import Labelled, LabelledPair, Pair
from kerasllm.datasets.public.readers.texts import OptionError, _lines, one_of

ACTS = {"1": "inform", "2": "question", "3": "directive", "4": "commissive"}
EMOTIONS = {
    "0": "none", "1": "anger", "2": "disgust", "3": "fear", "4": "happiness", "5": "sadness",
    "6": "surprise",
}  # fmt: skip
SEPARATOR = " | "


def replies(turns, history):
    """Yield a pair for each turn but the first: the `history` turns before it, and itself.

    Example:
        >>> [pair.source for pair in replies(["Hi", "Hello", "Bye"], history=2)]
        ['Hi', 'Hi | Hello']
    """
    for i in range(1, len(turns)):
        yield Pair(SEPARATOR.join(turns[max(i - history, 0) : i]), turns[i])


def daily_replies(path, *, history=1):
    """Read dialogues of DailyDialog as pairs of what was said and the reply.

    Args:
        path: zip of one split.
        history: how many turns the reply is given; joined by " | ".
    """
    examples = []
    for line in _member(path, "dialogues"):
        examples.extend(replies(_turns(line), _checked(history)))
    return examples


def _checked(history):
    if not isinstance(history, int) or history < 1:
        raise OptionError(f"history must be a whole number from 1, received {history!r}.")
    return history


def daily_acts(path):
    """Read each turn of DailyDialog with its dialogue act."""
    return _labelled_turns(path, "dialogues_act", ACTS)


def daily_emotions(path):
    """Read each turn of DailyDialog with its emotion."""
    return _labelled_turns(path, "dialogues_emotion", EMOTIONS)


def _labelled_turns(path, stem, names):
    """Return the turns with their labels, and the facts; a dialogue with too few labels is left."""
    examples, dropped = [], 0
    for line, codes in zip(_member(path, "dialogues"), _member(path, stem), strict=True):
        turns, codes = _turns(line), codes.split()
        if len(turns) == len(codes):
            pairs = zip(turns, codes, strict=True)
            examples.extend(Labelled(turn, names[code]) for turn, code in pairs)
        else:
            dropped += 1
    return examples, {"dialogues_dropped": dropped}


def _member(path, stem):
    split = Path(path).stem
    with zipfile.ZipFile(path) as archive:
        content = archive.read(f"{split}/{stem}_{split}.txt").decode("utf-8")
    return content.removesuffix("\n").split("\n")


def _turns(line):
    return [turn for turn in map(str.strip, line.split("__eou__")) if turn]


def babi_replies(*paths, task=1, unseen_places=False):
    """Read goal-oriented dialogues: all that was said before, and the system's reply.

    Args:
        *paths: files of one split, of every task.
        task: 1 (collect the request) or 2 (change it).
        unseen_places: in the test, places and kinds of food that training does not know.
    """
    one_of("task", task, (1, 2))
    chosen = [
        path
        for path in map(Path, paths)
        if f"task{task}-" in path.name
        and ("tst" not in path.name or path.stem.endswith("OOV") == unseen_places)
    ]
    examples, said = [], []
    for line in (line for path in chosen for line in _lines(path)):
        number, _, content = line.partition(" ")
        user, _, system = content.partition("\t")
        said = [*([] if number == "1" else said), user.strip()]
        if system:
            examples.append(Pair(SEPARATOR.join(said), system.strip()))
            said.append(system.strip())
    return examples


def babi_answers(*paths, task=1):
    """Read questions on short stories; the label is the answer, several joined by a comma.

    Args:
        *paths: files of one split, of every task.
        task: 1 to 20, such as 1 (where is somebody), 2 (where is a thing), 6 (yes or no).
    """
    one_of("task", task, tuple(range(1, 21)))
    (path,) = (path for path in map(Path, paths) if path.name.startswith(f"qa{task}_"))
    examples, story = [], []
    for line in _lines(path):
        number, _, content = line.partition(" ")
        story = [] if number == "1" else story
        question, _, rest = content.partition("\t")
        if rest:
            answer = rest.split("\t")[0].strip()
            examples.append(LabelledPair(" ".join(story), answer, question.strip()))
        else:
            story.append(content.strip())
    return examples


DOMAINS = ("film", "music", "travel")


def kdconv_replies(*paths, domain=None, history=1):
    """Read Chinese dialogues on films, music and travel as pairs of turns.

    Args:
        *paths: files `<domain>/<split>.json`.
        domain: one of `DOMAINS`; left out: all.
        history: how many turns the reply is given; joined by " | ".
    """
    if domain is not None:
        one_of("domain", domain, DOMAINS)
    examples = []
    for path in map(Path, paths):
        if domain in (None, path.parent.name):
            for dialogue in json.loads(path.read_text("utf-8")):
                turns = [message["message"].strip() for message in dialogue["messages"]]
                examples.extend(replies([turn for turn in turns if turn], _checked(history)))
    return examples
