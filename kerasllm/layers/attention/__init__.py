"""Attention: its scores, many heads, Transformer blocks, decoders that look at a source."""
