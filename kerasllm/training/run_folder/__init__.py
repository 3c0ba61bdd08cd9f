"""The run folder: what a training leaves, and what any later command takes."""
