"""Comparing a model with its twin."""
