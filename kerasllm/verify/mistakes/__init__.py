"""The mistakes that people make, planted on purpose."""
