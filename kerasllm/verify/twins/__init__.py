"""The NumPy twin of a Keras model."""
