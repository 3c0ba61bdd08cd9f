"""Encoder-decoder tasks: a source text in, a target text out.

Decoding goes step by step through the same layers:

    memory = model.encode(source)
    state = model.initial_state(memory, max_length)
    logits, state = model.step(ids, state, start)         ids (B, 1), logits (B, V)
"""

from statistics import median

import keras

from kerasllm.baselines import BASELINES
from kerasllm.baselines.spans import sentences
from kerasllm.layers.attention.copying import PointerGenerator
from kerasllm.models.backbones.backbone import Backbone
from kerasllm.models.language.losses import TokenCrossEntropy
from kerasllm.models.seq2seq import scoring
from kerasllm.models.seq2seq.backbone import EncoderDecoder
from kerasllm.models.seq2seq.preprocessor import Seq2SeqPreprocessor
from kerasllm.models.seq2seq.recurrent import RecurrentEncoderDecoder
from kerasllm.models.seq2seq.review import review
from kerasllm.models.seq2seq.transformer import TransformerEncoderDecoder
from kerasllm.models.task import Task

SUMMARISED = 3  # sentences of a source from which its target may be a summary


class Seq2Seq(Task):
    """Write a text from another one.

        h_t, α_t = backbone(source, target up to t)
        logits_t = (dropout(h_t) W + b) E'ᵀ                                  tied
        p_t      = g_t softmax(logits_t) + (1 - g_t) Σ_s α_ts [source_s]     copy=True

    Args:
        backbone: of the class's `backbone_class`, or its settings.
        preprocessor: a `Seq2SeqPreprocessor`; None for a model of ids.

    Inputs: {"source": (B, S), "target": (B, T) beginning with <bos>}. Outputs: logits (B, T, V);
    those at t are of the token after target t. With copy=True they are ln p, which is its own
    softmax. Targets (B, T), 0 where padded.

    Source: Bahdanau et al. 2015; See et al. 2017 (copy); Press and Wolf 2017 (tied).
    """

    preprocessor_class = Seq2SeqPreprocessor
    scoring = scoring
    review = review
    data_task = "seq2seq"
    monitor = "bleu"
    shown = ("bleu", "chrf", "rouge_l", "exact_match", "loss", "unknown")
    backbone_class = None

    def __init__(self, backbone, preprocessor=None, **kwargs):
        if not isinstance(backbone, Backbone):
            backbone = self.backbone_class(backbone)
        self._check_backbone(backbone, "the backbone")
        config = backbone.settings
        layers = {layer.name: layer for layer in _head_layers(config)}
        source = backbone.input["source"]
        logits = _score(backbone, layers.__getitem__, *_parts(backbone.output), source)
        super().__init__(backbone.input, logits, **kwargs)
        self._finish(backbone, preprocessor)

    @property
    def settings(self):
        """Return the settings of the backbone."""
        return self.backbone.settings

    @classmethod
    def from_size(cls, size, vocabulary_size=None, *, preprocessor=None, **settings):
        """Return an untrained model of the size "tiny", "small" or "base".

        Args:
            size: of the backbone.
            vocabulary_size: V of the source; that of the preprocessor's tokenizer when None.
            preprocessor: a `Seq2SeqPreprocessor`; None for a model of ids.
            **settings: of the backbone's config.
        """
        if vocabulary_size is None and preprocessor is None:
            raise ValueError(
                "expected vocabulary_size, or a preprocessor, whose tokenizer has one."
            )
        if preprocessor is not None:
            source, target = preprocessor.tokenizer, preprocessor.target_tokenizer
            vocabulary_size = vocabulary_size or source.vocabulary_size
            if target != source:
                settings.setdefault("target_vocabulary_size", target.vocabulary_size)
        backbone = cls.backbone_class.from_size(size, vocabulary_size, **settings)
        return cls(backbone, preprocessor=preprocessor)

    @classmethod
    def _is_of(cls, task):
        return isinstance(task, cls)  # `Seq2Seq` itself stands for either architecture

    @classmethod
    def _check_backbone(cls, backbone, source):
        wanted = cls.backbone_class or EncoderDecoder
        if not isinstance(backbone, wanted):
            raise ValueError(
                f"expected {source} to be a {wanted.__name__}, received a "
                f"{type(backbone).__name__}: give a run with this architecture, or its settings."
            )

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuild a model; of one saved before it had a backbone, the config is the settings."""
        if "backbone" in config:
            return super().from_config(config, custom_objects)
        config = {k: v for k, v in config.items() if k != "trainable"}
        name = config.pop("name", None)
        return cls(cls.backbone_class.config_class(**config), name=name)

    def encode(self, source):
        """Return what the decoder needs to know of the source ids (B, S)."""
        return self.backbone.encode(source)

    def attention(self, source, target):
        """Return how much each target position looks at each source position, (B, T, S)."""
        return self.backbone.attention(source, target)

    def initial_state(self, memory, max_length=None):
        """Return the state before the first target token."""
        return self.backbone.initial_state(memory, max_length)

    def step(self, ids, state, start=0):
        """Return the logits (B, V) of the token after ids (B, 1) at `start`, and the new state."""
        features, attention, state = self.backbone.step(ids, state, start)
        logits = _score(self.backbone, self.get_layer, features, attention, state["source"])
        return logits[:, 0], state

    def default_loss(self):
        """Return the cross-entropy in nats per real token."""
        return TokenCrossEntropy()

    def baselines_for(self, dataset):
        """Return what a network must beat; of sources of several sentences, extracts too."""
        several = median(len(sentences(text)) for text in dataset.texts) >= SUMMARISED
        return super().baselines_for(dataset) | (BASELINES["summary"] if several else {})

    def reading(self, x):
        """Return the `Reading` of a source with what the model writes for it, or of a pair."""
        if isinstance(x, str):
            x = x, scoring.written_ids(self, x)
        return super().reading(x)


@keras.saving.register_keras_serializable("kerasllm")
class RecurrentSeq2Seq(Seq2Seq):
    """A `Seq2Seq` on a `RecurrentEncoderDecoder`.

    >>> from keras import ops
    >>> model = RecurrentSeq2Seq.from_size("tiny", vocabulary_size=31)
    >>> source, target = ops.convert_to_tensor([[7, 8, 0]]), ops.convert_to_tensor([[2, 9]])
    >>> model({"source": source, "target": target}).shape
    TensorShape([1, 2, 31])
    """

    backbone_class = RecurrentEncoderDecoder


@keras.saving.register_keras_serializable("kerasllm")
class TransformerSeq2Seq(Seq2Seq):
    """A `Seq2Seq` on a `TransformerEncoderDecoder`.

    >>> from keras import ops
    >>> model = TransformerSeq2Seq.from_size("tiny", vocabulary_size=31)
    >>> source, target = ops.convert_to_tensor([[7, 8, 0]]), ops.convert_to_tensor([[2, 9]])
    >>> model({"source": source, "target": target}).shape
    TensorShape([1, 2, 31])
    """

    backbone_class = TransformerEncoderDecoder


def _head_layers(config):
    yield keras.layers.Dropout(config.dropout, name="dropout")
    if config.tied:
        yield keras.layers.Dense(config.hidden_dim, name="projection")
    else:
        yield keras.layers.Dense(config.output_size, name="head")
    if config.copy:
        yield PointerGenerator(name="copy")


def _parts(output):
    return output["features"], output["attention"]


def _score(backbone, get, features, attention, source):
    """Return logits, or log-probabilities with copying (B, T, V), of features (B, T, D)."""
    x = get("dropout")(features)
    if backbone.settings.tied:
        logits = backbone.target_embedding(get("projection")(x), reverse=True)
    else:
        logits = get("head")(x)
    if not backbone.settings.copy:
        return logits
    return get("copy")(x, logits=logits, weights=attention, source=source)


ARCHITECTURES = {"recurrent": RecurrentSeq2Seq, "transformer": TransformerSeq2Seq}
