"""What a network must beat, on the same rows."""
