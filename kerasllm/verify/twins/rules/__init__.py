"""Rules of the twin, by kind of layer."""
