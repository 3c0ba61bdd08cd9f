"""Scores of the field, from labels, tags and texts."""
