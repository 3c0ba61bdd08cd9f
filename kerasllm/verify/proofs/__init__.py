"""The proof of the equations."""
