"""One training script an application."""
