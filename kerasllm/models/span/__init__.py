"""Span extraction: answers found in a text."""
