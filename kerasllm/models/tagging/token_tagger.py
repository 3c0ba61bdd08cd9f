"""Token tagging: a tag for each word of a sentence."""

import functools

import keras
from keras import ops

from kerasllm.layers import CRF, BiLSTM, CharacterCNN
from kerasllm.models.backbones.embedding import EmbeddingBackbone
from kerasllm.models.tagging import scoring
from kerasllm.models.tagging.preprocessor import TaggingPreprocessor
from kerasllm.models.tagging.review import review
from kerasllm.models.task import Task

HEADS = ("crf", "softmax")


@keras.saving.register_keras_serializable("kerasllm")
class GatherWords(keras.layers.Layer):
    """Take the features of each word's first piece: y_m = x[position_m], masked where it is -1.

    Call arguments: [features (B, T, D), positions (B, M)]. Returns: features (B, M, D).

    Source: Devlin et al. 2019, section 5.3 (the first piece stands for the word).
    """

    def call(self, inputs):
        """Return the chosen rows."""
        features, positions = inputs
        return ops.take_along_axis(features, ops.maximum(positions, 0)[..., None], axis=1)

    def compute_mask(self, inputs, _mask=None):
        """Return which words are real (B, M)."""
        return ops.greater_equal(inputs[1], 0)


@keras.saving.register_keras_serializable("kerasllm")
class TokenTagger(Task):
    """Give each word of a sentence a tag.

        x_m = dropout([backbone(ids)_{position_m} ; characters_m])
        h   = dropout(BiLSTM(x))                            units > 0
        e   = h W + b
        p(tags | sentence) = CRF(e), or Π_m softmax(e_m)[tag_m]

    Args:
        backbone: any backbone; an `EmbeddingBackbone` for a model of words from scratch.
        num_tags: C; as many as the preprocessor has labels when None.
        head: "crf" (the best sequence of tags) or "softmax" (the best tag of each word).
        forbidden: pairs of tags that must not follow each other; see `CRF`.
        characters: settings of a `CharacterCNN`, such as {"num_characters": 90}; None for none.
        units: of each direction of a BiLSTM over the words; 0 for none.
        dropout: on the words' features, and on those of the BiLSTM.
        preprocessor: a `TaggingPreprocessor`; None for a model of ids.

    Inputs: {"ids": (B, T), "positions": (B, M)}, with a `CharacterCNN` also "characters" (B, M, W).
    Positions are those of the words' first pieces in ids, -1 behind the last word.
    Outputs: emissions e (B, M, C). Targets (B, M): 1 + the number of the tag, 0 where no word is.
    `tagger.decoder` is the model with the same inputs that returns the best tags (B, M).

    The loss, the mean negative log-likelihood in nats per word, is the task's own (a loss of Keras
    never sees the weights of the CRF). Another one is given the emissions.

    Source: Ma and Hovy 2016; Lample et al. 2016; Devlin et al. 2019, section 5.3.

        >>> from kerasllm.models import EmbeddingBackbone, EmbeddingConfig
        >>> words = EmbeddingBackbone(EmbeddingConfig(31, 7))
        >>> tagger = TokenTagger(words, num_tags=3, units=5)
        >>> batch = {"ids": ops.ones((2, 4), "int32"), "positions": ops.ones((2, 3), "int32")}
        >>> tagger(batch).shape, tagger.decoder(batch).shape
        (TensorShape([2, 3, 3]), TensorShape([2, 3]))
    """

    preprocessor_class = TaggingPreprocessor
    scoring = scoring
    review = review
    data_task = "tagging"

    def __init__(
        self,
        backbone,
        num_tags=None,
        head="crf",
        forbidden=None,
        characters=None,
        units=0,
        dropout=0.5,
        preprocessor=None,
        **kwargs,
    ):
        num_tags = len(preprocessor.labels) if num_tags is None else num_tags
        if head not in HEADS:
            raise ValueError(f"head must be one of {HEADS}, received {head!r}.")
        inputs, x = _words(backbone, characters)
        x = keras.layers.Dropout(dropout, name="dropout")(x)
        if units:
            x = BiLSTM(units, name="words")(x)
            x = keras.layers.Dropout(dropout, name="words_dropout")(x)
        emissions = keras.layers.Dense(num_tags, name="tags")(x)
        if head == "crf":
            crf = CRF(num_tags, forbidden, name="crf")
            crf.has_loss = True  # `compute_loss`
            emissions = crf(emissions)
        super().__init__(inputs, emissions, **kwargs)
        self._finish(
            backbone,
            preprocessor,
            num_tags=num_tags,
            head=head,
            forbidden=forbidden and [list(pair) for pair in forbidden],
            characters=characters,
            units=units,
            dropout=dropout,
        )

    def default_loss(self):
        """Return None: the loss is the task's own."""
        return None

    def _compile(self, optimizer):
        super()._compile(optimizer)
        if self.task_config["head"] == "crf":
            self.get_layer("crf").has_loss = not self.has_loss_of_keras

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the mean negative log-likelihood in nats per word.

        Args:
            x: not read.
            y: 1 + the number of each word's tag (B, M), 0 where no word is.
            y_pred: emissions (B, M, C). A loss of the user's own is given the numbers of the tags;
                the mask of the emissions says where no word is.
            sample_weight: weight of each sentence (B,); with a softmax also of each word (B, M).
            training: not read.
        """
        if self.has_loss_of_keras:
            return super().compute_loss(x, _tags(y), y_pred, sample_weight, training)
        real, tags = ops.not_equal(y, 0), _tags(y)
        weight = None if sample_weight is None else ops.convert_to_tensor(sample_weight)
        if weight is not None and len(weight.shape) == 2:
            return self._weighted_words(y_pred, tags, real, weight)
        nats = self._nats(y_pred, tags, real)  # (B,)
        words = ops.sum(ops.cast(real, nats.dtype), axis=1)
        if weight is not None:
            weight = ops.cast(weight, nats.dtype)
            nats, words = nats * weight, words * weight
        return ops.sum(nats) / ops.maximum(ops.sum(words), 1e-9) + sum(self.losses)

    def amount(self, y, sample_weight):
        """Return how many words there are, weighed."""
        of_words = sample_weight if len(sample_weight.shape) > 1 else sample_weight[:, None]
        return ops.sum(of_words * ops.cast(ops.not_equal(y, 0), of_words.dtype))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics with the numbers of the tags; the mask says where no word is."""
        return super().compute_metrics(x, _tags(y), y_pred, sample_weight)

    def _weighted_words(self, emissions, tags, real, weight):
        if self.task_config["head"] == "crf":
            raise ValueError(
                "a CRF scores whole sentences: their words cannot be weighed one by one (by "
                'class_weight). Weigh sentences with sample_weight, or take head="softmax".'
            )
        nats = _word_nats(emissions, tags)
        weight = ops.cast(weight, nats.dtype) * ops.cast(real, nats.dtype)
        return ops.sum(nats * weight) / ops.maximum(ops.sum(weight), 1e-9) + sum(self.losses)

    def _nats(self, emissions, tags, real):
        if self.task_config["head"] == "crf":
            return -self.get_layer("crf")(emissions, tags=tags, mask=real)
        nats = _word_nats(emissions, tags)
        return ops.sum(nats * ops.cast(real, nats.dtype), axis=1)

    @functools.cached_property
    def decoder(self):
        """The model that returns the best tags (B, M), 0 where no word is."""
        if self.task_config["head"] == "crf":
            tags = self.get_layer("crf")(self.output, decode=True)
        else:
            real = ops.cast(ops.greater_equal(self.input["positions"], 0), "int32")
            tags = ops.cast(ops.argmax(self.output, axis=-1), "int32") * real
        decoder = keras.Model(self.input, tags, name="decoder")
        # Sentences come in many lengths, and XLA on TensorFlow compiles anew for each.
        decoder.compile(jit_compile=keras.backend.backend() != "tensorflow" and "auto")
        return decoder

    shown = ("f1", "precision", "recall", "accuracy")

    @property
    def learning_rate(self):
        """The highest, in a training without settings; lower where weights may be pretrained."""
        return 2e-3 if isinstance(self.backbone, EmbeddingBackbone) else 1e-4

    @property
    def monitor(self):
        """The score that a training is chosen by."""
        reader = self.preprocessor
        return "f1" if reader is not None and reader.entities else "accuracy"


def _tags(y):
    """Return the numbers of the tags (B, M); 0 where no word is, too."""
    return ops.maximum(ops.cast(y, "int32") - 1, 0)


def _word_nats(emissions, tags):
    """Return -ln softmax(e_m)[tag_m] of each word (B, M)."""
    scores = ops.cast(emissions, keras.backend.result_type(emissions.dtype, "float32"))
    return ops.sparse_categorical_crossentropy(tags, scores, from_logits=True)


def _words(backbone, characters):
    """Return the inputs, and the features of the words (B, M, D)."""
    inputs = {
        "ids": backbone.input,
        "positions": keras.Input((None,), dtype="int32", name="positions"),
    }
    x = GatherWords(name="gather")([backbone.output, inputs["positions"]])
    if not characters:
        return inputs, x
    inputs["characters"] = keras.Input((None, None), dtype="int32", name="characters")
    spelling = CharacterCNN(**characters, name="spelling")(inputs["characters"])
    # Keras masks what every part masks: a padded word must not have characters either.
    return inputs, keras.layers.Concatenate(name="word")([x, spelling])
