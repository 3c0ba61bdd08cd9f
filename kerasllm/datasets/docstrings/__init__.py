"""Docstrings of the installed packages."""
