"""Checkpoints of others as files: found, fetched, and a GGUF file read."""
