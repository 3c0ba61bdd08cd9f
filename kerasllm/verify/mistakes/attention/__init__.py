"""Known mistakes in attention, in Transformers, and in decoders that look back."""
