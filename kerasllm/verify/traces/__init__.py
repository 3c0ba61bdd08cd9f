"""Every number that a model computes on a text."""
