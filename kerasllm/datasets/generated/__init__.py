"""Sets that are made, not read: their answers and entropies are known."""
