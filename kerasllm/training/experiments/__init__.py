"""Experiments: cross-validation, label efficiency."""
