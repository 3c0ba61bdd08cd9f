"""Token ids to vectors, and back to logits."""

import keras
from keras import ops

from kerasllm.layers.positions import sinusoids

POSITIONS = ("learned", "sinusoidal", "rotary", None)
NEVER = -3e4  # a logit without probability, finite in every dtype
SEPARATOR = 4  # <sep> of this project's own tokenizers
MIX = 20261  # by which the first token of a pair is multiplied
MOST_PAIRS = 2**16  # rows of the table of pairs: more would leave 32 bits


@keras.saving.register_keras_serializable("kerasllm")
class TokenEmbedding(keras.layers.Layer):
    """Embed token ids, add their positions; reversed, score every token of the vocabulary.

        x_t      = E[id_t]               positions None or "rotary"
        x_t      = E[id_t] + P[t]        positions "learned"
        x_t      = √D E[id_t] + P[t]     positions "sinusoidal"
        x_t      = … + S[min(#{s < t: id_s = separator}, segments - 1)]      with segments
        x_t      = … + G[(20261 (id_{t-1} mod R) + id_t) mod R]    with R pairs; id_{-1} = 0
        logits_t = h_t Eᵀ                reverse=True: the tied output head
        logits_t = h_t Oᵀ                … with a table of its own, tied=False

    Rotary positions are not added here: the attention layer rotates queries and keys. Segments tell
    the texts of a pair apart: the first ends with a separator, and is segment 0.

    Args:
        vocabulary_size: V, with the reserved pad id 0 counted in.
        hidden_dim: D.
        max_length: longest text, needed by learned and sinusoidal positions.
        positions: "learned", "sinusoidal", "rotary" or None.
        dropout: share of the embedded features set to 0 in training.
        embeddings_initializer: of all tables; a normal of deviation 0.02 (GPT-2, BERT) when None.
        segments: rows of S, the segments (BERT's token types); 0 for none.
        separator: id that ends a segment.
        score_pad: False gives the pad id no probability, for an E whose row 0 was never trained.
        tied: False gives the output head a table of its own, O (V, D).
        packed: whether a row may hold several texts, a pad between two of them. Positions then
            begin anew with each, and the mask numbers the texts, 1, 2 …, by which attention keeps
            them apart. It is for training: rows of one text are the same without it.
        pairs: R, rows of a table of pairs of neighbouring tokens, which share a row where their
            remainders are equal; 0 for none.

    Call arguments:
        inputs: ids (B, T), or features (B, T, D) with `reverse=True`.
        reverse: return logits (B, T, V).
        start: position of the first id, for decoding step by step.

    Differences from `keras.layers.Embedding`: positions, the output head, and a mask of the pad
    id 0 that is always made.

    Source: Press and Wolf 2017 (tied head); Vaswani et al. 2017, section 3.4 (√D); Devlin et al.
    2019, figure 2 (segments); Joulin et al. 2017, section 2.1 (hashed pairs).

        >>> layer = TokenEmbedding(11, 4, max_length=5, positions="learned")
        >>> features = layer(ops.convert_to_tensor([[3, 1, 0]]))
        >>> features.shape, layer(features, reverse=True).shape
        (TensorShape([1, 3, 4]), TensorShape([1, 3, 11]))
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim,
        max_length=None,
        positions=None,
        dropout=0.0,
        embeddings_initializer=None,
        segments=0,
        separator=SEPARATOR,
        score_pad=True,
        tied=True,
        packed=False,
        pairs=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if positions not in POSITIONS:
            raise ValueError(f"positions must be one of {POSITIONS}, received {positions!r}.")
        if positions in ("learned", "sinusoidal") and not max_length:
            raise ValueError(f"positions={positions!r} need max_length, the longest text to come.")
        if not 0 <= pairs <= MOST_PAIRS:
            raise ValueError(f"pairs must be 0 to {MOST_PAIRS:,} rows, received {pairs!r}.")
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.max_length = max_length
        self.positions = positions
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        self.segments = segments
        self.separator = separator
        self.score_pad = score_pad
        self.tied = tied
        self.packed = packed
        self.pairs = pairs
        self.supports_masking = True

    def build(self, _input_shape):
        """Make E (V, D), P (max_length, D), S (segments, D), G (pairs, D) and O (V, D)."""
        self.embeddings = self._table("embeddings", self.vocabulary_size)
        if self.positions == "learned":
            self.position_embeddings = self._table("position_embeddings", self.max_length)
        if self.segments:
            self.segment_embeddings = self._table("segment_embeddings", self.segments)
        if self.pairs:
            self.pair_embeddings = self._table("pair_embeddings", self.pairs)
        if not self.tied:
            self.output_embeddings = self._table("output_embeddings", self.vocabulary_size)

    @property
    def output_table(self):
        """Return the table (V, D) that the head scores tokens with."""
        return self.embeddings if self.tied else self.output_embeddings

    def _table(self, name, rows):
        shape, initializer = (rows, self.hidden_dim), self.embeddings_initializer
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def call(self, inputs, reverse=False, start=0, training=None):
        """Return features (B, T, D), or logits (B, T, V) when reversed."""
        if reverse:
            return self._logits(inputs)
        # A few rows of the variable, then cast: a cast copy would be one of the whole table.
        x = ops.take(self.embeddings, ops.cast(inputs, "int32"), axis=0)
        x = ops.cast(x, self.compute_dtype)
        if self.positions == "sinusoidal":
            x = x * self.hidden_dim**0.5
        if self.positions in ("learned", "sinusoidal"):
            rows = self._rows_of_texts(inputs) if self.packed and _is_first(start) else None
            x = x + (self._position_rows(ops.shape(inputs)[1], start) if rows is None else rows)
        if self.segments:
            x = x + self._segment_rows(inputs)
        if self.pairs:
            if not isinstance(start, int) or start:
                raise ValueError("pairs=0 is needed to go on with a text: a pair has two tokens.")
            x = x + self._pair_rows(ops.cast(inputs, "int32"))
        return self.dropout(x, training=training)

    def _segment_rows(self, ids):
        ends = ops.cast(ops.equal(ids, self.separator), "int32")
        segment = ops.minimum(ops.cumsum(ends, axis=1) - ends, self.segments - 1)  # (B, T)
        table = ops.cast(self.segment_embeddings, self.compute_dtype)
        # A product with few rows, where a lookup would have a gradient row for each token.
        return ops.matmul(ops.one_hot(segment, self.segments, dtype=table.dtype), table)

    def _rows_of_texts(self, ids):
        """Return the rows of P for positions that begin anew behind each pad, (B, T, D)."""
        t = ops.arange(ops.shape(ids)[1], dtype="int32")
        pads = ops.logical_and(ops.equal(ids, 0)[:, None, :], t[None, :] < t[:, None])  # (B, T, S)
        begin = ops.max(ops.where(pads, t + 1, 0), axis=-1)
        return ops.take(self._position_table(), t - begin, axis=0)

    def _position_table(self):
        if self.positions == "learned":
            return ops.cast(self.position_embeddings, self.compute_dtype)
        table = sinusoids(self.max_length, self.hidden_dim)
        return ops.convert_to_tensor(table, dtype=self.compute_dtype)

    def _pair_rows(self, ids):
        before = ops.pad(ids, [[0, 0], [1, 0]])[:, :-1]  # (B, T), 0 before the first token
        rows = (MIX * (before % self.pairs) + ids) % self.pairs
        return ops.cast(ops.take(self.pair_embeddings, rows, axis=0), self.compute_dtype)

    def _position_rows(self, length, start):
        if isinstance(length, int) and isinstance(start, int) and start + length > self.max_length:
            raise ValueError(
                f"a text of {start + length} tokens is longer than max_length={self.max_length}: "
                "cut it, use overlapping windows, or build the model with a larger max_length."
            )
        table = self._position_table()
        if _is_first(start):
            return table[:length]
        return ops.take(table, ops.arange(length, dtype="int32") + start, axis=0)

    def _logits(self, h):
        table = ops.cast(self.output_table, self.compute_dtype)
        logits = ops.matmul(ops.cast(h, self.compute_dtype), ops.transpose(table))
        if self.score_pad:
            return logits
        return ops.where(
            ops.arange(self.vocabulary_size, dtype="int32") > 0,
            logits,
            ops.cast(NEVER, logits.dtype),
        )

    def compute_mask(self, inputs, mask=None, reverse=False):
        """Mask the pad id 0; keep the mask of the features when reversed."""
        if reverse or len(inputs.shape) == 3:
            return mask
        real = ops.not_equal(inputs, 0)
        if not self.packed:
            return real
        return ops.where(real, 1 + ops.cumsum(ops.cast(ops.equal(inputs, 0), "int32"), axis=1), 0)

    def compute_output_shape(self, input_shape):
        """Return (B, T, D) for ids (B, T), (B, T, V) for features (B, T, D)."""
        last = self.vocabulary_size if len(input_shape) == 3 else self.hidden_dim
        return (*input_shape[:2], last)

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "max_length": self.max_length,
            "positions": self.positions,
            "dropout": self.dropout.rate,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "segments": self.segments,
            "separator": self.separator,
            "score_pad": self.score_pad,
            "tied": self.tied,
            "packed": self.packed,
            "pairs": self.pairs,
        }


def _is_first(start):
    """Return whether a position is known to be the first."""
    return isinstance(start, int) and start == 0
