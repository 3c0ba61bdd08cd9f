"""Whether padding changes what a model says."""
