"""Change a symbol inside of a model, and see what follows."""
