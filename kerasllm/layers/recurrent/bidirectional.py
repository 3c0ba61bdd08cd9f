"""Both directions of a recurrent layer."""

import keras


@keras.saving.register_keras_serializable("kerasllm")
class Bidirectional(keras.layers.Bidirectional):
    """Keras' layer, which from 3.16 on takes the mask off what it returns: this one does not.

        y_t = [→h_t ; ←h_t]

    Args: as in `keras.layers.Bidirectional`.

    Source: Schuster and Paliwal 1997.

        >>> from kerasllm.layers import GRU
        >>> layer = Bidirectional(GRU(3, return_sequences=True))
        >>> layer(keras.random.normal((2, 5, 7), seed=1)).shape, layer.supports_masking
        (TensorShape([2, 5, 6]), True)
    """

    def build(self, sequences_shape, initial_state_shape=None):
        """Build the layer, and keep the masks of what it returns."""
        super().build(sequences_shape, initial_state_shape)
        self.supports_masking = True
