"""Texts as rows of tokens on disk."""
