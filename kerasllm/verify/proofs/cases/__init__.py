"""The cases of the proof, by topic."""
