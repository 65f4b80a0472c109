"""The scores that we report, in NumPy."""
