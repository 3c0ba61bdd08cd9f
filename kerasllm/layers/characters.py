"""What the letters of a word say about it."""

import keras
from keras import ops

from kerasllm.layers.masking import lowest


@keras.saving.register_keras_serializable("kerasllm")
class CharacterCNN(keras.layers.Layer):
    """Features of words from their characters: a convolution, and its maximum over the word.

        x_c = dropout(E[character_c])          0 outside the word
        z_c = Σ_k x_{c+k-⌊(K-1)/2⌋} W_k + b        k = 0 … K-1
        y   = max over the word's characters of z_c

    The same letters give the same features in every word: endings, capitals and digits say what
    a word is, even if it was never seen.

    Args:
        num_characters: rows of E, with the pad id 0 counted in.
        filters: F, features of a word.
        kernel_size: K, neighbouring characters looked at together.
        embedding_dim: width of E.
        dropout: share of the embedded features set to 0 in training.

    Call arguments:
        inputs: character ids (B, T, W), 0 where a word has fewer than W characters.

    Returns:
        Features (B, T, F); 0 for a word without characters.

    Differences from `keras.layers.Conv1D` and `GlobalMaxPooling1D`: the padding behind a short
    word neither reaches the convolution nor wins the maximum.

    Source: Ma and Hovy 2016, section 2.1; dos Santos and Zadrozny 2014.

        >>> layer = CharacterCNN(31, filters=7)
        >>> layer(ops.convert_to_tensor([[[3, 1, 4], [5, 0, 0]]])).shape
        TensorShape([1, 2, 7])
    """

    def __init__(
        self, num_characters, filters=30, kernel_size=3, embedding_dim=30, dropout=0.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_characters = num_characters
        self.filters = filters
        self.kernel_size = kernel_size
        self.embedding_dim = embedding_dim
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, _input_shape):
        """Make E, W (K · embedding_dim, F) and b (F,)."""
        width = self.embedding_dim
        limit = (3 / width) ** 0.5
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_characters, width),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.convolution = keras.layers.Conv1D(
            self.filters,
            self.kernel_size,
            padding="same",
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.convolution.build((None, None, width))

    def call(self, inputs, training=None):
        """Return the features (B, T, F)."""
        shape = ops.shape(inputs)
        ids = ops.reshape(inputs, (-1, shape[2]))  # (B, T, W) -> (BT, W)
        real = ops.not_equal(ids, 0)[..., None]
        x = ops.cast(ops.take(self.embeddings, ids, axis=0), self.compute_dtype)
        x = ops.where(real, self.dropout(x, training=training), 0)
        z = self.convolution(x)  # (BT, W, F)
        y = ops.max(ops.where(real, z, ops.cast(lowest(z.dtype), z.dtype)), axis=1)
        y = ops.where(ops.any(real, axis=1), y, 0)
        return ops.reshape(y, (*shape[:2], self.filters))

    def compute_mask(self, inputs, _mask=None):
        """Mask words without characters."""
        return ops.any(ops.not_equal(inputs, 0), axis=-1)

    def compute_output_shape(self, input_shape):
        """Return (B, T, F)."""
        return (*input_shape[:2], self.filters)

    def get_config(self):
        """Return the settings that rebuild this layer."""
        return {
            **super().get_config(),
            "num_characters": self.num_characters,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout.rate,
        }
