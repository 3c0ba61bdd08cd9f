"""Sequence to sequence: one text into another."""
