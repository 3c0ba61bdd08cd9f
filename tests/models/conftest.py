"""What the tests of the models share."""

from typing import NamedTuple

import keras
import numpy as np
import pytest

from kerasllm.models import (
    CausalLM,
    CausalPreprocessor,
    ClassificationPreprocessor,
    EmbeddingBackbone,
    EmbeddingConfig,
    MaskedLM,
    MaskedPreprocessor,
    RecurrentBackbone,
    RecurrentConfig,
    RecurrentSeq2Seq,
    Seq2SeqPreprocessor,
    SpanExtractor,
    SpanPreprocessor,
    TaggingPreprocessor,
    TextClassifier,
    TokenTagger,
    TransformerBackbone,
    TransformerConfig,
    TransformerSeq2Seq,
)
from kerasllm.models.decoding import steps as decoding_steps
from kerasllm.text import BOS, MASK, PAD, SEP, UNK, train_tokenizer

V = 23

_RECURRENT = {
    "simple": {"cell": "simple", "num_layers": 2},
    "lstm": {"num_layers": 2},
    "lstm-untied": {"project": False},
    "gru-residual": {"cell": "gru", "num_layers": 2, "residual": True},
}
_TRANSFORMER = {
    "gpt": {},
    "gpt-post": {"norm": "post", "activation": "relu", "inner_dim": 5},
    "gpt-rotary": {"positions": "rotary"},
    "llama": {
        "positions": "rotary",
        "activation": "swiglu",
        "normalization": "rms",
        "use_bias": False,
        "num_kv_heads": 1,
        "tied": False,
    },
    "gpt-sinusoidal": {"positions": "sinusoidal", "activation": "gelu_tanh"},
}
CAUSAL = (*_RECURRENT, *_TRANSFORMER)
_READS_ALL = {"bert": {"causal": False}, "birnn": {"bidirectional": True}}


@pytest.fixture
def make_backbone(rng):
    """Return a function that builds a small backbone by name, with random weights."""

    def make(name, random=True, scale=0.4, **options):
        options = {**_RECURRENT, **_TRANSFORMER, **_READS_ALL}[name] | options
        if name in _RECURRENT or name == "birnn":
            config = RecurrentConfig(V, 6, 7, **options)
            backbone = RecurrentBackbone(config)
        else:
            options = {"max_length": 64} | options
            backbone = TransformerBackbone(TransformerConfig(V, 8, 2, 2, **options))
        if random:
            shapes = [w.shape for w in backbone.get_weights()]
            backbone.set_weights([rng.normal(scale=scale, size=shape) for shape in shapes])
        return backbone

    return make


@pytest.fixture
def uncompiled(monkeypatch):
    """Run decoding loops step by step: to compile one takes seconds. JAX has no other way."""
    if keras.backend.backend() != "jax":
        monkeypatch.setattr(decoding_steps, "compiled", lambda function, _model: function)


@pytest.fixture
def make_lm(make_backbone):
    """Return a function that builds a language model whose greedy texts vary."""

    def make(name, **options):
        transformer = name.startswith(("gpt", "llama"))
        model = CausalLM(make_backbone(name, scale=0.5 if transformer else 3, **options))
        # Large biases would say one token for ever, large embeddings the last one again.
        for weight in model.weights:
            if len(weight.shape) == 1:
                weight.assign(0.1 * weight + weight.path.endswith(("gamma", "scale")))
            elif weight.path.endswith("embedding/embeddings") and not transformer:
                weight.assign(0.1 * weight)
        return model

    return make


@pytest.fixture
def next_logits():
    """Return what makes a model the step function that `reference` decodes with.

    It runs the whole text through the model for each new token: no cache, no state.
    """

    def make(model, never=(PAD, UNK, BOS, SEP, MASK), source=None):
        def step(tokens):
            inputs = np.asarray(tokens, "int32")
            if source is not None:
                rows = np.tile(np.array([source], "int32"), (len(inputs), 1))
                inputs = {"source": rows, "target": inputs}
            logits = keras.ops.convert_to_numpy(model(inputs))[:, -1].astype("float64")
            logits[:, list(never)] = -1e30
            return logits

        return step

    return make


@pytest.fixture
def numpy():
    """Return keras.ops.convert_to_numpy, through lists and tuples."""
    return lambda x: keras.tree.map_structure(keras.ops.convert_to_numpy, x)


@pytest.fixture
def ids(rng):
    """Return three texts of 7, 4 and 1 tokens, padded."""
    ids = rng.integers(6, V, (3, 7)).astype("int32")
    return np.where(np.arange(7) < np.array([[7], [4], [1]]), ids, 0)


# === Small tasks of every shape, with raw examples ===

WORDS = "ape bee cat dog elk fox gnu"  # with the 6 special tokens 13 in the vocabulary
SENTENCES = (
    "ape bee",
    "cat",
    "dog elk gnu",
    "gnu",
    "bee ape cat",
    "elk dog",
    "fox cat ape",
)
TAGS = ("B-X I-X", "O", "O B-X I-X", "B-X", "O O B-X", "B-X O", "B-X I-X O")
CLASSES = ("yes", "no", "maybe", "no", "yes", "maybe", "no")
LABELS = ["maybe", "no", "yes"]


