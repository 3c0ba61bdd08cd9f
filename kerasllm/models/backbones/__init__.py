"""Backbones: token ids to features."""
