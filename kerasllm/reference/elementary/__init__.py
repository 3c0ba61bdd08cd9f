"""Activations and the layers without time."""
