"""Decoding: tokens from a model, step by step."""
