"""Sequences: CRF, n-grams, byte pairs, decoding."""