class Small(NamedTuple):
    """A task of one shape, and raw examples for it."""

    kind: str
    task: keras.Model
    x: list
    y: list | None

    @property
    def arrays(self):
        """Return (inputs, targets) of all examples in one batch."""
        return self.task.preprocessor(self.x, self.y)

    def eagerly(self, *args, **options):
        """Compile without a graph, which would take longer than what it does; return the task."""
        self.task.compile(*(args or (keras.optimizers.SGD(0.1),)), run_eagerly=True, **options)
        return self.task

    def nats(self):
        """Return -ln p of all targets, and which of them count: real words and tokens."""
        inputs, targets = self.arrays
        logits = keras.ops.convert_to_numpy(self.task(inputs)).astype("float64")
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        whole = self.kind in ("classifier", "span")
        first = int(self.kind in ("tagger", "crf"))  # whose targets are 1 + the number of the tag
        chosen = np.maximum(targets - first, 0)[..., None].astype(int)
        nats = -np.take_along_axis(log_p, chosen, axis=-1)[..., 0]
        return nats, np.ones(targets.shape, bool) if whole else targets > 0


def _small(kind, reader, V=13):
    """Return a task; its head is never the embedding, so that it can be trained alone."""
    if kind in ("recurrent", "transformer"):
        options = {"hidden_dim": 8, "num_layers": 1} | (
            {"units": 14} if kind == "recurrent" else {"num_heads": 2, "inner_dim": 7}
        )
        made = RecurrentSeq2Seq if kind == "recurrent" else TransformerSeq2Seq
        return made.from_size("tiny", V, preprocessor=reader, **options)
    if kind in ("classifier", "span"):
        options = {"num_layers": 1, "num_heads": 2, "inner_dim": 7, "max_length": 17}
        config = TransformerConfig(V, 6, causal=False, **options)
        if kind == "span":
            return SpanExtractor(TransformerBackbone(config), preprocessor=reader)
        return TextClassifier(TransformerBackbone(config), 3, preprocessor=reader)
    if kind in ("tagger", "crf"):
        backbone, head = EmbeddingBackbone(EmbeddingConfig(V, 5)), kind
        head = "crf" if kind == "crf" else "softmax"
        return TokenTagger(backbone, 3, head, units=7, dropout=0.0, preprocessor=reader)
    both = kind == "masked"
    config = RecurrentConfig(V, 5, 7, cell="gru", project=False, bidirectional=both)
    return (MaskedLM if both else CausalLM)(RecurrentBackbone(config), preprocessor=reader)


def _reader(kind, **options):
    tokenizer = train_tokenizer([WORDS], kind="word", min_frequency=1)
    if kind in ("tagger", "crf"):
        options = {"labels": ["B-X", "I-X", "O"], "length": 11} | options
        return TaggingPreprocessor(tokenizer, **options)
    if kind == "classifier":
        return ClassificationPreprocessor(tokenizer, **{"labels": LABELS, "length": 11} | options)
    if kind == "span":
        options = {"length": 17, "max_answer": 3, "max_question": 5} | options
        return SpanPreprocessor(tokenizer, **options)
    if kind in ("recurrent", "transformer"):
        return Seq2SeqPreprocessor(tokenizer, **{"length": 5, "beam": 1} | options)
    reader = MaskedPreprocessor if kind == "masked" else CausalPreprocessor
    return reader(tokenizer, **{"length": 11} | options)


def _examples(kind):
    if kind == "classifier":
        return list(SENTENCES), list(CLASSES)
    if kind in ("tagger", "crf"):
        return [text.split() for text in SENTENCES], [tags.split() for tags in TAGS]
    if kind == "span":
        answers = [text.split()[-1] for text in SENTENCES]
        places = [text.rindex(answer) for text, answer in zip(SENTENCES, answers, strict=True)]
        pairs = [("gnu", text) for text in SENTENCES]
        return pairs, list(zip(answers, places, strict=True))
    if kind in ("recurrent", "transformer"):
        return list(SENTENCES), [" ".join(text.split()[::-1]) for text in SENTENCES]
    return list(SENTENCES[:1] + SENTENCES[2:3] + SENTENCES[4:]), None  # of two words at least


SHAPES = ("classifier", "tagger", "crf", "span", "recurrent", "transformer", "causal", "masked")


@pytest.fixture
def make_small():
    """Return a function that builds a small task with random weights, the same each time."""

    def make(kind, *, raw=True, **options):
        keras.utils.set_random_seed(5)
        task, rng = (
            _small(kind, _reader(kind, **options) if raw else None),
            np.random.default_rng(5),
        )
        for weight in task.weights:
            weight.assign(weight + rng.normal(scale=0.3, size=weight.shape))
        return Small(kind, task, *_examples(kind))

    return make


@pytest.fixture
def same_weights():
    """Return a function that compares the weights of two models."""

    def compare(one, other, tolerance=0.0):
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)

    return compare


@pytest.fixture(params=SHAPES)
def small(request, make_small):
    """Return a small task of each shape in turn, with its examples."""
    return make_small(request.param)
