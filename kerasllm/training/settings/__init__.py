"""The settings, one file a command."""
