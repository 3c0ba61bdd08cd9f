"""Attention, positions and the Transformer."""
