"""Classification: labels of texts."""
